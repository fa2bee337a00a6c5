"""A proxy as in front of every deployment: it keeps connections, and asks who is ready."""

import asyncio
import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

LOOK_EVERY_S = 0.25
LOOK_WITHIN_S = 2.0
_UPGRADE = re.compile(rb"(?im)^upgrade: *websocket")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding: *chunked")
_CLOSE = re.compile(rb"(?im)^connection: *close")
_HOP = re.compile(rb"(?im)^(connection|keep-alive):[^\r\n]*\r\n")
_NO_BODY = re.compile(rb"HTTP/1.1 (1\d\d|204|304) ")
_READY = b"GET /readyz HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n"

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Front:
    """Sends to those that are ready, in turn, over connections that it keeps.

    Like Fly's it goes on to the next where it cannot connect, and repeats nothing that was sent:
    what breaks then is a 502, and counted in `broken`. Where all say that they are not ready, it
    asks them all the same.
    """

    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[int] = Counter()
        self.broken: list[str] = []
        self._looking: dict[int, asyncio.Task[None]] = {}
        self._ready: list[int] = []
        self._kept: defaultdict[int, list[Link]] = defaultdict(list)
        self._open: set[asyncio.Task[None] | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ready(self) -> frozenset[int]:
        return frozenset(self._ready)

    def add(self, port: int, tasks: asyncio.TaskGroup) -> None:
        self._looking[port] = tasks.create_task(self._look_after(port))

    def remove(self, port: int) -> None:
        """It has ended."""
        self._looking.pop(port).cancel()
        self._mark(port, is_ready=False)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Front"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in [*self._looking.values(), *filter(None, self._open)]:
                task.cancel()
            await asyncio.gather(*filter(None, self._open), return_exceptions=True)
            for _, writer in (link for links in self._kept.values() for link in links):
                writer.close()
            await asyncio.sleep(0.1)  # for the transports to close; they say nothing when they have

    async def _look_after(self, port: int) -> None:
        while True:
            with contextlib.suppress(TimeoutError):  # one that is slow is what it was before
                async with asyncio.timeout(LOOK_WITHIN_S):
                    self._mark(port, is_ready=await _is_ready(port))
            await asyncio.sleep(LOOK_EVERY_S)

    def _mark(self, port: int, *, is_ready: bool) -> None:
        if is_ready and port not in self._ready:
            self._ready.append(port)
        if not is_ready and port in self._ready:
            self._ready.remove(port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if _UPGRADE.search(head):
                    await self._tunnel(head, (reader, writer))
                    return
                writer.write(await self._answer(head, await _body_of(head, reader)))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # they went, or all is over; a task that is cancelled would be complained of
        finally:
            self._open.discard(asyncio.current_task())
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        line = head.partition(b"\r\n")[0].decode()
        try:
            port, (reader, writer) = await self._link()
        except ConnectionRefusedError:
            return self._break(503, f"nobody is ready for {line}")
        self.asked[port] += 1
        try:
            writer.write(_HOP.sub(b"", head) + body)
            await writer.drain()
            told = await reader.readuntil(b"\r\n\r\n")
            content = b"" if _NO_BODY.match(told) else await _body_of(told, reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.close()
            return self._break(502, f"{port} broke {line}: {error!r}")
        except asyncio.CancelledError:
            writer.close()
            raise
        if _CLOSE.search(told):
            writer.close()
        else:
            self._kept[port].append((reader, writer))
        return _HOP.sub(b"", told) + content

    def _break(self, status: int, why: str) -> bytes:
        self.broken.append(why)
        return f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()

    async def _link(self) -> tuple[int, Link]:
        """One that was kept, or a fresh one. Raises ConnectionRefusedError."""
        for port in self._turn():
            while self._kept[port]:
                reader, writer = self._kept[port].pop()
                if not (reader.at_eof() or writer.is_closing()):
                    return port, (reader, writer)
                writer.close()
            with contextlib.suppress(OSError):
                return port, await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError

    def _turn(self) -> list[int]:
        """Each is the first to be tried in its turn."""
        if self._ready:
            self._ready.append(self._ready.pop(0))
        return [*self._ready, *(self._looking.keys() - self._ready)]

    async def _tunnel(self, head: bytes, client: Link) -> None:
        for port in self._turn():
            with contextlib.suppress(OSError):
                server = await asyncio.open_connection("127.0.0.1", port)
                self.asked[port] += 1
                with contextlib.closing(server[1]):
                    server[1].write(head)
                    await _join(client, server)
                return
        client[1].write(self._break(503, "nobody is ready for a socket"))


async def _is_ready(port: int) -> bool:
    answer = b""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            writer.write(_READY)
            answer = await reader.read(-1)
    return answer.startswith(b"HTTP/1.1 200 ")


async def _join(client: Link, server: Link) -> None:
    """Until either side ends; then the other does."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async with asyncio.TaskGroup() as pumps:
        pumps.create_task(pump(client[0], server[1]))
        pumps.create_task(pump(server[0], client[1]))


async def _body_of(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if length := _LENGTH.search(head):
        return await reader.readexactly(int(length[1]))
    if not _CHUNKED.search(head):
        return b""
    pieces: list[bytes] = []
    size = 1
    while size:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        pieces += [line, await reader.readexactly(size + 2)]
    return b"".join(pieces)
