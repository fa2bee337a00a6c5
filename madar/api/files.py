"""/files: local storage behind signed links, with ranges and the right types."""

import hashlib
import re
import stat
from collections.abc import Callable
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from madar.api.problems import problem
from madar.api.ranges import is_satisfiable
from madar.api.request import State, resources_of
from madar.clients.storage import CONTENT_TYPES, LINK_WINDOW_S, Link
from madar.db.usage import Serving
from madar.errors import MadarError, NotFound


async def get_file(request: Request[State]) -> Response:
    storage = resources_of(request).storage
    link = storage.open_link(request.path_params["token"])
    path = storage.path_of(link.key)
    try:
        found = path.stat()
    except OSError as error:
        raise NotFound from error
    if not stat.S_ISREG(found.st_mode):
        raise NotFound
    media_type = CONTENT_TYPES[PurePosixPath(link.key).suffix]
    file = _CountedFile(path, headers=_headers(link), media_type=media_type, stat_result=found)
    if not is_satisfiable(request, file, size_bytes=found.st_size):
        return _refuse_range(request, found.st_size)
    if serving := _serving_of(link):
        usage = request.state["usage"]
        file.on_sent = lambda: usage.count(serving)
    return file


class _CountedFile(FileResponse):
    """Calls `on_sent` once the last byte is handed over, of an answer that began at the first."""

    on_sent: Callable[[], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_counted = False

        async def send_and_look(message: Message) -> None:
            nonlocal is_counted
            await send(message)
            if message["type"] == "http.response.start":
                is_counted = scope["method"] == "GET" and _begins_at_first_byte(message)
            elif is_counted and self.on_sent and not message.get("more_body", False):
                self.on_sent()

        await super().__call__(scope, receive, send_and_look)


def _begins_at_first_byte(start: Message) -> bool:
    headers: dict[bytes, bytes] = dict(start["headers"])
    is_file = start["status"] in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
    return is_file and headers.get(b"content-range", b"bytes 0-").startswith(b"bytes 0-")


def _serving_of(link: Link) -> Serving | None:
    """What is counted: a picture that is saved under a name, or shown in full.

    A thumbnail looks like a picture here; the query that counts knows better. The hash is of
    what the link means, since other letters may spell the same signature.
    """
    if not link.filename and PurePosixPath(link.key).suffix != ".webp":
        return None
    meaning = f"{link.key}\n{link.filename}\n{link.expires_at}".encode()
    return Serving(
        kind="download" if link.filename else "view",
        object_key=link.key,
        link_hash=hashlib.sha256(meaning).digest(),
    )


def _headers(link: Link) -> dict[str, str]:
    headers = {
        # A link stays the same for a window; the object under its key never changes.
        "Cache-Control": f"private, max-age={LINK_WINDOW_S}, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if link.filename:
        headers["Content-Disposition"] = _attachment(link.filename)
    return headers


def _refuse_range(request: Request[State], size_bytes: int) -> Response:
    error = MadarError("range_not_satisfiable", size_bytes=size_bytes)
    return problem(request, error, headers={"Content-Range": f"bytes */{size_bytes}"})


def _attachment(filename: str) -> str:
    """Both forms of RFC 6266: old readers get ASCII, the others the letters of the prompt."""
    ascii_name = re.sub(r"-+", "-", "".join(c for c in filename if c.isascii()))
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"
