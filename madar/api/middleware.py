"""What every request passes: an id, a limit for its body, one log line, and no naked 500."""

import logging
import re
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madar import metrics, sentry
from madar.api import problems
from madar.api.bounds import bounded, refusal_of
from madar.api.usage import note_request
from madar.domain.rates import Decision, headers
from madar.errors import MalformedRequest
from madar.log import about, request_id

log = logging.getLogger(__name__)

# Of each machine that watches and of each client that polls, all day long.
OFTEN = frozenset({"/api/health", "/livez", "/readyz", "/socket.io"})
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})

_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


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
            with about():
                if scope["type"] == "http":
                    await self._handle(scope, receive, send)
                else:
                    await self._app(scope, receive, send)
        finally:
            request_id.reset(token)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, answer = time.perf_counter(), _Answer(scope, send)
        with sentry.traced("http.server") as trace:
            await self._answer(scope, receive, answer)
            if trace:
                trace.sampled &= not (scope.get("madar.is_stream") or _route_of(scope) in OFTEN)
                trace.name = f"{_method_of(scope)} {_route_of(scope)}"
                trace.set_http_status(answer.status)
        ended = time.perf_counter()
        # A stream took as long as its first byte did; how long it was open is another thing.
        answered = answer.began_at if scope.get("madar.is_stream") else ended
        took_s = answered - started
        _log(scope, answer.status, took_ms=took_s * 1000, open_s=ended - answered)
        _measure(scope, answer.status, took_s)
        note_request(scope, status=answer.status, took_ms=took_s * 1000)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if refusal := refusal_of(scope):
                await problems.problem(Request(scope), refusal)(scope, receive, answer)
            else:
                await self._app(scope, bounded(scope, receive), answer)
        except MalformedRequest as error:
            await problems.problem(Request(scope), error)(scope, receive, answer)
        except Exception:
            # Starlette has answered, as far as it could, and raises again for the log.
            facts = {"method": scope["method"], "route": _route_of(scope)}
            log.exception("request.failed", extra=facts)


class _Answer:
    """Adds to the headers what every answer says, and remembers the status and when it began."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.status = 0
        self.began_at = 0.0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.began_at = time.perf_counter()
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", request_id.get().encode()),
                (b"x-content-type-options", b"nosniff"),
                *_limit_headers(self._scope.get("madar.limits", {})),
            ]
        await self._send(message)


def _limit_headers(decisions: dict[str, Decision]) -> list[tuple[bytes, bytes]]:
    """How much is left of the limits this request counted for (api/limits.py)."""
    told = headers(list(decisions.values())) if decisions else {}
    told.pop("Retry-After", None)  # the refusal itself says it
    return [(name.lower().encode(), value.encode()) for name, value in told.items()]


def _id_for(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value.decode("latin-1")):
            return value.decode("latin-1")
    return secrets.token_hex(8)


def _route_of(scope: Scope) -> str:
    """As routes.py has it: what was asked for may hold ids, or anything."""
    route: Any = scope.get("route")
    return getattr(route, "path", "<unmatched>")


def _method_of(scope: Scope) -> str:
    """It is the client's word too."""
    return scope["method"] if scope["method"] in METHODS else "other"


def _measure(scope: Scope, status: int, took_s: float) -> None:
    """Each label is kept for ever."""
    method, route = _method_of(scope), _route_of(scope)
    metrics.requests.labels(method, route, 500)  # from 0, so that its first one is seen as a rise
    metrics.requests.labels(method, route, status).inc()
    metrics.response_seconds.labels(method, route).observe(took_s)


def _log(scope: Scope, status: int, *, took_ms: float, open_s: float) -> None:
    path = _route_of(scope)
    level = logging.DEBUG if path in OFTEN else logging.INFO
    if log.isEnabledFor(level):
        facts = {
            "method": scope["method"],
            "route": path,
            "status": status,
            "ms": round(took_ms, 1),
        }
        if open_s:
            facts["open_s"] = round(open_s, 1)
        if code := scope.get("madar.code"):
            facts["code"] = code
        log.log(level, "request", extra=facts)
