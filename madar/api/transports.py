"""What passes between the library for Engine.IO and one request, a poll or a websocket."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send

from madar.realtime.endings import TRY_AGAIN, UNREADABLE, Ending

STALLED_S = 10

_GONE = {"type": "websocket.disconnect", "code": 1006}


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
        """The library reads as much of a body as this header says."""
        headers = [one for one in scope["headers"] if one[0] != b"content-length"]
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

    `stalled` is called when nobody reads.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        refuse: Callable[[str], Ending | None],
        stalled: Callable[[], Awaitable[None]],
    ) -> None:
        self.ending: Ending | None = None
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
            async with asyncio.timeout(None) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            return _GONE
        finally:
            self._waiting = None
        if message["type"] == "websocket.receive":
            text: str | None = message.get("text")
            self.ending = self.ending or (UNREADABLE if text is None else self._refuse(text))
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
            self._waiting.reschedule(asyncio.get_running_loop().time())
            self._waiting = None
