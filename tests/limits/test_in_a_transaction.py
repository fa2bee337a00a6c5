"""madar.db.limits on the caller's connection: counted with what is limited, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from madar.db import limits
from madar.db.pool import open_pool, transaction
from madar.db.sql import Connection
from madar.domain.rates import Decision, parse_rate

ONE = parse_rate("1/1h")
FIVE = parse_rate("5/1h")


async def take(conn: Connection, key: str = "rate:generations:amal") -> Decision:
    return await limits.take(conn, policy="generations", key=key, rate=ONE)


async def connected(dsn: str) -> Connection:
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True)


async def is_waiting(dsn: str) -> None:
    """Until somebody waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with await connected(dsn) as conn, asyncio.timeout(20):
        while True:
            cursor = await conn.execute(query)
            if await cursor.fetchone() != (0,):
                return
            await asyncio.sleep(0.01)


def test_a_rollback_gives_it_back(dsn: str) -> None:
    async def main() -> None:
        async with await connected(dsn) as conn:
            async with conn.transaction(force_rollback=True):
                assert (await take(conn)).is_allowed

            assert (await take(conn)).is_allowed
            assert not (await take(conn)).is_allowed

    asyncio.run(main())


@pytest.mark.parametrize("key", ["rate:generations:new", "rate:generations:known"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_the_next_one_waits_for_the_outcome(dsn: str, ends: str, key: str) -> None:
    async def main() -> Decision:
        async with await connected(dsn) as first, await connected(dsn) as second:
            if key.endswith("known"):
                await take(first, key)
                await first.execute("UPDATE rate_limits SET tat = now() - interval '1 day'")
            await first.execute("BEGIN")
            assert (await take(first, key)).is_allowed
            async with asyncio.TaskGroup() as tasks:
                next_one = tasks.create_task(take(second, key))
                await is_waiting(dsn)
                assert not next_one.done()
                await first.execute(ends.encode())
            return next_one.result()

    assert asyncio.run(main()).is_allowed == (ends == "rollback")


def test_other_keys_do_not_wait(dsn: str) -> None:
    async def main() -> None:
        async with await connected(dsn) as first, await connected(dsn) as second:
            await first.execute("BEGIN")
            await take(first)
            assert (await take(second, "rate:generations:badr")).is_allowed

    asyncio.run(main())


def test_two_hundred_transactions_get_five(dsn: str) -> None:
    """Each inserts something beside it: exactly five are there in the end."""

    async def main() -> int:
        async with open_pool(dsn, max_size=8) as pool, await connected(dsn) as conn:
            await conn.execute("CREATE TABLE made (n integer)")
            turns = iter(range(200))

            async def create() -> None:
                for n in turns:
                    async with transaction(pool) as own:
                        decision = await limits.take(
                            own, policy="generations", key="rate:generations:amal", rate=FIVE
                        )
                        if decision.is_allowed:
                            await own.execute(b"INSERT INTO made VALUES (%s)", [n])

            await together(create, times=8)
            row = await (await conn.execute("SELECT count(*) FROM made")).fetchone()
            return row[0] if row else 0

    assert asyncio.run(main()) == 5


async def together(run: Callable[[], Awaitable[None]], *, times: int) -> None:
    await asyncio.gather(*(run() for _ in range(times)))


def test_rows_that_say_nothing_are_swept_and_busy_ones_left(dsn: str) -> None:
    async def main() -> None:
        async with await connected(dsn) as conn, await connected(dsn) as busy:
            for key in ("past", "taken", "live"):
                await take(conn, key)
            await conn.execute(
                "UPDATE rate_limits SET tat = now() - interval '1 s' WHERE key <> 'live'"
            )
            await busy.execute("BEGIN")
            assert (await take(busy, "taken")).is_allowed

            assert await limits.delete_full_rates(conn) == 1

            await busy.execute("COMMIT")
            assert not (await take(conn, "taken")).is_allowed
            assert not (await take(conn, "live")).is_allowed
            assert (await take(conn, "past")).is_allowed

    asyncio.run(main())
