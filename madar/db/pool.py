"""The pool of connections, and what a lost one means to a reader and to a writer."""

import asyncio
import logging
import select
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import ConnStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from madar.db.sql import ANSWER_WITHIN_S, Connection
from madar.errors import TooBusy, Unavailable, Unreachable

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# Times inside JSON that the server builds carry the session's offset, hence the time zone.
SESSION = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
}
KEEPALIVE: dict[str, Any] = {
    # Whoever came while the server went down is not answered; it may be back long before this ends.
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "application_name": "madar",
}
# How to connect to the server itself.
DIRECT: dict[str, Any] = {
    **KEEPALIVE,
    "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
}
# How to connect to a pooler that shares connections by transactions. It refuses whoever wants a
# session of its own, so `madar migrate up` gives SESSION to the role. And psycopg numbers the
# statements that it prepares: where the pooler does not keep them apart, another client's statement
# of that number would answer, with another person's rows.
POOLED: dict[str, Any] = {**KEEPALIVE, "prepare_threshold": None}
# What such a pooler says to whoever wants one.
REFUSED_SESSION = "unsupported startup parameter"
# The server cannot answer just now: it restarts, is full, or is not there.
_AWAY = (
    errors.OperationalError,
    errors.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)


class Pool(AsyncConnectionPool[Connection]):
    """Never answers a task that was cancelled while it waited.

    The library waits by `asyncio.wait_for`, which before Python 3.12 drops a cancellation that
    arrives together with the connection: a worker asked to stop would go on for ever.
    """

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109 - the library's
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        conn = await super().getconn(timeout)
        if task and task.cancelling() > cancelled:
            await self.putconn(conn)
            raise asyncio.CancelledError
        return conn


@asynccontextmanager
async def open_pool(
    url: str, *, max_size: int = 10, is_pooled: bool = False
) -> AsyncGenerator[Pool]:
    """Autocommit connections; transactions are explicit. Opening does not wait for the server."""
    pool = Pool(
        url,
        open=False,
        min_size=2,
        max_size=max_size,
        timeout=2,
        max_waiting=400,
        max_idle=120,
        max_lifetime=1800,
        # Waiting longer between two tries than this would outlast the database's own restart.
        reconnect_timeout=1,
        kwargs=POOLED if is_pooled else DIRECT,
        configure=_configure,
    )
    async with pool:
        yield pool


async def _configure(conn: Connection) -> None:
    await conn.set_autocommit(True)


@asynccontextmanager
async def connection(pool: Pool) -> AsyncGenerator[Connection]:
    """One connection; each statement commits by itself.

    Raises Unavailable when it is lost, Unreachable when there is none to be had within two seconds,
    TooBusy when somebody holds what it needs for too long.
    """
    conn: Connection | None = None
    try:
        async with AsyncExitStack() as stack:
            found = await stack.enter_async_context(pool.connection())
            while _has_died(found):
                await stack.aclose()  # the pool makes another in its place
                found = await stack.enter_async_context(pool.connection())
            conn = found
            yield conn
    except (PoolTimeout, TooManyRequests) as error:
        raise Unreachable("database") from error
    except psycopg.Error as error:
        meaning = meaning_of(error)
        if meaning is error:
            raise
        raise meaning from error
    finally:
        if conn is not None and conn.broken:
            await pool.drain()  # the other connections died with this one


def _has_died(conn: Connection) -> bool:
    """Whether it was ended while it lay in the pool, as by a database that slept or started anew.

    Costs no round trip: hardly anything else comes by itself to a connection that asked nothing.
    """
    pgconn, arrived = conn.pgconn, select.poll()
    with suppress(psycopg.OperationalError):
        arrived.register(pgconn.socket, select.POLLIN)
        while arrived.poll(0):  # the server's last words come before the end
            pgconn.consume_input()
    return pgconn.status != ConnStatus.OK


def meaning_of(error: psycopg.Error) -> Exception:
    """What the world is told; an error that only a bug can bring stays what it is."""
    if isinstance(error, errors.LockNotAvailable):
        return TooBusy()
    return Unavailable("database") if isinstance(error, _AWAY) else error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncGenerator[Connection]:
    """All or nothing: raising rolls back, returning commits.

    Raises Unavailable also when nothing answers COMMIT; whether it is done stays unclear then.
    """
    async with connection(pool) as conn:
        whole = conn.transaction()
        async with _answered(conn, "BEGIN"):
            await whole.__aenter__()
        try:
            yield conn
        except BaseException as error:
            # What is not rolled back now, the server rolls back when it misses the connection.
            with suppress(psycopg.OperationalError):
                async with _answered(conn, "ROLLBACK"):
                    await whole.__aexit__(type(error), error, error.__traceback__)
            raise
        async with _answered(conn, "COMMIT"):
            await whole.__aexit__(None, None, None)


@asynccontextmanager
async def _answered(conn: Connection, command: str) -> AsyncGenerator[None]:
    """A connection that gives no answer is given up, or it would be held for ever."""
    limit = asyncio.timeout(ANSWER_WITHIN_S)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        text = f"{command}: no answer within {ANSWER_WITHIN_S} s"
        raise psycopg.OperationalError(text) from None
    finally:
        if limit.expired():
            conn.pgconn.finish()


async def read(pool: Pool, query: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Run a query that changes nothing; a connection lost under it is tried once more."""
    try:
        async with connection(pool) as conn:
            return await query(conn)
    except Unreachable:
        raise
    except Unavailable as error:
        if not isinstance(error.__cause__, psycopg.OperationalError):
            raise
    async with connection(pool) as conn:
        return await query(conn)
