"""Parts of a file: one range a request at most, since many small ones cost quadratic time."""

import re

from starlette.requests import Request
from starlette.responses import FileResponse

from madar.api.request import State

# RFC 9110, 14.1.2. No file has more digits than this.
_ONE = re.compile(
    r"bytes=[ \t]*(?:(?P<start>[0-9]{1,15})-(?P<end>[0-9]{0,15})|-(?P<last>[0-9]{1,15}))[ \t]*",
    re.IGNORECASE,
)


def is_satisfiable(request: Request[State], file: FileResponse, *, size_bytes: int) -> bool:
    """Whether `file` may answer; a range that means nothing here is taken out of the request."""
    asked = request.headers.getlist("range")
    if not asked:
        return True
    if not _applies(request, file, asked[0]):
        headers = request.scope["headers"]
        request.scope["headers"] = [pair for pair in headers if pair[0] != b"range"]
        return True
    part = _ONE.fullmatch(asked[0]) if len(asked) == 1 else None
    return part is not None and _fits(part, size_bytes)


def _applies(request: Request[State], file: FileResponse, asked: str) -> bool:
    """Other methods and units are ignored (14.2), as is a part of another version (13.1.5)."""
    version = request.headers.get("if-range")
    is_ours = version in {None, file.headers["etag"], file.headers["last-modified"]}
    return request.method == "GET" and asked.lower().startswith("bytes=") and is_ours


def _fits(part: re.Match[str], size_bytes: int) -> bool:
    if part["last"]:
        return int(part["last"]) > 0 < size_bytes
    start = int(part["start"])
    return start < size_bytes and start <= int(part["end"] or start)
