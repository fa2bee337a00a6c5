"""The hottest reads of a process share a few connections, in libpq's pipeline mode.

A pool gives a connection to one reader at a time, and most of what a small read costs is the
giving. Here a question is sent behind those that still wait, and answers come back in the order of
the questions. That order is all that tells whose an answer is, so a connection that did anything
unexpected is given up at once, and whoever waited there asks the pool, once. The pool is also
asked while no connection is there: before the first is made, and after one was lost.
"""

import asyncio
import logging
import select
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Protocol, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from madar.db.pool import DIRECT, POOLED, Pool, meaning_of, read
from madar.db.sql import Connection, Query, Source
from madar.errors import Unavailable
from madar.liveness import Liveness

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Row = TypeVar("Row")

LINES = 2
MAX_WAITING = 1_000  # on one line; beyond it waiting would only end in a deadline
# A little longer than the server's own limit for a statement, which is the better answer.
SILENCE_S = 5.5
LOOK_EVERY_S = 1.0
PAUSE_S, MAX_PAUSE_S = 0.1, 30.0
STEADY_S = 10.0  # a line that lived so long was no failure

# What is asked here is written so that one plan fits all. A pooler lets nobody say so; there the
# server finds it out by itself.
_DIRECT: dict[str, Any] = {
    **DIRECT,
    "options": f"{DIRECT['options']} -c plan_cache_mode=force_generic_plan",
}
# Not the query's fault: the server ends the connection; a pooler or a migration took the statement.
_NOT_HERE = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleSessionTimeout,
    errors.InvalidSqlStatementName,
    errors.DuplicatePreparedStatement,
    errors.FeatureNotSupported,
)


class Wait(Protocol):
    """Until the event or the end of the time; a proof of life meanwhile."""

    async def __call__(self, event: asyncio.Event, *, at_most_s: float = ...) -> bool: ...


class NotHere(Exception):
    """This line cannot answer, or not any more; asking the pool is harmless."""


@dataclass(slots=True)
class _Asked:
    """A question under way; `outcome` is what decides of all that came back for it so far."""

    answer: asyncio.Future[PGresult]
    asked_at: float
    statement: bytes
    is_preparing: bool
    outcome: PGresult | None = None

    def take(self, result: PGresult) -> None:
        if self.outcome is None or self.outcome.status == ExecStatus.COMMAND_OK:
            self.is_preparing &= result.status != ExecStatus.COMMAND_OK
            self.outcome = result

    def fail(self, error: Exception) -> None:
        if not self.answer.done():  # whoever asked may have left
            self.answer.set_exception(error)


class Line:
    """One connection from its first question until it is lost. For one event loop."""

    def __init__(self, conn: Connection) -> None:
        self._pgconn = conn.pgconn
        self._transformer = Transformer(conn)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Asked] = deque()
        self._prepared: set[bytes] = set()
        self._columns: dict[bytes, tuple[str, ...]] = {}
        self._is_writing = False
        self._look: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()
        self._socket = self._pgconn.socket
        self._hang_up = select.poll()
        self._hang_up.register(self._socket, 0)
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._hear)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def maybe(self, query: Query, row: type[Row], arguments: list[Any]) -> Row | None:
        """As Queries.maybe. Raises NotHere, Unavailable, and the server's errors."""
        statement = _name_of(query)
        result = await self._ask(statement, query, arguments)
        if not result.ntuples:
            return None
        columns = self._columns.get(statement)
        if columns is None:
            named = (result.fname(n) or b"" for n in range(result.nfields))
            columns = self._columns[statement] = tuple(name.decode() for name in named)
        self._transformer.set_pgresult(result)
        values = self._transformer.load_row(0, tuple)
        assert values is not None
        return row(**dict(zip(columns, values, strict=True)))

    async def _ask(self, statement: bytes, query: Query, arguments: list[Any]) -> PGresult:
        if query.is_planned_each_time or self.ended.is_set():  # those may be slow, too
            raise NotHere
        if self.waiting >= MAX_WAITING:
            raise Unavailable("database")
        values, formats = _written(arguments)
        asked = _Asked(
            answer=self._loop.create_future(),
            asked_at=self._loop.time(),
            statement=statement,
            is_preparing=statement not in self._prepared,
        )
        self._waiting.append(asked)
        try:
            if asked.is_preparing:
                self._prepared.add(statement)
                self._pgconn.send_prepare(statement, query.sql)
            self._pgconn.send_query_prepared(statement, values, formats)
            self._pgconn.pipeline_sync()
            self._write()
        except psycopg.Error:
            self.end(NotHere())
        if self._look is None:
            self._look = self._loop.call_later(LOOK_EVERY_S, self._look_at_clock)
        return await asked.answer

    def end(self, why: Exception) -> None:
        """Whoever waits is told why. Harmless when it has ended."""
        if self.ended.is_set():
            return
        self.ended.set()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._look:
            self._look.cancel()
        for asked in self._waiting:
            asked.fail(why)
        self._waiting.clear()

    def _write(self) -> None:
        """What the socket does not take now is written when it can."""
        try:
            is_left = self._pgconn.flush() == 1
        except psycopg.Error:
            self.end(NotHere())
            return
        if is_left and not self._is_writing:
            self._loop.add_writer(self._socket, self._write)
        elif self._is_writing and not is_left:
            self._loop.remove_writer(self._socket)
        self._is_writing = is_left

    def _hear(self) -> None:
        """The other end's last words may come with its end, of which uvloop tells once only."""
        if self.ended.is_set():
            return
        try:
            self._pgconn.consume_input()
            self._take_results()
        except psycopg.Error:
            self.end(NotHere())
        else:
            if self._hang_up.poll(0):
                self._loop.call_soon(self._hear)

    def _take_results(self) -> None:
        is_between = False  # two questions; there is no second end without a beginning
        while self._waiting and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                if is_between:
                    break
                is_between = True
            elif result.status == ExecStatus.PIPELINE_SYNC:
                is_between = False
                self._settle(self._waiting.popleft())
            else:
                is_between = False
                self._waiting[0].take(result)
        if self._pgconn.status != ConnStatus.OK or (is_between and not self._pgconn.is_busy()):
            self.end(NotHere())

    def _settle(self, asked: _Asked) -> None:
        """All of its results are here."""
        outcome = asked.outcome
        if outcome is not None and outcome.status == ExecStatus.TUPLES_OK:
            if not asked.answer.done():
                asked.answer.set_result(outcome)
        elif outcome is not None and outcome.status == ExecStatus.FATAL_ERROR:
            if asked.is_preparing:
                self._prepared.discard(asked.statement)
            self._refuse(asked, errors.error_from_result(outcome))
        else:
            asked.fail(NotHere())
            self.end(NotHere())

    def _refuse(self, asked: _Asked, error: psycopg.Error) -> None:
        if isinstance(error, _NOT_HERE):
            log.info("reads.refused", extra={"why": type(error).__name__})
            asked.fail(NotHere())
            self.end(NotHere())
        else:
            asked.fail(error)

    def _look_at_clock(self) -> None:
        """A connection that nothing comes back from would hold its askers for ever."""
        self._look = None
        if not self._waiting:
            return
        if self._loop.time() - self._waiting[0].asked_at > SILENCE_S:
            self.end(Unavailable("database"))
        else:
            self._look = self._loop.call_later(LOOK_EVERY_S, self._look_at_clock)


