"""/files: pictures behind signed links, with ranges and the right types."""

import hashlib
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from madar.api.problems import problem
from madar.api.ranges import is_satisfiable
from madar.api.request import State, resources_of
from madar.clients.storage import (
    CACHE_CONTROL,
    CONTENT_TYPES,
    LINK_WINDOW_S,
    Link,
    Storage,
    attachment,
)
from madar.db import trash
from madar.db.usage import Serving
from madar.errors import MadarError, NotFound, Unavailable

TRASH = "trash/"  # so the trash_documents name what they let be seen


async def get_file(request: Request[State]) -> Response:
    storage = resources_of(request).storage
    link = await _unless_deleted(request, storage.open_link(request.path_params["token"]))
    if not storage.is_local:
        return await _send_on(request, storage, link)
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


async def _unless_deleted(request: Request[State], link: Link) -> Link:
    """No link shows what is deleted, but for those that the trash itself gave away.

    Raises NotFound.
    """
    key = link.key.removeprefix(TRASH)
    is_of_trash = key != link.key
    try:
        deletion = await resources_of(request).reads.read(
            lambda conn: trash.get_deletion(conn, object_key=key)
        )
    except Unavailable:
        # Pictures outlive the database's absence, as the links do: minutes.
        if is_of_trash:
            raise
        return link
    if not (deletion.is_in_trash and is_of_trash if deletion else not is_of_trash):
        raise NotFound
    return replace(link, key=key)


async def _send_on(request: Request[State], storage: Storage, link: Link) -> Response:
    """To the bucket, which serves the file under the same headers, and parts of it."""
    await storage.check(link.key)
    left_s = link.expires_at - int(time.time())
    response = RedirectResponse(
        storage.link_into_bucket(link, method=request.method),
        HTTPStatus.TEMPORARY_REDIRECT,
        # The bucket's link lives as long as this says at least.
        headers={
            **_headers(link),
            "Cache-Control": f"private, max-age={max(0, min(left_s, LINK_WINDOW_S))}",
        },
    )
    if request.method == "GET" and (serving := _serving_of(link)):
        asked = request.headers.get("range", "bytes=0-")
        if asked.startswith("bytes=0-"):
            request.state["usage"].count(serving)
    return response


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
        "Cache-Control": CACHE_CONTROL,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if link.filename:
        headers["Content-Disposition"] = attachment(link.filename)
    return headers


def _refuse_range(request: Request[State], size_bytes: int) -> Response:
    error = MadarError("range_not_satisfiable", size_bytes=size_bytes)
    return problem(request, error, headers={"Content-Range": f"bytes */{size_bytes}"})
