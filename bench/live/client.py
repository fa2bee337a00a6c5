"""The cheapest socket there can be: RFC 6455 as far as a well-behaved server needs it.

Frames are masked with zeros, which is allowed and costs nothing; `Sec-WebSocket-Accept` is not
looked at, and no message is expected in pieces.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NO_MASK = b"\0\0\0\0"
HEAD = (
    "GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YSBtYWRhciBiZW5jaCEhIQ==\r\n"
    "Sec-WebSocket-Protocol: madar.v1\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n\r\n"
)
CUT_OFF, SWITCHED = 1006, 101
LONGER = 126  # from here on the length stands in two bytes of its own, or in eight

Hear = Callable[[str, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Who sits there, what they follow, and whether they stop reading before they join."""

    number: int
    cookie: str
    generation_ids: tuple[str, ...]
    is_stalled: bool = False


@dataclass
class Refused(Exception):
    """By an HTTP status, a close code or an error's code, before everything was joined."""

    code: int | str
    retry_after_s: float = field(default=1.0)


class Client(asyncio.Protocol):
    """`settled` is done once all is joined, or fails with Refused."""

    __slots__ = (
        "_head",
        "_hear",
        "_is_open",
        "_lost",
        "_rest",
        "_unjoined",
        "code",
        "seat",
        "settled",
        "transport",
        "versions",
    )
    transport: asyncio.Transport

    def __init__(
        self, seat: Seat, origin: str, hear: Hear, lost: "Callable[[Client], None]"
    ) -> None:
        self.seat = seat
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.versions: dict[str, int] = {}
        self.code = CUT_OFF
        self._head = HEAD.format(origin=origin, cookie=seat.cookie).encode()
        self._hear = hear
        self._lost = lost
        self._unjoined = set(seat.generation_ids)
        self._is_open = False
        self._rest: bytes = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.transport = transport
        transport.write(self._head)
        self._head = b""

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._settle(Refused(self.code)):
            self._lost(self)

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        data = self._rest + data if self._rest else data
        if not self._is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._answered(head)
            if not self._is_open:
                return
        position, end = 0, len(data)
        while (frame := _frame_at(data, position, end)) is not None:
            start, after = frame
            self._on_frame(data[position] & 15, data[start:after], at)
            position = after
        self._rest = data[position:]

    def cut(self) -> None:
        """Gone at once: the server hears of it by a reset, and no port stays in TIME_WAIT."""
        gone = self.transport.get_extra_info("socket")
        if gone is None:
            return  # the server was quicker
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _answered(self, head: bytes) -> None:
        status = int(head.split(maxsplit=2)[1])
        if status != SWITCHED:
            after = head.lower().partition(b"retry-after:")[2].partition(b"\r")[0].strip()
            self._settle(Refused(status, float(after or 1)))
            self.transport.abort()
            return
        self._is_open = True
        if self.seat.is_stalled:
            self.transport.pause_reading()
        for generation_id in self.seat.generation_ids:
            message = {"type": "join:generation", "generationId": generation_id}
            self._send(TEXT, orjson.dumps(message))
        if self.seat.is_stalled:
            self._settle(None)

    def _on_frame(self, opcode: int, payload: bytes, at: float) -> None:
        if opcode == TEXT:
            self._on_message(orjson.loads(payload), at)
        elif opcode == PING:
            self._send(PONG, payload)
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            self.transport.close()

    def _on_message(self, message: dict[str, Any], at: float) -> None:
        """What is not newer than what is known is not news, except where it replaces."""
        if message["type"] == "error" and self._settle(Refused(message["code"])):
            self.cut()
        generation_id, version = message.get("generationId"), message.get("version")
        if generation_id is None or version is None:
            return
        if version > self.versions.get(generation_id, 0) or message.get("resync"):
            self.versions[generation_id] = version
            self._hear(generation_id, version, at)
        if message["type"] == "joined":
            self._unjoined.discard(generation_id)
            if not self._unjoined:
                self._settle(None)

    def _settle(self, refused: Refused | None) -> bool:
        """Whether it was still open how this ends."""
        if self.settled.done():
            return False
        if refused is None:
            self.settled.set_result(None)
        else:
            self.settled.set_exception(refused)
        return True

    def _send(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        assert length < LONGER
        self.transport.write(bytes((128 | opcode, 128 | length)) + NO_MASK + payload)


def _frame_at(data: bytes, position: int, end: int) -> tuple[int, int] | None:
    """Where the payload of a whole frame begins and ends."""
    start = position + 2
    if end < start:
        return None
    length = data[position + 1]
    if length >= LONGER:
        size = 2 if length == LONGER else 8
        if end < start + size:
            return None
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return None if end < start + length else (start, start + length)