class Reads:
    """The lines of a process, and the pool behind them. Without `run` there are no lines."""

    def __init__(self, url: str, pool: Pool, *, is_pooled: bool = False) -> None:
        self._url = url
        self._how = POOLED if is_pooled else _DIRECT
        self.pool = pool
        self._lines: list[Line] = []
        self._wanted = [asyncio.Event() for _ in range(LINES)]

    @property
    def lines(self) -> int:
        """How many stand."""
        return len(self._lines)

    async def read(self, query: Callable[[Source], Awaitable[Result]]) -> Result:
        """Run a short query that changes nothing. Raises Unavailable."""
        if line := self._free_line():
            try:
                return await query(line)
            except NotHere:
                pass
            except psycopg.Error as error:
                raise meaning_of(error) from error
        return await read(self.pool, query)

    async def run(self, liveness: Liveness) -> None:
        """Keeps the lines, each from when it is first wanted."""
        async with asyncio.TaskGroup() as tasks:
            for number, wanted in enumerate(self._wanted):
                name = f"reads.{number}"
                keeping = partial(self._keep, wanted, partial(liveness.wait, name))
                tasks.create_task(liveness.keep(name, keeping))

    def _free_line(self) -> Line | None:
        if len(self._lines) < LINES:
            for wanted in self._wanted:
                wanted.set()
        return min(self._lines, key=_waiting, default=None)

    async def _keep(self, wanted: asyncio.Event, wait: Wait) -> None:
        """A lost line comes back when somebody asks: a database may sleep while nobody does."""
        pause_s, loop = PAUSE_S, asyncio.get_running_loop()
        while True:
            await wait(wanted)
            began_at = loop.time()
            try:
                await self._serve_one(wait)
            except psycopg.Error as error:
                log.info("reads.away", extra={"why": type(error).__name__})
            except Exception:
                log.exception("reads.failed")
            is_steady = loop.time() - began_at > STEADY_S
            pause_s = PAUSE_S if is_steady else min(2 * pause_s, MAX_PAUSE_S)
            await wait(asyncio.Event(), at_most_s=pause_s)
            wanted.clear()

    async def _serve_one(self, wait: Wait) -> None:
        conn: Connection = await AsyncConnection.connect(self._url, autocommit=True, **self._how)
        try:
            line = Line(conn)
            self._lines.append(line)
            try:
                await wait(line.ended)
            finally:
                self._lines.remove(line)
                line.end(Unavailable("database"))
        finally:
            await conn.close()


def _waiting(line: Line) -> int:
    return line.waiting


def _name_of(query: Query) -> bytes:
    """The same text has the same name, whoever prepares it: some poolers share statements."""
    name = _names.get(query.sql)
    if name is None:
        digest = sha256(query.sql).hexdigest()[:16]
        name = _names[query.sql] = f"madar_{query.name[:40]}_{digest}".encode()
    return name


_names: dict[bytes, bytes] = {}


def _written(arguments: list[Any]) -> tuple[list[bytes | None], list[int]]:
    """The server knows the types from the query; 1 is PostgreSQL's word for binary."""
    values: list[bytes | None] = []
    formats: list[int] = []
    for argument in arguments:
        is_binary = 0
        match argument:
            case None | bytes():
                value, is_binary = argument, 1
            case UUID():
                value, is_binary = argument.bytes, 1
            case str():
                value = argument.encode()
            case int() if not isinstance(argument, bool):
                value = b"%d" % argument
            case _:
                raise TypeError(f"no way to write a {type(argument).__name__}")
        values.append(value)
        formats.append(is_binary)
    return values, formats
