"""Finishing the JSON that PostgreSQL built: keys become links, codes become sentences.

The bytes are not parsed; at the few places that are meant, one expression replaces the value.
Text of a person cannot pass for such a place: its quotation marks are escaped.
"""

import hashlib
import re

import orjson
from starlette.requests import Request
from starlette.responses import Response

from madar import i18n
from madar.api.request import SAFE_METHODS, State, language_of, resources_of
from madar.clients.storage import Storage

_FILE = re.compile(
    rb'"(imageUrl|thumbnailUrl|downloadUrl|masterUrl|sourceImageUrl|url)" ?: ?"([0-9a-f/.a-z]+)"'
)
_ERROR = re.compile(rb'"error":"([a-z_]+)"')


def finish(body: bytes, *, storage: Storage, language: i18n.Language) -> bytes:
    def link(match: re.Match[bytes]) -> bytes:
        # A link that is to save the picture has to say so: browsers ignore `download` elsewhere.
        filename = "madar.png" if match[1] == b"downloadUrl" else None
        url = storage.sign(match[2].decode(), filename=filename)
        return b'"%s":"%s"' % (match[1], url.encode())

    def sentence(match: re.Match[bytes]) -> bytes:
        words = i18n.text(f"failure.{match[1].decode()}", language)
        return b'"error":' + orjson.dumps(words)

    return _ERROR.sub(sentence, _FILE.sub(link, body))


def answer_document(
    request: Request[State], body: bytes, *, cache: str, status: int = 200
) -> Response:
    """The finished document, or 304 for a reader that has it as it is."""
    language = language_of(request)
    finished = finish(body, storage=resources_of(request).storage, language=language)
    headers = {"Cache-Control": cache, "Content-Language": language, "Vary": "Accept-Language"}
    return answer_unless_known(request, finished, headers=headers, status=status)


def answer_unless_known(
    request: Request[State], body: bytes, *, headers: dict[str, str], status: int = 200
) -> Response:
    """`body` is JSON; its ETag is made of what the reader would see (RFC 9110, 8.8.3)."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {**headers, "ETag": tag}
    is_reading = request.method in SAFE_METHODS
    if is_reading and _is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers=headers, media_type="application/json")


def _is_known(given: str, tag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in given.split(",")}
    return tag in known or given.strip() == "*"
