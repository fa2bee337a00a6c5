"""Who is at a handshake of /ws: by ticket, header or cookie, else by the first message."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from madar.actions.tickets import take_ticket
from madar.api import problems
from madar.api.address import client_address, limit_key
from madar.api.request import (
    State,
    cookie_name,
    cookies_of,
    resources_of,
    viewer_of,
    viewer_of_token,
)
from madar.db.sessions import Viewer
from madar.domain.answers import text_at
from madar.errors import MadarError, Unauthenticated
from madar.realtime.endings import NOT_SIGNED_IN, TRY_AGAIN, Ending
from madar.realtime.entrance import SIGN_IN_WITHIN_S

PROTOCOL = "madar.v1"
TICKET = "ticket."

Hear = Callable[[], Awaitable[object]]


async def welcome(socket: WebSocket[State], hear: Hear) -> Viewer | None:
    """Accepts the socket and says whose it is; None where it was turned away, and is closed.

    `hear` is the next message. Pages see the code of a closing, but nothing of a refusal before
    it is accepted: so only what is not for the person to mend is refused there.
    """
    with suppress(WebSocketDisconnect, WebSocketDisconnected):  # it went while it was looked at
        return await _welcome(socket, hear)
    return None


async def _welcome(socket: WebSocket[State], hear: Hear) -> Viewer | None:
    try:
        socket.state["entrance"].admit()
        viewer = await _viewer_at_handshake(socket)
        if viewer is None:
            return await _viewer_in_first_message(socket, hear)
    except Unauthenticated:
        await _accept(socket)
        await _close(socket, NOT_SIGNED_IN)
        return None
    except MadarError as error:
        await socket.send_denial_response(problems.problem(socket, error))
        return None
    await _accept(socket)
    return viewer


async def _viewer_at_handshake(socket: WebSocket[State]) -> Viewer | None:
    """None: the first message has to say. Raises Unauthenticated for a ticket, and MadarError."""
    tickets = [one for one in socket.scope["subprotocols"] if one.startswith(TICKET)]
    if tickets:
        return await take_ticket(resources_of(socket), tickets[0].removeprefix(TICKET))
    has_cookie = cookie_name(resources_of(socket).settings) in cookies_of(socket)
    if not has_cookie and "authorization" not in socket.headers:
        return None
    try:
        return await viewer_of(socket)
    except Unauthenticated:
        return None


async def _viewer_in_first_message(socket: WebSocket[State], hear: Hear) -> Viewer | None:
    """Accepts; after that, refuses by closing. Raises MadarError before."""
    resources = resources_of(socket)
    address = limit_key(client_address(socket.scope, resources.settings))
    with socket.state["entrance"].unsigned(address):
        await _accept(socket)
        try:
            async with asyncio.timeout(SIGN_IN_WITHIN_S):
                token = _token_in(await hear())
            return await viewer_of_token(resources, token)
        except (Unauthenticated, TimeoutError):
            await _close(socket, NOT_SIGNED_IN)
        except MadarError:
            await _close(socket, TRY_AGAIN)
    return None


def _token_in(message: object) -> str:
    token = text_at(message, "token")
    if text_at(message, "type") != "auth" or token is None:
        raise Unauthenticated
    return token


async def _accept(socket: WebSocket[State]) -> None:
    """A ticket is never said back; a browser wants to hear one of what it offered."""
    is_offered = PROTOCOL in socket.scope["subprotocols"]
    await socket.accept(subprotocol=PROTOCOL if is_offered else None)


async def _close(socket: WebSocket[State], ending: Ending) -> None:
    await socket.close(ending.code, ending.reason)
