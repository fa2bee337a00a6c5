"""Many readers on few connections: each gets its own row, whatever happens to the others."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvloop

from madar.db.pipeline import LINES, Reads
from madar.db.pool import open_pool
from madar.db.sql import Query, Source
from madar.errors import Unavailable
from madar.liveness import Liveness

READS = 2_000
LINE_PIDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND query LIKE '%of a test%'"
)


@dataclass(frozen=True, kw_only=True)
class Told:
    told: Any


def query(sql: str, *, each_time: bool = False) -> Query:
    return Query(
        name="of_a_test",
        params=("n",),
        kind="maybe",
        sql=f"{sql} -- of a test".encode(),
        is_planned_each_time=each_time,
    )


ECHO = query("SELECT $1::int AS told")
SLOW_ECHO = query("SELECT $1::int AS told FROM pg_sleep(0.002)")
DIVIDE = query("SELECT 1 / $1::int AS told")
SLEEP = query("SELECT pg_sleep($1::int)::text AS told")
SETTING = query("SELECT current_setting($1::text) AS told")
PID = query("SELECT pg_backend_pid() + 0 * $1::int AS told")
FORGET = query("SELECT forget($1::int) AS told")
NUMBER = query("SELECT number AS told FROM changing WHERE id = $1::int")


async def ask(reads: Reads, asked: Query, n: Any) -> Any:
    async def run(source: Source) -> Told | None:
        if isinstance(source, psycopg.AsyncConnection):
            cursor = psycopg.AsyncRawCursor(source)
            await cursor.execute(asked.sql, [n])
            row: Any = await cursor.fetchone()
            return Told(told=row[0]) if row else None
        return await source.maybe(asked, Told, [n])

    found = await reads.read(run)
    return found and found.told


@contextlib.asynccontextmanager
async def reading(dsn: str) -> AsyncGenerator[Reads]:
    async with open_pool(dsn) as pool, asyncio.TaskGroup() as tasks:
        reads = Reads(dsn, pool)
        running = tasks.create_task(reads.run(Liveness()))
        yield reads
        running.cancel()


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_so():  # noqa: ASYNC110 - the server has no event for us
            await asyncio.sleep(0.02)


async def on_lines(reads: Reads) -> None:
    """All lines stand, and none of them waits for anything."""

    async def is_on_lines() -> bool:
        await ask(reads, ECHO, 1)
        return reads.lines == LINES

    await until(is_on_lines)


async def both(reads: Reads) -> set[int]:
    """The servers' processes behind the lines."""
    pids = set(await asyncio.gather(*(ask(reads, PID, 0) for _ in range(20))))
    assert len(pids) == LINES
    return pids


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.mark.parametrize("seed", range(3))
def test_each_of_many_gets_its_own_row_among_errors_and_those_that_leave(
    dsn: str, seed: int
) -> None:
    chance = random.Random(seed)

    async def one(reads: Reads, n: int) -> str:
        await asyncio.sleep(chance.random() * 0.3)
        fate = chance.random()
        if fate < 0.1:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await ask(reads, DIVIDE, 0)
            return "refused"
        asked = SLOW_ECHO if fate < 0.3 else ECHO
        try:
            async with asyncio.timeout(chance.random() * 0.01 if fate > 0.8 else None):
                assert await ask(reads, asked, n) == n
        except TimeoutError:
            return "left"
        return "told"

    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            ends = await asyncio.gather(*(one(reads, n) for n in range(READS)))
            assert {"refused", "left", "told"} == set(ends)
            assert ends.count("told") > READS / 2
            assert reads.lines == LINES, "none of this is a reason to give a line up"
            assert [await ask(reads, ECHO, n) for n in range(20)] == list(range(20))

    run(main())


