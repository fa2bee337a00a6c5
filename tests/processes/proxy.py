"""Between a process and PostgreSQL: TCP proxies that swallow, withhold bells, record, or sleep."""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from tests.simulator.harness import eventually

P = TypeVar("P", bound="Proxy")


class Proxy:
    """While it `swallows`, whatever is sent is taken and never answered, as by a dead network."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._ended = asyncio.Event()
        self.is_swallowing = threading.Event()
        self.port = 0
        self.connections = 0
        self.swallowed = 0

    def swallow(self) -> None:
        self._loop.call_soon_threadsafe(self._swallow_from_now)

    def heal(self) -> None:
        """New connections pass; what was swallowed stays so."""
        self._loop.call_soon_threadsafe(self._passing.set)

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        await self._ended.wait()
        server.close()
        left = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.1)  # for the transports to close; they say nothing when they have

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        back, forth = await asyncio.open_unix_connection(str(self._server))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(reader, forth))
                tasks.create_task(self._answer(back, writer))
        finally:
            writer.close()
            forth.close()

    async def _ask(self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
        await self._copy(reader, forth)

    async def _answer(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._copy(back, writer)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self._passing.is_set():
                    await self._swallow(reader)
                    break
                writer.write(data)
        writer.close()

    def _swallow_from_now(self) -> None:
        self._passing.clear()
        self.is_swallowing.set()

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        self.swallowed += 1
        while await reader.read(65536):
            pass


class DeafProxy(Proxy):
    """Drops each NotificationResponse (PostgreSQL's manual, "Message Formats")."""

    async def _answer(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, length = struct.unpack("!ci", head := await back.readexactly(5))
                body = await back.readexactly(length - 4)
                if kind != b"A":
                    writer.write(head + body)
        writer.close()


class Recorder(Proxy):
    """Keeps what is said at the start of a connection, and the text of each statement."""

    def __init__(self, server: Path) -> None:
        super().__init__(server)
        self.starts: set[bytes] = set()
        self.statements: set[str] = set()

    async def _ask(self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            (length,) = struct.unpack("!i", head := await reader.readexactly(4))
            body = await reader.readexactly(length - 4)
            self.starts.add(body)
            forth.write(head + body)
            while True:
                kind, length = struct.unpack("!ci", head := await reader.readexactly(5))
                body = await reader.readexactly(length - 4)
                if kind in {b"Q", b"P"}:  # Parse has the statement's name before its text
                    self.statements.add(body.split(b"\0")[kind == b"P"].decode())
                forth.write(head + body)
        forth.close()


class Sleeper(Proxy):
    """Cuts every connection as a database does that goes to sleep; keeps who knocks waiting."""

    def __init__(self, server: Path) -> None:
        super().__init__(server)
        self._links: set[asyncio.StreamWriter] = set()
        self.knocks = 0

    def sleep(self) -> None:
        self.knocks = 0
        self._loop.call_soon_threadsafe(self._fall_asleep)

    def wake(self) -> None:
        self.heal()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks += 1
        await self._passing.wait()
        self._links.add(writer)
        try:
            await super()._pass(reader, writer)
        finally:
            self._links.discard(writer)

    def _fall_asleep(self) -> None:
        self._passing.clear()
        for writer in self._links:
            writer.close()


@contextlib.contextmanager
def proxied(dsn: str, kind: type[P] = Proxy) -> Generator[tuple[P, str]]:
    """The proxy in front of the server of this address, and the address through it."""
    base, _, host = dsn.partition("?host=")
    proxy = kind(next(Path(host).glob(".s.PGSQL.*[0-9]")))
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        port = eventually(lambda: proxy.port or None)
        database = base.rpartition("/")[2]
        yield proxy, f"postgresql://postgres@127.0.0.1:{port}/{quote(database)}?sslmode=disable"
    finally:
        proxy.end()
        thread.join(10)
