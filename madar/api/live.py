"""GET /ws: one socket, many generations."""

import asyncio
import json
import logging
from typing import Any
from uuid import UUID

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from madar import i18n
from madar.api import problems
from madar.api.documents import finish
from madar.api.request import (
    State,
    cookie_name,
    cookies_of,
    language_of,
    resources_of,
    viewer_of,
    viewer_of_token,
)
from madar.db import generations
from madar.db.generations import Announcement
from madar.db.pool import read
from madar.db.sessions import Viewer
from madar.domain.answers import text_at
from madar.errors import Forbidden, MadarError, NotFound, Unauthenticated, Unavailable
from madar.realtime.hub import Hub, Inbox
from madar.realtime.pace import Pace

log = logging.getLogger(__name__)

PROTOCOL = "madar.v1"
AUTH_DEADLINE_S = 5
MAX_MESSAGE_CHARACTERS = 4096
MAX_JOINED = 100
EVENTS = {"completed": "generation:completed", "failed": "generation:failed"}

BURST, PER_S = 150, 20  # a page that joins its whole gallery at once, and no flood

POLICY, UNAUTHENTICATED, UNSUPPORTED, TRY_AGAIN_LATER, TOO_MANY = 1008, 4401, 1003, 1013, 4429


async def live(socket: WebSocket[State]) -> None:
    """Authenticate, then listen and tell until one side goes."""
    try:
        viewer = await _viewer_at_handshake(socket)
    except (Forbidden, Unavailable) as error:
        await socket.send_denial_response(problems.problem(socket, error))
        return
    offered: list[str] = socket.scope["subprotocols"]
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    try:
        viewer = viewer or await _viewer_in_first_message(socket)
    except (Unauthenticated, TimeoutError):
        await socket.close(UNAUTHENTICATED, "not_signed_in")
        return
    except Unavailable as error:
        await socket.close(TRY_AGAIN_LATER, error.code)
        return
    except WebSocketDisconnect:
        return
    await _serve(socket, viewer)


async def _viewer_at_handshake(socket: WebSocket[State]) -> Viewer | None:
    """By cookie or header; None: the first message has to say. Raises Forbidden, Unavailable."""
    settings = resources_of(socket).settings
    has_cookie = cookie_name(settings) in cookies_of(socket)
    if not has_cookie and "authorization" not in socket.headers:
        return None
    try:
        return await viewer_of(socket)
    except Unauthenticated:
        return None


async def _viewer_in_first_message(socket: WebSocket[State]) -> Viewer:
    async with asyncio.timeout(AUTH_DEADLINE_S):
        message = _message(await _receive(socket))
    token = text_at(message, "token")
    if text_at(message, "type") != "auth" or token is None:
        raise Unauthenticated
    return await viewer_of_token(resources_of(socket), token)


async def _serve(socket: WebSocket[State], viewer: Viewer) -> None:
    """A reader beside the writer: without one, pongs would never be read (uvicorn, sansio)."""
    hub: Hub = socket.state["hub"]
    socket.scope["madar.language"] = (viewer.language, viewer.is_language_chosen)
    inbox = hub.open(viewer.session_id, user_id=viewer.id)
    if inbox is None:
        await socket.close(TOO_MANY, "too_many_sockets")
        return
    connection = _Connection(socket, viewer, hub, inbox)
    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(connection.write())
            reader = tasks.create_task(connection.read())
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            reader.cancel()
            writer.cancel()
    except* (WebSocketDisconnect, WebSocketDisconnected):
        pass
    finally:
        hub.close(inbox)