def test_a_killed_connection_costs_nobody_an_answer_and_comes_back(dsn: str) -> None:
    async def kill(stop: asyncio.Event) -> int:
        killed = 0
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
            while not stop.is_set():
                sent = f"SELECT count(pg_terminate_backend(pid)) FROM ({LINE_PIDS}) line".encode()
                row: Any = await (await conn.execute(sent)).fetchone()
                killed += row[0]
                await asyncio.sleep(0.05)
        return killed

    async def reader(reads: Reads, first: int) -> None:
        for n in range(first, first + 100):
            with contextlib.suppress(Unavailable):  # the pool was killed twice under one reader
                assert await ask(reads, ECHO, n) == n

    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                killing = tasks.create_task(kill(stop))
                async with asyncio.timeout(30), asyncio.TaskGroup() as readers:
                    for first in range(0, READS, 100):
                        readers.create_task(reader(reads, first))
                stop.set()
            assert killing.result()
            await on_lines(reads)

    run(main())


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
@pytest.mark.parametrize("count", [1, 4])
def test_what_the_server_ends_without_reading_it_is_asked_elsewhere_at_once(
    dsn: str, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None, count: int
) -> None:
    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            pids = await both(reads)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
                os.kill(pid, signal.SIGTERM)
            async with asyncio.timeout(4), asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(ask(reads, ECHO, n)) for n in range(count)]
                await asyncio.sleep(0)
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
                with psycopg.connect(dsn, autocommit=True) as conn:
                    alive = "SELECT FROM pg_stat_activity WHERE pid = ANY(%s)"
                    while conn.execute(alive, [list(pids)]).rowcount:
                        pass  # and nobody hears of anything meanwhile
            assert [one.result() for one in asked] == list(range(count))
            await on_lines(reads)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_a_question_that_takes_too_long_is_cancelled_and_its_neighbours_are_told(dsn: str) -> None:
    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            slow = [asyncio.ensure_future(ask(reads, SLEEP, 30)) for _ in range(LINES)]
            await asyncio.sleep(0.1)
            async with asyncio.timeout(15):
                assert [await ask(reads, ECHO, n) for n in range(4)] == [0, 1, 2, 3]
                ends = await asyncio.gather(*slow, return_exceptions=True)
            assert {type(end) for end in ends} == {Unavailable}

    run(main())


def test_a_connection_that_falls_silent_is_given_up(dsn: str) -> None:
    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            pids = await both(reads)
            try:
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                async with asyncio.timeout(10):
                    asked = [ask(reads, ECHO, n) for n in range(10)]
                    ends = await asyncio.gather(*asked, return_exceptions=True)
                assert {type(end) for end in ends} == {Unavailable}
                assert await ask(reads, ECHO, 7) == 7
            finally:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            await on_lines(reads)

    run(main())


def test_a_server_that_is_not_there_is_unavailable(open_folder: Path) -> None:
    async def main() -> None:
        nowhere = f"postgresql://postgres@/madar?host={open_folder}"
        async with reading(nowhere) as reads:
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await ask(reads, ECHO, 1)
            assert reads.lines == 0

    run(main())


def test_nobody_connects_before_somebody_asks(dsn: str) -> None:
    async def main() -> None:
        async with reading(dsn) as reads:
            await asyncio.sleep(0.1)
            assert reads.lines == 0
            assert await ask(reads, ECHO, 3) == 3
            await on_lines(reads)

    run(main())


@pytest.mark.parametrize(
    ("name", "value"), [("timezone", "UTC"), ("statement_timeout", "5s"), ("lock_timeout", "2s")]
)
def test_the_session_is_like_the_pools(dsn: str, name: str, value: str) -> None:
    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            assert await ask(reads, SETTING, name) == value

    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO "
                     "''Asia/Riyadh''', current_database()); END $$")  # fmt: skip
    run(main())


def test_a_lost_statement_and_a_changed_column_are_asked_elsewhere(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    """As behind a pooler that does not know them, and under a migration."""
    conn.execute(
        "CREATE FUNCTION forget(n int) RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN n; END $$"
    )
    conn.execute("CREATE TABLE changing AS SELECT 1 AS id, 5 AS number")

    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            for n in range(4 * LINES):
                await ask(reads, FORGET, n)
                assert await ask(reads, ECHO, n) == n
            await on_lines(reads)
            assert [await ask(reads, NUMBER, 1) for _ in range(2 * LINES)] == [5] * 2 * LINES
            conn.execute("ALTER TABLE changing ALTER number TYPE text")
            assert [await ask(reads, NUMBER, 1) for _ in range(2 * LINES)] == ["5"] * 2 * LINES

    run(main())


def test_what_is_planned_each_time_holds_nobody_up(dsn: str) -> None:
    slow = query("SELECT $1::int AS told FROM pg_sleep(1)", each_time=True)

    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            later = [asyncio.ensure_future(ask(reads, slow, n)) for n in range(LINES)]
            await asyncio.sleep(0.1)
            assert await ask(reads, ECHO, 1) == 1
            assert not any(one.done() for one in later)
            assert await asyncio.gather(*later) == list(range(LINES))

    run(main())


def test_whoever_waits_at_the_end_is_told(dsn: str) -> None:
    async def main() -> None:
        async with reading(dsn) as reads:
            await on_lines(reads)
            waiting = asyncio.ensure_future(ask(reads, SLEEP, 4))
            await asyncio.sleep(0.1)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 1)

    run(main())
