"""What the edge notes of each request to the API, once it is answered."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from starlette.routing import Match
from starlette.types import Scope

from madar.actions.usage import UsageLog
from madar.api.address import client_address
from madar.api.routes import routes
from madar.db.usage import UsageEntry
from madar.resources import Resources

UNMATCHED = "<unmatched>"
# Asked by machines all day long: they would drown what people do.
NOT_NOTED = ("/api/health", "/api/webhooks/fal")
MAX_AGENT_CHARACTERS = 500


def note_request(scope: Scope, *, status: int, took_ms: float) -> None:
    """Never waits. `madar.viewer_id` and `madar.session_id` are there when the person is known."""
    path: str = scope["path"]
    if not path.startswith("/api/") or path in NOT_NOTED or not status:
        return
    usage: UsageLog = scope["state"]["usage"]
    resources: Resources = scope["state"]["resources"]
    usage.record(
        UsageEntry(
            user_id=scope.get("madar.viewer_id"),
            session_id=scope.get("madar.session_id"),
            endpoint=_template(scope),
            method=scope["method"][:10],
            status_code=status,
            response_time_ms=round(took_ms),
            ip_address=client_address(scope, resources.settings),
            user_agent=_user_agent(scope),
            created_at=datetime.now(UTC),
        )
    )


def _template(scope: Scope) -> str:
    """The path as routes.py has it, never as it was asked: that may hold ids, or anything."""
    route: Any = scope.get("route") or _route_for(scope)
    return getattr(route, "path", UNMATCHED)


def _route_for(scope: Scope) -> object:
    """Where a request would have gone that was refused before."""
    found = {route.matches(scope)[0]: route for route in reversed(routes)}
    return found.get(Match.FULL) or found.get(Match.PARTIAL)


def _user_agent(scope: Scope) -> str:
    told = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return _printable(told[: 4 * MAX_AGENT_CHARACTERS])


@lru_cache(maxsize=1024)
def _printable(told: bytes) -> str:
    letters = filter(str.isprintable, told.decode(errors="replace"))
    return "".join(letters)[:MAX_AGENT_CHARACTERS]
