"""/files: local storage behind signed links, with ranges and the right types."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from madar.api.request import State, resources_of
from madar.clients.storage import CONTENT_TYPES, LINK_WINDOW_S
from madar.errors import NotFound


async def get_file(request: Request[State]) -> Response:
    storage = resources_of(request).storage
    link = storage.open_link(request.path_params["token"])
    path = storage.path_of(link.key)
    if not path.is_file():
        raise NotFound
    headers = {
        # A link stays the same for a window; the object under its key never changes.
        "Cache-Control": f"private, max-age={LINK_WINDOW_S}, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if link.filename:
        headers["Content-Disposition"] = _attachment(link.filename)
    media_type = CONTENT_TYPES[PurePosixPath(link.key).suffix]
    return FileResponse(path, headers=headers, media_type=media_type)


def _attachment(filename: str) -> str:
    """Both forms of RFC 6266: old readers get ASCII, the others the letters of the prompt."""
    ascii_name = re.sub(r"-+", "-", "".join(c for c in filename if c.isascii()))
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"
