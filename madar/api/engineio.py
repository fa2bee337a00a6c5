"""Engine.IO, by polling and by websocket, within bounds that the library does not set.

It gets only packets that are fit for it, one poll of a client at a time, none of a client that is
gone, and is never left waiting for somebody who does not read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from madar.api import problems
from madar.api.address import client_address, limit_key
from madar.api.packets import TooLarge, Unfit, check, wants_answer
from madar.api.request import State, resources_of
from madar.api.transports import STALLED_S, Gate, Outbox, Poll, cut_short
from madar.errors import MadarError, MalformedRequest, NotFound
from madar.realtime.endings import TOO_LARGE, TOO_MANY_MESSAGES, TRY_AGAIN, UNREADABLE, Ending
from madar.realtime.follower import BURST, PER_S, Follower
from madar.realtime.pace import Pace

log = logging.getLogger(__name__)

PATH = "/socket.io/"
MAX_PAYLOAD_BYTES = 16 * 1024  # of one poll, which may bring many packets
MAX_PACKETS = 256
MAX_WAITING_BYTES = 1024 * 1024  # while nothing is taken: a gallery that is joined, and more
GOODBYE_S = 2
SEPARATOR = "\x1e"  # between the packets of one poll

Attend = Callable[["Peer"], Awaitable[Ending]]


class Peer:
    """One client of Engine.IO, from its first request on, by whichever way it speaks."""

    def __init__(self, sid: str, socket: Any, unsigned: ExitStack) -> None:
        self.sid = sid
        self.unsigned = unsigned  # is closed when it has said who it is
        self.follower: asyncio.Future[Follower] = asyncio.get_running_loop().create_future()
        self.stack = AsyncExitStack()  # what the follower stands on
        self.ending: Ending | None = None
        self.gates: set[Gate] = set()
        self.polls: set[str] = set()  # the methods of those that are not answered yet
        self._socket = socket
        self._waiting: set[asyncio.Timeout] = set()
        # The follower has a pace for messages; this is for what else there is, and comes before.
        self._pace = Pace(burst=2 * BURST, per_s=2 * PER_S)

    async def drained(self) -> None:
        """Until all that waits is on its way. Raises TimeoutError."""
        async with asyncio.timeout(STALLED_S) as waiting:
            self._waiting.add(waiting)
            try:
                await self._socket.queue.join()
            finally:
                self._waiting.discard(waiting)

    async def listening(self) -> None:
        """Who does not read what it is told is not heard either. Raises TimeoutError.

        While it changes from polling to websocket nothing is taken, though it may still ask.
        """
        if not self._socket.upgrading or self.is_behind():
            await self.drained()

    def is_behind(self) -> bool:
        return self._socket.queue.waiting_bytes > MAX_WAITING_BYTES

    def refuse(self, packet: str) -> Ending | None:
        """Why the library may not have it."""
        if not self._pace.allows_one_more():
            return TOO_MANY_MESSAGES
        try:
            check(packet)
        except TooLarge:
            return TOO_LARGE
        except Unfit:
            return UNREADABLE
        return None

    async def close(self, ending: Ending) -> None:
        """What waits is sent before, where that is quick."""
        self.ending = self.ending or ending
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._socket.queue.join()
        await self.drop()

    async def drop(self) -> None:
        """Without waiting; the library calls back (Door._forget)."""
        await self._socket.close(wait=False)

    def forget(self) -> None:
        """Whatever waits for it, or for which it waits, ends."""
        self.ending = self.ending or TRY_AGAIN
        self.unsigned.close()
        for gate in self.gates:
            gate.shut(self.ending)
        for waiting in self._waiting:
            cut_short(waiting)
        # After the goodbye, which the library queues next: it ends whoever waits for packets.
        asyncio.get_running_loop().call_soon(self._socket.queue.put_nowait, None)

    async def part(self, gate: Gate) -> None:
        """A websocket ended: the only way there was, or a try that leaves polling as it is."""
        self.gates.discard(gate)
        if self._socket.upgraded or not self._socket.connected:
            await self.drop()
        else:
            self._socket.upgrading = False


@dataclass(eq=False, kw_only=True)
class Visit:
    """One request of a peer; the peer is not there before the library knows it."""

    connection: HTTPConnection[State]
    peer: Peer | None
    unsigned: ExitStack
    gate: Gate | None = None
    wants_answer: bool = False


_visit: ContextVar[Visit] = ContextVar("visit")


def current_visit() -> Visit:
    """That of the packet being handled."""
    return _visit.get()


class Door:
    """The ASGI application; `attend` runs while a peer is there and says how it ended."""

    def __init__(self, engine: Any, attend: Attend, tasks: asyncio.TaskGroup) -> None:
        self._engine = engine
        self._attend = attend
        self._tasks = tasks
        self._peers: dict[str, Peer] = {}
        self._attending: dict[str, asyncio.Task[None]] = {}
        engine.create_queue = Outbox
        self._on_open = engine.handlers["connect"]
        self._on_message = engine.handlers["message"]
        self._on_close = engine.handlers["disconnect"]
        engine.on("connect", _logged(self._meet))
        engine.on("message", _logged(self._take))
        engine.on("disconnect", _logged(self._forget))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection[State](scope)
        try:
            if scope["path"] != PATH:
                raise NotFound
            if scope["type"] == "websocket":
                await self._by_websocket(connection, receive, send)
            else:
                await self._by_polling(connection, receive, send)
        except MadarError as error:
            await problems.problem(connection, error)(scope, receive, send)

    async def stop(self) -> None:
        """When no request is being answered any more."""
        await self._engine.shutdown()
        for task in self._attending.values():
            task.cancel()

    async def _by_polling(
        self, connection: HTTPConnection[State], receive: Receive, send: Send
    ) -> None:
        with self._visiting(connection, "polling") as visit:
            body = await _body(receive)
            with _turn(visit) as answered:
                if visit.peer and visit.connection.scope["method"] == "POST":
                    await _check_all(body, visit.peer)
                poll = Poll(body, receive, send, answered=answered)
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(_watch(poll, visit))
                    await self._engine.handle_request(
                        poll.scope(connection.scope), poll.receive, poll.send
                    )
                    watching.cancel()

    async def _by_websocket(
        self, connection: HTTPConnection[State], receive: Receive, send: Send
    ) -> None:
        with self._visiting(connection, "websocket") as visit:
            if visit.peer and (visit.peer.gates or visit.peer.is_behind()):
                raise MadarError("message_unknown")

            def refuse(text: str) -> Ending | None:
                return visit.peer.refuse(text) if visit.peer else UNREADABLE

            async def stalled() -> None:
                if visit.peer:
                    await visit.peer.drop()

            is_upgrade = visit.peer is not None
            visit.gate = Gate(receive, send, is_upgrade=is_upgrade, refuse=refuse, stalled=stalled)
            if visit.peer:
                visit.peer.gates.add(visit.gate)
            try:
                await self._engine.handle_request(
                    connection.scope, visit.gate.receive, visit.gate.send
                )
            except OSError:
                pass  # it went, or did not read
            finally:
                if visit.peer:
                    await visit.peer.part(visit.gate)

    @contextmanager
    def _visiting(self, connection: HTTPConnection[State], transport: str) -> Generator[Visit]:
        """Raises MadarError for what is none of Engine.IO, and when too many come."""
        # In ASCII, as the server refuses all other addresses: else the library might see another.
        query = parse_qs(connection.scope["query_string"].decode("ascii"))
        if query.get("transport", ["polling"])[0] != transport or "j" in query:
            raise NotFound
        sid = query.get("sid", [""])[0]
        with ExitStack() as unsigned:
            if not sid:
                entrance = connection.state["entrance"]
                entrance.admit()
                address = client_address(connection.scope, resources_of(connection).settings)
                unsigned.enter_context(entrance.unsigned(limit_key(address)))
            visit = Visit(connection=connection, peer=self._peers.get(sid), unsigned=unsigned)
            token = _visit.set(visit)
            try:
                yield visit
            finally:
                _visit.reset(token)

    async def _meet(self, sid: str, environ: Any) -> Any:
        visit = current_visit()
        peer = Peer(sid, self._engine.sockets[sid], visit.unsigned.pop_all())
        visit.peer = self._peers[sid] = peer
        if visit.gate:
            peer.gates.add(visit.gate)
        self._attending[sid] = self._tasks.create_task(self._stay(peer))
        return await self._on_open(sid, environ)

    async def _take(self, sid: str, text: str) -> None:
        """A message. More may stand in the same poll than what ended its peer."""
        peer, visit = self._peers.get(sid), current_visit()
        if not peer or peer.ending:
            return
        try:
            await peer.listening()
        except TimeoutError:
            await peer.drop()
            return
        visit.wants_answer = wants_answer(text)
        await self._on_message(sid, text)

    async def _forget(self, sid: str, reason: str) -> None:
        peer, task = self._peers.pop(sid, None), self._attending.pop(sid, None)
        self._engine.sockets.pop(sid, None)
        try:
            if task and task is not asyncio.current_task():
                task.cancel()
            if peer:
                peer.forget()
        finally:
            await self._on_close(sid, reason)

    async def _stay(self, peer: Peer) -> None:
        try:
            async with peer.stack:
                await peer.close(await self._attend(peer))
        except Exception:
            log.exception("socketio.failed")
            await peer.drop()


def _logged(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The library passes over whatever its handlers raise."""

    async def logged(*given: Any) -> Any:
        try:
            return await handler(*given)
        except Exception:
            log.exception("socketio.failed")
            raise

    return logged