class _Connection:
    """One authenticated socket."""

    def __init__(self, socket: WebSocket[State], viewer: Viewer, hub: Hub, inbox: Inbox) -> None:
        self._socket = socket
        self._viewer = viewer
        self._hub = hub
        self._inbox = inbox
        self._language: i18n.Language = language_of(socket)
        self._pace = Pace(burst=BURST, per_s=PER_S)

    async def read(self) -> None:
        while True:
            message = _message(await _receive(self._socket))
            if not self._pace.allows_one_more():
                await self._socket.close(TOO_MANY, "too_many_messages")
                return
            match text_at(message, "type"):
                case "join:generation":
                    await self._join(_id_in(message))
                case "leave:generation":
                    if generation_id := _id_in(message):
                        self._hub.leave(self._inbox, generation_id)
                case "ping":
                    await self._send({"type": "pong"})
                case "auth":
                    await self._send({"type": "authenticated"})
                case _:
                    await self._send(self._error(MadarError("message_unknown"), None))

    async def write(self) -> None:
        while row := await self._inbox.get():
            await self._socket.send_text(self._event(row))
        await self._socket.close(UNAUTHENTICATED, "not_signed_in")

    async def _join(self, generation_id: UUID | None) -> None:
        """Register, then read: nothing that happens between the two is missed."""
        try:
            if generation_id is None:
                raise NotFound
            is_new = generation_id not in self._inbox.joined
            if is_new and len(self._inbox.joined) >= MAX_JOINED:
                await self._socket.close(POLICY, "too_many_joined")
                raise WebSocketDisconnect(POLICY)
            await self._send(await self._joined(generation_id))
        except MadarError as error:
            if generation_id is not None:
                self._hub.leave(self._inbox, generation_id)
            await self._send(self._error(error, generation_id))

    async def _joined(self, generation_id: UUID) -> dict[str, Any]:
        self._hub.join(self._inbox, generation_id)
        snapshot = await self._snapshot(generation_id)
        while snapshot["version"] < self._inbox.joined[generation_id]:
            # An event overtook the reading; the answer must not go back behind it.
            snapshot = await self._snapshot(generation_id)
        self._inbox.joined[generation_id] = snapshot["version"]
        named = {"generationId": str(generation_id), "version": snapshot["version"]}
        return {"type": "joined", **named, "snapshot": snapshot}

    async def _snapshot(self, generation_id: UUID) -> dict[str, Any]:
        body = await read(
            resources_of(self._socket).pool,
            lambda conn: generations.get_generation_document(
                conn, owner_id=self._viewer.id, id=generation_id
            ),
        )
        if body is None:
            raise NotFound
        return orjson.loads(self._finish(body))

    def _event(self, row: Announcement) -> str:
        shown = orjson.loads(self._finish(row.document.encode()))
        event = {
            "type": EVENTS.get(row.status, "generation:progress"),
            "generationId": str(row.id),
            "version": row.version,
            "status": row.status,
            "progress": shown["progress"],
        }
        for source, target in (
            ("stage", "stage"),
            ("queuePosition", "queuePosition"),
            ("estimatedTimeSeconds", "estimatedTimeRemaining"),
            ("result", "result"),
            ("error", "error"),
            ("errorCode", "errorCode"),
        ):
            if source in shown:
                event[target] = shown[source]
        return orjson.dumps(event).decode()

    def _finish(self, body: bytes) -> bytes:
        storage = resources_of(self._socket).storage
        return finish(body, storage=storage, language=self._language)

    def _error(self, error: MadarError, generation_id: UUID | None) -> dict[str, Any]:
        words = i18n.text(f"problem.{error.code}", self._language, **error.params)
        answer: dict[str, Any] = {"type": "error", "code": error.code, "message": words}
        return answer | ({"generationId": str(generation_id)} if generation_id else {})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(orjson.dumps(message).decode())


async def _receive(socket: WebSocket[State]) -> str:
    """One text message; anything else ends the socket with the fitting code."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text = message.get("text")
    if text is None or len(text) > MAX_MESSAGE_CHARACTERS:
        await socket.close(UNSUPPORTED)
        raise WebSocketDisconnect(UNSUPPORTED)
    return text


def _message(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _id_in(message: object) -> UUID | None:
    text = text_at(message, "generationId") or ""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None
