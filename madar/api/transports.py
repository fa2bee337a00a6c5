"""What passes between the library for Engine.IO and one request, a poll or a websocket."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from madar.realtime.endings import TRY_AGAIN, UNREADABLE, Ending

STALLED_S = 10
UPGRADE_WITHIN_S = 5
UPGRADE = ("2probe", "5")  # what a websocket begins with where polling came before
PORTION_BYTES = 256 * 1024

_PACKET_BYTES = 300  # of one in memory that carries nothing
_GONE = {"type": "websocket.disconnect", "code": 1006}
# The library reads as much of a body as the first says, and would upgrade a poll by the others.
_OURS = frozenset({b"content-length", b"connection", b"upgrade"})


class Outbox(asyncio.Queue[Any]):
    """The packets that wait for one client; None ends whoever takes them.

    The library takes all there are for one answer, so they are given out in portions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting_bytes = 0
        self._taken_bytes = 0

    async def get(self) -> Any:
        """The first of a portion."""
        self._taken_bytes = 0
        return await super().get()

    def get_nowait(self) -> Any:
        if self._taken_bytes >= PORTION_BYTES:
            raise asyncio.QueueEmpty
        return super().get_nowait()

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.waiting_bytes += _size(item)

    def _get(self) -> Any:
        item = super()._get()
        self.waiting_bytes -= _size(item)
        self._taken_bytes += _size(item)
        return item


def _size(packet: Any) -> int:
    return _PACKET_BYTES + (len(packet.data or "") if packet else 0)


def cut_short(waiting: asyncio.Timeout) -> None:
    """Its time may be up already, though whoever waits has not noticed yet."""
    if not waiting.expired():
        waiting.reschedule(asyncio.get_running_loop().time())


class Poll:
    """A request by HTTP whose body was read already; `answered` is called before its last byte."""

    def __init__(
        self, body: bytes, receive: Receive, send: Send, *, answered: Callable[[], None]
    ) -> None:
        self._body = body
        self._receive = receive
        self._send = send
        self._answered = answered
        self._is_answered = False

    def scope(self, scope: Scope) -> Scope:
        headers = [one for one in scope["headers"] if one[0] not in _OURS]
        return {**scope, "headers": [*headers, (b"content-length", b"%d" % len(self._body))]}

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"cache-control", b"no-store")]
        elif not message.get("more_body", False):
            self._is_answered = True
            self._answered()
        await self._send(message)

    async def is_left(self) -> bool:
        """True as soon as the client goes before it has its answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        return not self._is_answered


class Gate:
    """A websocket; `refuse` says why the library may not have a text, or None.

    `stalled` is called when nobody reads. An upgrade has to begin as one does, and in time.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        is_upgrade: bool,
        refuse: Callable[[str], Ending | None],
        stalled: Callable[[], Awaitable[None]],
    ) -> None:
        self.ending: Ending | None = None
        self._upgrade = deque(UPGRADE if is_upgrade else ())
        self._until = asyncio.get_running_loop().time() + UPGRADE_WITHIN_S if is_upgrade else None
        self._receive = receive
        self._send = send
        self._refuse = refuse
        self._stalled = stalled
        self._is_open = False
        self._is_stalled = False
        self._waiting: asyncio.Timeout | None = None

    async def receive(self) -> Message:
        """The library lets the websocket go when it hears that it is gone."""
        if not self._is_open:
            self._is_open = True
            return await self._receive()
        if self.ending:
            return _GONE
        try:
            async with asyncio.timeout_at(self._until) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            self.ending = self.ending or TRY_AGAIN
            return _GONE
        finally:
            self._waiting = None
        if message["type"] == "websocket.receive":
            self.ending = self.ending or self._unfit(message.get("text"))
        return _GONE if self.ending else message

    async def send(self, message: Message) -> None:
        """Raises OSError when nobody reads."""
        if self._is_stalled:
            raise BrokenPipeError
        if message["type"] == "websocket.close" and self.ending:
            message = {**message, "code": self.ending.code, "reason": self.ending.reason}
        try:
            async with asyncio.timeout(STALLED_S):
                await self._send(message)
        except TimeoutError:
            self._is_stalled = True
            self.shut(TRY_AGAIN)
            await self._stalled()
            raise

    def shut(self, ending: Ending) -> None:
        self.ending = self.ending or ending
        if self._waiting:
            cut_short(self._waiting)

    def _unfit(self, text: str | None) -> Ending | None:
        if text is None:
            return UNREADABLE
        if not self._upgrade:
            return self._refuse(text)
        if text != self._upgrade.popleft():
            return UNREADABLE
        if not self._upgrade:
            self._until = None
        return None
