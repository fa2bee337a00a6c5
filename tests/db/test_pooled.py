"""Through a pooler that shares connections by transactions: everybody gets the own answer."""

import asyncio
import contextlib
from pathlib import Path

import psycopg
import pytest

from madar.db.pipeline import Reads
from madar.db.pool import open_pool, read
from madar.db.sql import Connection, Query
from madar.errors import Unavailable
from madar.liveness import Liveness
from tests.db.test_pipeline import ask, query
from tests.pooler import needs_pgbouncer, pooling

READERS, QUESTIONS = 20, 25
# As many as make psycopg prepare them, if it may.
QUERIES = [query(f"SELECT $1::int + {n} AS told") for n in range(6)]
OF_A_STRANGER = (
    "PREPARE _pg3_0 AS SELECT 'of a stranger'",
    "DEALLOCATE ALL",
    "DISCARD ALL",
)


async def in_the_pool(reads: Reads, asked: Query, n: int) -> int:
    async def run(conn: Connection) -> int:
        cursor = psycopg.AsyncRawCursor(conn)
        await cursor.execute(asked.sql, [n])
        row = await cursor.fetchone()
        assert row
        return row[0]

    return await read(reads.pool, run)


async def disturb(address: str) -> None:
    """Somebody else behind the same pooler, who knows nothing of it."""
    async with await psycopg.AsyncConnection.connect(
        address, autocommit=True, prepare_threshold=None
    ) as conn:
        while True:
            for statement in OF_A_STRANGER:
                try:
                    await conn.execute(statement.encode())
                except psycopg.errors.DuplicatePreparedStatement:
                    continue
                await asyncio.sleep(0.005)


@needs_pgbouncer
@pytest.mark.parametrize("reset", ["0", "1"], ids=["sessions kept", "sessions discarded"])
def test_each_gets_its_own_answer_whichever_connection_gives_it(
    dsn: str, open_folder: Path, reset: str
) -> None:
    told = 0

    async def reader(reads: Reads, first: int) -> None:
        nonlocal told
        for n in range(first, first + QUESTIONS):
            which = n % len(QUERIES)
            way = in_the_pool if n % 2 else ask
            with contextlib.suppress(Unavailable):  # a busy machine may say so
                assert await way(reads, QUERIES[which], n) == n + which
                told += 1

    async def main(address: str) -> None:
        async with open_pool(address, is_pooled=True) as pool, asyncio.TaskGroup() as tasks:
            reads = Reads(address, pool, is_pooled=True)
            beside = [
                tasks.create_task(reads.run(Liveness())),
                tasks.create_task(disturb(address)),
            ]
            async with asyncio.timeout(60), asyncio.TaskGroup() as readers:
                for number in range(READERS):
                    readers.create_task(reader(reads, number * QUESTIONS))
            for one in beside:
                one.cancel()

    with pooling(dsn, open_folder, server_reset_query_always=reset) as address:
        asyncio.run(main(address))
    assert told > READERS * QUESTIONS / 2
