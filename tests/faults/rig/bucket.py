"""A bucket in memory that speaks as much of S3's protocol as the product uses."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from tests.faults.rig.http_proxy import HttpProxy, Request, answered

NAME = "madar-pictures"


class Bucket:
    """Signatures are not looked at; `proxy` is the way in."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.proxy = HttpProxy(handler=self._answer)

    async def _answer(self, request: Request) -> bytes:
        method, target = request.line.split(" ", 1)
        address = urlsplit(target)
        key = unquote(address.path).removeprefix(f"/{NAME}").lstrip("/")
        if method == "GET" and not key:
            return self._listed()
        if method == "PUT":
            self.objects[key] = request.body
            return answered(200, etag=_etag(request.body))
        if method == "DELETE":
            self.objects.pop(key, None)
            return answered(204)
        content = self.objects.get(key)
        if content is None:
            return answered(404, b"" if method == "HEAD" else _missing(key))
        return answered(
            200,
            b"" if method == "HEAD" else content,
            content_length=str(len(content)),
            etag=_etag(content),
            last_modified=format_datetime(datetime.now(UTC), usegmt=True),
        )

    def _listed(self) -> bytes:
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size>"
            f"<LastModified>{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>{_etag(content)}</ETag></Contents>"
            for key, content in sorted(self.objects.items())
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        return answered(200, body.encode(), content_type="application/xml")


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _missing(key: str) -> bytes:
    return f"<Error><Code>NoSuchKey</Code><Key>{escape(key)}</Key></Error>".encode()
