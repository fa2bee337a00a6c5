"""Transactions on connections that are taken and never answered: they end, and the pool lives."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import psycopg
import pytest

from madar.db import pool as module
from madar.db.pool import Pool, connection, open_pool, transaction
from madar.db.sql import Connection
from madar.errors import Unavailable
from tests.processes.proxy import Proxy, proxied

Silence = Callable[[], Awaitable[object]]

CUT = (
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'madar'"
)


async def begins(pool: Pool, silence: Silence) -> None:
    await silence()
    async with transaction(pool):
        pass


async def commits(pool: Pool, silence: Silence) -> None:
    async with transaction(pool):
        await silence()


async def fails(pool: Pool, silence: Silence) -> None:
    async with transaction(pool):
        await silence()
        raise ValueError("a bug")


async def until_swallowed(proxy: Proxy, count: int) -> None:
    while proxy.swallowed < count:  # noqa: ASYNC110 - the proxy runs in another thread
        await asyncio.sleep(0.02)
    proxy.heal()


def test_beginning_and_ending_are_bounded(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 1)
    ways = (begins, commits, fails)

    async def main(proxy: Proxy, url: str) -> list[BaseException | None]:
        ready = asyncio.Barrier(len(ways) + 1)
        silent = asyncio.Event()

        async def silence() -> None:
            await ready.wait()
            await silent.wait()

        async with open_pool(url) as one, open_pool(url) as two, open_pool(url) as three:
            pools = (one, two, three)
            for pool in pools:
                await pool.wait()
            async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
                ended = asyncio.gather(
                    *(way(pool, silence) for way, pool in zip(ways, pools, strict=True)),
                    return_exceptions=True,
                )
                await ready.wait()
                proxy.swallow()
                tasks.create_task(until_swallowed(proxy, len(ways)))
                await asyncio.to_thread(proxy.is_swallowing.wait)
                silent.set()
                outcomes = await ended
            for pool in pools:
                async with connection(pool) as conn:
                    await conn.execute("SELECT 1")
                assert pool.get_stats()["pool_size"] >= 1
        return outcomes

    with proxied(dsn) as (proxy, url):
        begun, committed, failed = asyncio.run(main(proxy, url))

    assert isinstance(begun, Unavailable)
    assert isinstance(committed, Unavailable)
    assert isinstance(failed, ValueError)


@pytest.mark.parametrize("way", [connection, transaction])
def test_what_died_in_the_pool_is_not_given_to_anybody(
    dsn: str, way: Callable[[Pool], AbstractAsyncContextManager[Connection]]
) -> None:
    async def main() -> None:
        async with (
            open_pool(dsn) as pool,
            await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other,
        ):
            await pool.wait()
            cut = await other.execute(CUT)
            assert await cut.fetchone() == (2,)

            async with way(pool) as conn:
                await conn.execute("CREATE TABLE made ()")

            found = await other.execute("SELECT to_regclass('made')")
            assert await found.fetchone() == ("made",)

    asyncio.run(main())


def test_what_a_server_says_by_itself_is_no_death(dsn: str) -> None:
    async def main() -> None:
        async with open_pool(dsn) as pool:
            await pool.wait()
            async with connection(pool) as conn:
                pid = conn.info.backend_pid
                await conn.execute("LISTEN of_nobody")
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
                await other.execute("NOTIFY of_nobody")
            pids: set[int] = set()
            while pid not in pids:
                async with connection(pool) as conn:
                    pids.add(conn.info.backend_pid)
            assert len(pids) <= 2

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_connection_that_dies_in_a_transaction_is_told_and_nothing_is_done_twice(
    dsn: str,
) -> None:
    async def main() -> None:
        async with (
            open_pool(dsn) as pool,
            await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other,
        ):
            begun = 0

            async def make() -> None:
                nonlocal begun
                async with transaction(pool) as conn:
                    begun += 1
                    await other.execute(CUT)
                    await conn.execute("CREATE TABLE made ()")

            with pytest.raises(Unavailable):
                await make()
            assert begun == 1
            found = await other.execute("SELECT to_regclass('made')")
            assert await found.fetchone() == (None,)

    asyncio.run(main())


def test_a_cancelled_transaction_is_rolled_back_and_stays_cancelled(dsn: str) -> None:
    async def main() -> None:
        async with open_pool(dsn) as pool:
            made = asyncio.Event()

            async def make() -> None:
                async with transaction(pool) as conn:
                    await conn.execute("CREATE TABLE of_nobody ()")
                    made.set()
                    await asyncio.Event().wait()

            async with asyncio.TaskGroup() as tasks:
                making = tasks.create_task(make())
                await made.wait()
                making.cancel()
            assert making.cancelled()
            async with connection(pool) as conn:
                found = await conn.execute("SELECT to_regclass('of_nobody')")
                assert await found.fetchone() == (None,)

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_cancellation_that_comes_with_the_connection_is_not_lost(dsn: str, turns: int) -> None:
    """So many turns of the event loop lie between the giving and the taking."""

    async def main() -> None:
        async with open_pool(dsn, max_size=2) as pool, asyncio.TaskGroup() as tasks:
            held = [await pool.getconn() for _ in range(2)]
            waiting = tasks.create_task(pool.getconn())
            while not pool.get_stats().get("requests_waiting"):  # noqa: ASYNC110 - it says nothing
                await asyncio.sleep(0)
            await pool.putconn(held.pop())
            for _ in range(turns):
                await asyncio.sleep(0)

            assert waiting.cancel()
            await asyncio.wait({waiting})

            assert waiting.cancelled()
            assert pool.get_stats()["pool_available"] == 1
            await pool.putconn(held.pop())

    asyncio.run(main())
