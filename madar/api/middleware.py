"""What every request passes: an id, a limit for its body, one log line, and no naked 500."""

import logging
import re
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madar.api import problems
from madar.api.request import MAX_BODY_BYTES
from madar.api.uploads import MAX_REQUEST_BYTES, MAX_UPLOAD_BYTES
from madar.errors import MalformedRequest
from madar.log import request_id

log = logging.getLogger(__name__)

_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
UPLOADS = "/api/uploads/"
MAX_DIGITS = 19


class Edge:
    """Pure ASGI, outside Starlette's own error handling, inside CORS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        token = request_id.set(_id_for(scope))
        try:
            if scope["type"] == "http":
                await self._handle(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            request_id.reset(token)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, answer = time.perf_counter(), _Answer(send)
        try:
            if refusal := _refuse_large(scope):
                await refusal(scope, receive, answer)
            else:
                await self._app(scope, _limited(scope, receive), answer)
        except MalformedRequest as error:
            await problems.problem(Request(scope), error)(scope, receive, answer)
        except Exception:
            # Starlette has answered, as far as it could, and raises again for the log.
            log.exception("request.failed")
        _log(scope, answer.status, started)


class _Answer:
    """Adds the request id to the headers and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", request_id.get().encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        await self._send(message)


def _id_for(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value.decode("latin-1")):
            return value.decode("latin-1")
    return secrets.token_hex(8)


def _limit_of(scope: Scope) -> int:
    return MAX_REQUEST_BYTES if scope["path"].startswith(UPLOADS) else MAX_BODY_BYTES


def _too_large(scope: Scope) -> MalformedRequest:
    if scope["path"].startswith(UPLOADS):
        return MalformedRequest("upload_too_large", limit_mb=MAX_UPLOAD_BYTES // 2**20)
    return MalformedRequest("body_too_large", limit_kb=_limit_of(scope) // 1024)


def _refuse_large(scope: Scope) -> Response | None:
    """Before the endpoint runs, and before a byte of the body is read."""
    for name, value in scope["headers"]:
        if name == b"content-length" and _number(value) > _limit_of(scope):
            return problems.problem(Request(scope), _too_large(scope))
    return None


def _number(digits: bytes) -> int:
    """Leading zeros are allowed, any number of them; Python's int is not."""
    significant = digits.lstrip(b"0")[:MAX_DIGITS]
    return int(significant) if significant.isdigit() else 0


def _limited(scope: Scope, receive: Receive) -> Receive:
    """The same limit for a body that does not say how long it is."""
    left = _limit_of(scope)

    async def receive_limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(scope)
        return message

    return receive_limited


def _log(scope: Scope, status: int, started: float) -> None:
    route: Any = scope.get("route")
    facts = {
        "method": scope["method"],
        "route": getattr(route, "path", "<unmatched>"),
        "status": status,
        "ms": round((time.perf_counter() - started) * 1000, 1),
    }
    log.log(
        logging.INFO if facts["route"] != "/api/health" else logging.DEBUG, "request", extra=facts
    )
