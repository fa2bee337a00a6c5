"""Fal's front door: the service may be down, and the queue and the API want a key."""

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from madar.simulator.state import State


# Not Fal's: always open, whatever is acted out.
_OURS = ("/simulator/", "/google/")
_OPEN_TO_ALL = ("/files/", "/.well-known/")

_NO_KEY = "Authentication is required to access this application."
_BAD_KEY = "No user found for Key ID and Secret"
_LOCKED = (
    "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
)


class Gate:
    """Pure ASGI, so that it can answer before a body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _refusal(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)


def _refusal(scope: Scope) -> JSONResponse | None:
    path: str = scope["path"]
    if path.startswith(_OURS):
        return None
    state: State = scope["state"]
    if "down" in state["simulator"].dial.names:
        return JSONResponse({"detail": "Service Unavailable"}, 503)
    return None if path.startswith(_OPEN_TO_ALL) else _refused_key(scope)


def _refused_key(scope: Scope) -> JSONResponse | None:
    headers = dict(scope["headers"])
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme != "Key" or not key.strip():
        return JSONResponse({"detail": _NO_KEY}, 401)
    if key.startswith("bad"):
        return JSONResponse({"detail": _BAD_KEY}, 401)
    if "locked" in key:
        return JSONResponse({"detail": _LOCKED}, 403)
    return None
