"""A proxy in front of what speaks HTTP: it takes one request a connection, and can hold it.

In front of the web it also decides which of two processes is asked.
"""

import asyncio
import contextlib
import logging
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.rig.traps import Dropped, Loop, Trap, Trapping

log = logging.getLogger(__name__)

_HOP = re.compile(rb"(?im)^(connection|keep-alive):[^\r\n]*\r\n")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)")
_UPGRADE = re.compile(rb"(?im)^upgrade: *websocket")


@dataclass(frozen=True, kw_only=True)
class Request:
    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """Method and target."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").rpartition(" ")[0]


Handler = Callable[[Request], Awaitable[bytes]]


class HttpProxy(Trapping):
    """Asks `upstream` (a port of this machine), or answers by `handler`.

    `spoil` may change an answer on its way, or raise Dropped; `is_away` takes connections and
    closes them.
    """

    def __init__(
        self, *, upstream: Callable[[], int] | None = None, handler: Handler | None = None
    ) -> None:
        super().__init__()
        self._upstream = upstream
        self._handler = handler
        self._open: set[socket.socket] = set()
        self.port = 0
        self.is_away = False
        self.spoil: Callable[[Request, bytes], bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def cut(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def serving(self, loop: Loop) -> Generator["HttpProxy"]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        accepting = asyncio.run_coroutine_threadsafe(self._accept(listener), loop.loop)
        try:
            yield self
        finally:
            self.clear_traps()
            loop.call(self.cut())
            accepting.cancel()
            loop.call(asyncio.sleep(0))
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                client, _ = await loop.sock_accept(listener)
                tasks.create_task(self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            if not self.is_away:
                await self._serve_one(client)
        except (Dropped, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except Exception:
            # One connection must not end the way in for all others.
            log.exception("proxy.failed")
        finally:
            self._open.discard(client)
            client.close()

    async def _serve_one(self, client: socket.socket) -> None:
        client.setblocking(False)
        if trap := self.trap_for(_line_of(await _peek(client)), "unread"):
            await trap.hold(self, client_port=_port_of(client))
        # Closing the writer closes a duplicate; `_serve` closes the connection itself.
        reader, writer = await asyncio.open_connection(sock=client.dup())
        try:
            request = await _read_request(reader)
            if request is None:
                return
            if _UPGRADE.search(request.head):
                await self._tunnel(request, reader, writer)
            else:
                await self._pass(request, writer)
        finally:
            writer.close()

    async def _pass(self, request: Request, writer: asyncio.StreamWriter) -> None:
        trap = self.trap_for(request.line, "before", "after", "half")
        if trap and trap.side == "before":
            await trap.hold(self, client_port=_port_of(writer))
        answer = await self._ask(request)
        if self.spoil:
            answer = self.spoil(request, answer)
        if trap and trap.side == "after":
            await trap.hold(self, client_port=_port_of(writer))
        if trap and trap.side == "half":
            answer = await self._send_half(trap, answer, writer)
        writer.write(answer)
        await writer.drain()

    async def _send_half(self, trap: Trap, answer: bytes, writer: asyncio.StreamWriter) -> bytes:
        middle = answer.index(b"\r\n\r\n") + 4
        middle += (len(answer) - middle) // 2
        writer.write(answer[:middle])
        await writer.drain()
        await trap.hold(self, client_port=_port_of(writer))
        return answer[middle:]

    async def _ask(self, request: Request) -> bytes:
        if self._handler:
            return await self._handler(request)
        head = _HOP.sub(b"", request.head)
        head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port())
        try:
            writer.write(head + request.body)
            await writer.drain()
            answer = await reader.read(-1)
        finally:
            writer.close()
        if not answer:
            raise ConnectionResetError
        return answer

    async def _tunnel(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port())
        to_server.write(request.head)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while chunk := await source.read(65536):
                target.write(chunk)
                await target.drain()
            raise ConnectionResetError

        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(reader, to_server))
                pumps.create_task(pump(from_server, writer))
        except* OSError:
            pass
        finally:
            to_server.close()

    def _port(self) -> int:
        assert self._upstream
        return self._upstream()


def answered(status: int, body: bytes = b"", **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} x\r\n{lines}connection: close\r\n\r\n".encode() + body


async def _peek(client: socket.socket) -> bytes:
    """The first bytes, which stay unread in the kernel."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client)
    return client.recv(65536, socket.MSG_PEEK)


def _port_of(client: socket.socket | asyncio.StreamWriter) -> int:
    """By which one tells whose connection it is."""
    if isinstance(client, asyncio.StreamWriter):
        return int(client.get_extra_info("peername")[1])
    return int(client.getpeername()[1])


def _line_of(head: bytes) -> str:
    return Request(head=head, body=b"").line


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return Request(head=head, body=body)
