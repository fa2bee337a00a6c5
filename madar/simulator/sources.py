"""Source pictures: the `image_url` of a request, turned into bytes."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import httpx

from madar.simulator.config import JsonObject
from madar.simulator.files import FileStore
from madar.simulator.inputs import problem
from madar.simulator.ledger import Ledger

_MAX_BYTES = 10 * 2**20
_TIMEOUT_S = 10.0


class Refused(Exception):
    """The model does not accept this input; `detail` is what Fal says about it."""

    def __init__(self, detail: JsonObject) -> None:
        super().__init__(detail["msg"])
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Source:
    """The picture and, when the simulator drew it, the same with a transparent ground."""

    content: bytes
    twin: bytes | None = None


class Sources:
    """Reads from this simulator's own files, from data URIs and from the web."""

    def __init__(self, ledger: Ledger, files: FileStore, http: httpx.AsyncClient) -> None:
        self._ledger = ledger
        self._files = files
        self._http = http

    async def read(self, url: str) -> Source:
        name = self._files.name_in(url)
        if name is not None and self._ledger.get_file(name) is not None:
            return Source(content=self._files.read(name), twin=self._files.read_twin(name))
        if url.startswith("data:"):
            return Source(content=_of_data_uri(url))
        return Source(content=await self._download(url))

    async def _download(self, url: str) -> bytes:
        received = bytearray()
        try:
            async with self._http.stream(
                "GET", url, follow_redirects=True, timeout=_TIMEOUT_S
            ) as response:
                response.raise_for_status()
                async for chunk in response.aiter_bytes():
                    received += chunk
                    if len(received) > _MAX_BYTES:
                        raise _too_large(url)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _not_downloadable(url) from error
        return bytes(received)


def _of_data_uri(url: str) -> bytes:
    head, _, encoded = url.partition(",")
    try:
        content = (
            base64.b64decode(encoded, validate=True)
            if head.endswith(";base64")
            else unquote_to_bytes(encoded)
        )
    except binascii.Error as error:
        raise _not_downloadable("data:") from error
    if len(content) > _MAX_BYTES:
        raise _too_large("data:")
    return content


def _not_downloadable(url: str) -> Refused:
    message = f"Failed to download the file. Please check if the URL is accessible: {url}"
    return Refused(problem("image_url", "file_download_error", message, given=url))


def _too_large(url: str) -> Refused:
    message = f"The file is larger than {_MAX_BYTES} bytes"
    return Refused(
        problem("image_url", "file_too_large", message, given=url, ctx={"max_size": _MAX_BYTES})
    )
