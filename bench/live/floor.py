"""The limit: a server that hears the bell and writes one frame, with nothing in between.

No sign-in, no reading of rows, no framework, no pings: what Python's loop, psycopg's LISTEN and
the kernel cost by themselves. It understands the bench's own client only, whose masks are zeros.
"""

import asyncio
import base64
import hashlib
import sys
from collections import defaultdict
from contextlib import suppress

import orjson
import psycopg
import uvloop

CHANNEL = "bench_floor"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Socket(asyncio.Protocol):
    """One generation's follower."""

    __slots__ = ("_generation_id", "_is_open", "_transport", "_wanted")
    _transport: asyncio.Transport

    def __init__(self, wanted: "defaultdict[str, set[Socket]]") -> None:
        self._wanted = wanted
        self._generation_id = ""
        self._is_open = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        with suppress(KeyError):
            self._wanted[self._generation_id].remove(self)

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._open(data)
        else:
            self._generation_id = orjson.loads(data[6:])["generationId"]
            self._wanted[self._generation_id].add(self)
            self.send(frame("joined", self._generation_id, 0))

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def _open(self, data: bytes) -> None:
        self._is_open = True
        if data.startswith(b"GET / "):
            self.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self._transport.close()
            return
        key = data.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r")[0]
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())  # noqa: S324 - RFC 6455, 1.3
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: madar.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )


def frame(kind: str, generation_id: str, version: int) -> bytes:
    """As long as Madar's own message of progress."""
    message = {
        "type": kind,
        "generationId": generation_id,
        "version": version,
        "status": "processing",
        "progress": 40,
        "stage": "generating",
        "estimatedTimeRemaining": 9,
    }
    payload = orjson.dumps(message)
    return bytes((0x81, 126)) + len(payload).to_bytes(2, "big") + payload


async def main(port: int, dsn: str) -> None:
    wanted: defaultdict[str, set[Socket]] = defaultdict(set)
    loop = asyncio.get_running_loop()
    conn = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    await conn.execute(f"LISTEN {CHANNEL}".encode())
    async with (
        conn,
        await loop.create_server(lambda: Socket(wanted), "127.0.0.1", port, backlog=2048),
    ):
        async for notice in conn.notifies():
            generation_id, version = notice.payload.split()
            data = frame("generation:progress", generation_id, int(version))
            for socket in wanted[generation_id]:
                socket.send(data)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
