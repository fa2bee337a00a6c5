"""POST /api/live/ticket: for pages, which can set no header where a live connection begins."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions import tickets
from madar.api.operations import operation
from madar.api.request import State, WireModel, language_of, resources_of
from madar.db.sessions import Viewer

TAG = "live"


class TicketOut(WireModel):
    """Good for one handshake until `expiresAt`."""

    ticket: str
    expires_at: datetime


@operation("A ticket for one live connection", tag=TAG, answers={201: TicketOut}, policy="reads")
async def post_ticket(request: Request[State], viewer: Viewer) -> Response:
    """Offer it to `/ws` as the second of the subprotocols `["madar.v1", "ticket.<ticket>"]`.

    The socket speaks the language of this request. A page opens sockets again and again, so this
    counts for the limit of reading.
    """
    issued = await tickets.issue_ticket(
        resources_of(request), viewer=viewer, language=language_of(request)
    )
    told = {"ticket": issued.token, "expiresAt": issued.expires_at.isoformat()}
    return JSONResponse(told, 201, headers={"Cache-Control": "no-store"})
