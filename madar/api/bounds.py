"""How large and how slow a request may be; whatever is beyond is refused before anything runs."""

import asyncio

from starlette.types import Message, Receive, Scope

from madar.api.request import FORM, MAX_BODY_BYTES
from madar.api.uploads import MAX_REQUEST_BYTES
from madar.errors import MadarError, MalformedRequest
from madar.imaging.limits import MAX_UPLOAD_BYTES

MAX_ADDRESS_BYTES = 8 * 1024
MAX_HEADER_BYTES = 16 * 1024
BODY_S = 60
PATIENCE_S, SLOWEST_BYTES_S = 5, 8 * 1024
WEBHOOK, MAX_DELIVERY_BYTES = "/api/webhooks/fal", 2**20  # Fal sends the result along
WITH_PICTURES = ("/api/uploads/image", "/api/generations")
_MAX_DIGITS = 19


def refusal_of(scope: Scope) -> MadarError | None:
    """What is wrong with a request as far as its first line and its headers tell."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_ADDRESS_BYTES:
        return MalformedRequest("address_too_long", limit_kb=MAX_ADDRESS_BYTES // 1024)
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"content-length" and _number(value) > limit_of(scope):
            return _too_large(scope)
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            return MalformedRequest("encoding_unknown")
    if size > MAX_HEADER_BYTES:
        return MalformedRequest("headers_too_large", limit_kb=MAX_HEADER_BYTES // 1024)
    return None


def limit_of(scope: Scope) -> int:
    if scope["path"] == WEBHOOK:
        return MAX_DELIVERY_BYTES
    return MAX_REQUEST_BYTES if _may_have_picture(scope) else MAX_BODY_BYTES


def bounded(scope: Scope, receive: Receive) -> Receive:
    """The same limit for a body that does not say how long it is, and one for its time.

    After a while it has to come at a certain pace, so that few clients cannot occupy the places of
    many. Raises MalformedRequest out of whatever reads it.
    """
    clock, limit = asyncio.get_running_loop().time, limit_of(scope)
    size, is_whole, started_at = 0, False, 0.0

    async def receive_bounded() -> Message:
        nonlocal size, is_whole, started_at
        if is_whole:  # what comes now is the wait for the client to leave
            return await receive()
        started_at = started_at or clock()  # nobody else's time counts against the client
        time_s = min(BODY_S, PATIENCE_S + size / SLOWEST_BYTES_S)
        try:
            async with asyncio.timeout_at(started_at + time_s):
                message = await receive()
        except TimeoutError as error:
            raise MalformedRequest("body_too_slow", seconds=round(time_s)) from error
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(scope)
        is_whole = not message.get("more_body", False)
        return message

    return receive_bounded


def _may_have_picture(scope: Scope) -> bool:
    if scope["path"] not in WITH_PICTURES:
        return False
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    return bool(types) and types[0].strip().lower().startswith(FORM.encode())


def _too_large(scope: Scope) -> MalformedRequest:
    if _may_have_picture(scope):
        return MalformedRequest("upload_too_large", limit_mb=MAX_UPLOAD_BYTES // 2**20)
    return MalformedRequest("body_too_large", limit_kb=limit_of(scope) // 1024)


def _number(digits: bytes) -> int:
    """Leading zeros are allowed, any number of them; Python's int is not."""
    significant = digits.lstrip(b"0")[:_MAX_DIGITS]
    return int(significant) if significant.isdigit() else 0
