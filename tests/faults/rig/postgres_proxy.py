"""A proxy in front of PostgreSQL that can hold a commit, or its answer.

It understands as much of the protocol (PostgreSQL's manual, chapter "Frontend/Backend Protocol")
as it takes to know which statement a message carries out, and whether that commits by itself.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.rig.traps import Dropped, Loop, Trap, Trapping

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_ENDS = frozenset({"COMMIT", "ROLLBACK", "END", "ABORT"})


class _Over(Exception):
    """One side has closed; so does the other."""


@dataclass(eq=False, kw_only=True)
class _Link:
    """One connection of the process under test, and its backend."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    backend_pid: int | None = None
    statements: dict[bytes, str] = field(default_factory=dict[bytes, str])
    is_in_transaction: bool = False
    at_commit: Trap | None = None
    at_answer: Trap | None = None


class PostgresProxy(Trapping):
    """One for each process under test, so that a connection tells whose it is.

    A trap matches the text of a statement. What it holds is whatever makes that statement's effect
    last: the statement itself, or the COMMIT of the transaction it ran in.
    """

    def __init__(self, socket_path: str) -> None:
        super().__init__()
        self._socket_path = socket_path
        self._links: set[_Link] = set()
        self.port = 0

    def backend_pids(self) -> list[int]:
        return [link.backend_pid for link in list(self._links) if link.backend_pid]

    async def cut(self) -> None:
        """Every connection breaks at once, as when a cable is pulled."""
        for link in list(self._links):
            _abort(link.client)
            _abort(link.server)

    @contextmanager
    def serving(self, loop: Loop) -> Generator["PostgresProxy"]:
        server = loop.call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.clear_traps()
            loop.call(self._end(server))

    async def _end(self, server: asyncio.Server) -> None:
        """To be run on the loop: closed elsewhere, a server races the ends of its connections."""
        server.close()
        await self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._socket_path)
        except OSError:
            return _abort(writer)
        link = _Link(client=writer, server=to_server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._to_server(link, reader))
                pumps.create_task(self._to_client(link, from_server))
        except* (_Over, Dropped, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._links.discard(link)
            _abort(writer)
            _abort(to_server)

    async def _to_server(self, link: _Link, reader: asyncio.StreamReader) -> None:
        await _pass_start(link, reader)
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            if text := _carried_out(link, head[:1], body):
                await self._look(link, text)
            link.server.write(head + body)
            await link.server.drain()

    async def _look(self, link: _Link, text: str) -> None:
        """Hold it here if it is what a trap waits for."""
        word = text.split(maxsplit=1)[0].upper().rstrip(";") if text.strip() else ""
        if word in {"BEGIN", "START"}:
            link.is_in_transaction = True
            return
        trap = self.trap_for(text, "before", "after")
        if link.is_in_transaction and word not in _ENDS:
            link.at_commit = trap or link.at_commit
            return
        if link.is_in_transaction:
            link.is_in_transaction = False
            trap, link.at_commit = link.at_commit, None
            if trap and word != "COMMIT":
                trap.let_slip()
                return
        if trap and trap.side == "before":
            await trap.hold(self, backend_pid=link.backend_pid)
        elif trap:
            link.at_answer = trap

    async def _to_client(self, link: _Link, reader: asyncio.StreamReader) -> None:
        kept: list[bytes] = []
        while True:
            try:
                head = await reader.readexactly(5)
            except asyncio.IncompleteReadError as end:
                raise _Over from end
            body = await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            if head[:1] == b"K" and link.backend_pid is None:
                link.backend_pid = struct.unpack("!I", body[:4])[0]
            kept.append(head + body)
            if link.at_answer and head[:1] != b"Z":
                continue
            if trap := link.at_answer:
                link.at_answer = None
                if any(message[:1] == b"E" for message in kept):
                    trap.let_slip()
                else:
                    await trap.hold(self, backend_pid=link.backend_pid)
            link.client.write(b"".join(kept))
            kept.clear()
            await link.client.drain()


def _carried_out(link: _Link, kind: bytes, body: bytes) -> str | None:
    """The statement that this message carries out, if it does."""
    match kind:
        case b"Q":
            return body.rstrip(b"\0").decode()
        case b"P":
            name, text, _ = body.split(b"\0", 2)
            link.statements[name] = text.decode()
        case b"B":
            _, name, _ = body.split(b"\0", 2)
            return link.statements.get(name, "")
        case b"X":
            raise _Over
        case _:
            pass
    return None


async def _pass_start(link: _Link, reader: asyncio.StreamReader) -> None:
    while True:
        head = await reader.readexactly(8)
        size, code = struct.unpack("!II", head)
        rest = await reader.readexactly(size - 8)
        if code not in {_SSL, _GSS}:
            link.server.write(head + rest)
            await link.server.drain()
            if code == _CANCEL:
                raise _Over
            return
        link.client.write(b"N")
        await link.client.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        if raw := writer.get_extra_info("socket"):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