@contextmanager
def _turn(visit: Visit) -> Generator[Callable[[], None]]:
    """One poll of each method at a time, as Engine.IO has it. What it gives ends the turn."""
    polls = visit.peer.polls if visit.peer else set[str]()
    method: str = visit.connection.scope["method"]
    if method in polls:
        raise MadarError("message_unknown")
    polls.add(method)
    try:
        yield lambda: polls.discard(method)
    finally:
        polls.discard(method)


async def _watch(poll: Poll, visit: Visit) -> None:
    """Who goes while a poll waits will never hear what it is told by that poll."""
    if await poll.is_left() and visit.peer:
        await visit.peer.drop()


async def _body(receive: Receive) -> bytes:
    """The edge has bounded it (bounds.py)."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _check_all(body: bytes, peer: Peer) -> None:
    """Raises MalformedRequest, and the peer is gone."""
    try:
        packets = body.decode().split(SEPARATOR)
    except UnicodeDecodeError:
        packets = [""]
    if len(body) > MAX_PAYLOAD_BYTES or len(packets) > MAX_PACKETS:
        await peer.drop()
        raise MalformedRequest("body_too_large", limit_kb=MAX_PAYLOAD_BYTES // 1024)
    if any(peer.refuse(packet) for packet in packets):
        await peer.drop()
        raise MadarError("message_unknown")
