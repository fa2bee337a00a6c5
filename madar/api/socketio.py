"""/socket.io/: the same live updates for clients of Socket.IO, by websocket or by polling.

A client that polls has to reach the same process with each request, as it is that process which
knows it. Where several machines run, clients should therefore name the websocket as their only
transport, or whatever stands in front has to send a client to the same machine each time.
"""

import asyncio
import logging
from typing import Any

import socketio as library  # pyright: ignore[reportMissingTypeStubs]
from engineio.payload import Payload  # pyright: ignore[reportMissingTypeStubs]
from socketio.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    ConnectionRefusedError as Refusal,
)
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from madar import i18n
from madar.api.engineio import MAX_PACKETS, MAX_PAYLOAD_BYTES, Door, Peer, Visit, current_visit
from madar.api.request import State, language_of, resources_of, viewer_of, viewer_of_token
from madar.db.sessions import Viewer
from madar.domain.answers import dig, id_at, text_at
from madar.errors import MadarError, TooBusy, Unauthenticated, Unavailable
from madar.realtime.endings import (
    NOT_SIGNED_IN,
    OLD,
    SERVICE_RESTART,
    TOO_MANY_MESSAGES,
    TRY_AGAIN,
    Ending,
)
from madar.realtime.entrance import SIGN_IN_WITHIN_S
from madar.realtime.follower import Follower, following
from madar.realtime.live import Live
from madar.realtime.messages import JOINED, Json, Message, event_of

PING_EVERY_S, PING_WITHIN_S = 25, 20
# After these the client comes back by itself; after all others it is told not to.
PASSING = frozenset({SERVICE_RESTART, TRY_AGAIN, OLD})

# What goes wrong with a packet is the client's affair, and the library would tell of each.
# Known to nobody else, so that no configuration gives it a voice again.
_SILENT: Any = logging.Logger("socketio", logging.CRITICAL + 1)  # noqa: LOG001


async def door(scope: Scope, receive: Receive, send: Send) -> None:
    """Where requests come in."""
    await scope["state"]["socketio"](scope, receive, send)


class SocketIo:
    """One a process: it says who is there, and tells them what a follower is told."""

    def __init__(self, live: Live, tasks: asyncio.TaskGroup) -> None:
        self._live = live
        Payload.max_decode_packets = MAX_PACKETS
        self._server: Any = library.AsyncServer(
            async_mode="asgi",
            async_handlers=False,  # else nothing would hold back who asks and does not read
            cors_allowed_origins=[],  # the edge answers for that
            http_compression=False,
            logger=_SILENT,
            engineio_logger=_SILENT,
            max_http_buffer_size=MAX_PAYLOAD_BYTES,
            ping_interval=PING_EVERY_S,
            ping_timeout=PING_WITHIN_S,
        )
        self._server.on("connect", self._connect)
        self._server.on("*", self._hear)
        self._server.on("disconnect", self._part)
        self.door = Door(self._server.eio, self._attend, tasks)

    async def _connect(self, sid: str, environ: object, auth: object) -> None:
        """Raises the library's refusal; its message and its data are what the page sees."""
        del sid, environ
        visit = current_visit()
        try:
            await self._sign_in(visit, auth)
        except (TooBusy, Unavailable):
            # A refusal is for good, as clients see it; they come back when the way ends instead.
            await _peer_of(visit).drop()
            raise Refusal from None
        except MadarError as error:
            language = language_of(visit.connection)
            words = i18n.text(f"problem.{error.code}", language, **error.params)
            raise Refusal(words, {"code": error.code, "message": words}) from None

    async def _sign_in(self, visit: Visit, auth: object) -> None:
        """Raises MadarError."""
        peer = _peer_of(visit)
        viewer = await _viewer_of(visit.connection, auth)
        if peer.ending or peer.follower.done():
            raise Unauthenticated
        follower = await peer.stack.enter_async_context(
            following(self._live, viewer, language_of(visit.connection))
        )
        peer.follower.set_result(follower)
        peer.unsigned.close()

    async def _attend(self, peer: Peer) -> Ending:
        try:
            async with asyncio.timeout(SIGN_IN_WITHIN_S):
                follower = await peer.follower
        except TimeoutError:
            return NOT_SIGNED_IN
        ending = await self._tell(peer, follower)
        if ending not in PASSING:
            await self._send(peer, follower.refusal(MadarError(ending.reason)))
            await self._server.eio.send(peer.sid, "1")
        return ending

    async def _tell(self, peer: Peer, follower: Follower) -> Ending:
        try:
            while True:
                await peer.drained()
                found = await follower.next()
                if isinstance(found, Ending):
                    return found
                await self._send(peer, found)
        except TimeoutError:
            return TRY_AGAIN

    async def _send(self, peer: Peer, message: Message) -> None:
        """An event as it stands on the wire, with the text that all share."""
        await self._server.eio.send(peer.sid, f'2["{message.type}",{message.text}]')

    async def _part(self, sid: str, reason: str) -> None:
        """Who takes leave of Socket.IO has no use for Engine.IO either."""
        del sid
        if reason == self._server.reason.CLIENT_DISCONNECT:
            await _peer_of(current_visit()).drop()

    async def _hear(self, event: str, sid: str, *given: object) -> Any:
        """An event; what this gives is the answer, where one is wanted."""
        del sid
        visit = current_visit()
        peer = _peer_of(visit)
        follower = peer.follower.result()
        if not follower.may_speak():
            follower.inbox.end(TOO_MANY_MESSAGES)
        if follower.inbox.ending:
            return self._server.not_handled
        try:
            message = await _done(follower, event, dig(list(given), 0))
        except MadarError as error:
            message = follower.refusal(error)
        if visit.wants_answer:
            return _answer(message)
        if message:
            await self._send(peer, _told(message))
        return None


async def _done(follower: Follower, event: str, given: object) -> Message | None:
    """Raises MadarError."""
    match event:
        case "join:generation":
            return await follower.join(id_at([given], 0) or id_at(given, "generationId"))
        case "join:mine":
            since = dig(given, "since")
            return await follower.join_mine(since if since is None else text_at([since], 0) or "")
        case "leave:generation":
            if generation_id := id_at([given], 0) or id_at(given, "generationId"):
                follower.leave(generation_id)
        case "leave:mine":
            follower.leave_mine()
        case _:
            raise MadarError("message_unknown")
    return None


def _answer(message: Message | None) -> Json:
    if message is None:
        return {"ok": True}
    return {"ok": message.type == JOINED, **message.body}


def _told(message: Message) -> Message:
    """Who asks for no answer may know the events alone: one that tells how it is."""
    return event_of(message.body["snapshot"]) if "snapshot" in message.body else message


async def _viewer_of(connection: HTTPConnection[State], auth: object) -> Viewer:
    """By the token of the sign-in, else by header or cookie. Raises MadarError."""
    token = text_at(auth, "token")
    if token is None:
        return await viewer_of(connection)
    viewer = await viewer_of_token(resources_of(connection), token)
    connection.scope["madar.language"] = (viewer.language, viewer.is_language_chosen)
    return viewer


def _peer_of(visit: Visit) -> Peer:
    assert visit.peer, "the library hears of nobody before this knows them"
    return visit.peer
