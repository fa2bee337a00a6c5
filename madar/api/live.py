"""GET /ws: the frames of one socket, both ways; what they mean stands in madar/realtime."""

import asyncio
import json

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from madar.api.live_access import welcome
from madar.api.request import State, language_of
from madar.db.sessions import Viewer
from madar.domain.answers import dig, id_at, text_at
from madar.errors import MadarError
from madar.realtime.endings import (
    TOO_LARGE,
    TOO_MANY_JOINED,
    TOO_MANY_MESSAGES,
    TOO_MANY_SOCKETS,
    TRY_AGAIN,
    UNREADABLE,
    Ending,
)
from madar.realtime.follower import (
    MAX_MESSAGE_BYTES,
    Follower,
    TooManyJoined,
    TooManySockets,
    following,
)
from madar.realtime.messages import AUTHENTICATED, PONG, Message

WRITE_WITHIN_S = 10


async def live(socket: WebSocket[State]) -> None:
    """Say who it is, then listen and tell until one side goes."""

    async def hear() -> object:
        text = await _receive(socket)
        if text is None:
            raise WebSocketDisconnect
        return _read(text)

    if viewer := await welcome(socket, hear):
        socket.scope["madar.language"] = (viewer.language, viewer.is_language_chosen)
        try:
            await _serve(socket, viewer)
        except TooManySockets:
            await _close(socket, TOO_MANY_SOCKETS)


async def _serve(socket: WebSocket[State], viewer: Viewer) -> None:
    """Listens beside telling: without it, pongs would never be read (uvicorn, sansio)."""
    async with following(socket.state["live"], viewer, language_of(socket)) as follower:
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(_tell(socket, follower))
                await _listen(socket, follower)
                telling.cancel()
        except* (WebSocketDisconnect, WebSocketDisconnected):
            pass


async def _tell(socket: WebSocket[State], follower: Follower) -> None:
    while isinstance(found := await follower.next(), Message):
        await _send(socket, found)
    await _close(socket, found)


async def _listen(socket: WebSocket[State], follower: Follower) -> None:
    """Until they go. Raises WebSocketDisconnect where they have to."""
    while (text := await _receive(socket)) is not None:
        message = _read(text)
        if not follower.may_speak():
            await _close(socket, TOO_MANY_MESSAGES)
            return
        if follower.inbox.ending:
            continue  # it is about to be told
        try:
            answer = await _answer(follower, message)
        except TooManyJoined:
            await _close(socket, TOO_MANY_JOINED)
            return
        if answer:
            await _send(socket, answer)


async def _answer(follower: Follower, message: object) -> Message | None:
    """Raises TooManyJoined."""
    generation_id = id_at(message, "generationId")
    try:
        match text_at(message, "type"):
            case "join:generation":
                return await follower.join(generation_id)
            case "join:mine":
                return await follower.join_mine(_since_in(message))
            case "leave:generation":
                if generation_id:
                    follower.leave(generation_id)
            case "leave:mine":
                follower.leave_mine()
            case "ping":
                return PONG
            case "auth":
                return AUTHENTICATED
            case _:
                return follower.refusal(MadarError("message_unknown"))
    except TooManyJoined:
        raise
    except MadarError as error:
        return follower.refusal(error, generation_id)
    return None


async def _send(socket: WebSocket[State], message: Message) -> None:
    """Raises WebSocketDisconnect, too when the other side takes nothing for too long."""
    try:
        async with asyncio.timeout(WRITE_WITHIN_S):
            await socket.send_text(message.text)
    except TimeoutError:
        raise WebSocketDisconnect(TRY_AGAIN.code) from None


async def _close(socket: WebSocket[State], ending: Ending) -> None:
    """The same."""
    try:
        async with asyncio.timeout(WRITE_WITHIN_S):
            await socket.close(ending.code, ending.reason)
    except TimeoutError:
        raise WebSocketDisconnect(ending.code) from None


async def _receive(socket: WebSocket[State]) -> str | None:
    """One text message; None: they have gone. Raises WebSocketDisconnect for anything else.

    A group of tasks that an exception ends is garbage in a circle, and of ten thousand that go at
    once it would hold up everybody to collect it.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    text: str | None = message.get("text")
    if text is not None and len(text.encode()) <= MAX_MESSAGE_BYTES:
        return text
    ending = UNREADABLE if text is None else TOO_LARGE
    await _close(socket, ending)
    raise WebSocketDisconnect(ending.code)


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _since_in(message: object) -> str | None:
    """What is no text is no cursor either."""
    since = dig(message, "since")
    return since if since is None or isinstance(since, str) else ""
