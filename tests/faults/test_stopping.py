"""What is told to stop stops, and what must go on goes on, while the database is away."""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import psycopg
import pytest

from jobs.__main__ import DRAIN_S, work
from madar.actions.maintenance import sweep
from madar.db import migrate
from madar.errors import Unavailable, Unreachable
from madar.local import postgres
from madar.realtime.listener import for_ever
from madar.settings import Settings
from tests.faults.odd_fal import Hand, OddFal, holds, led, misbehaving, odd_settings, says
from tests.faults.worker_process import WorkerProcess
from tests.simulator.harness import eventually

CLOSING_S = 5  # after the drain: the pool, the children
IS_WORKING = "SELECT 1 FROM procrastinate_workers"


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def server(tmp_path: Path) -> Generator[postgres.Server]:
    """This test's own, to be taken away."""
    server = postgres.start(tmp_path / "pg", settings={"fsync": "off"})
    yield server
    server.stop()


@pytest.fixture
def settings(server: postgres.Server, fal: OddFal, tmp_path: Path) -> Settings:
    dsn = server.create_database("madar")
    migrate.up(dsn)
    return odd_settings(dsn, fal, tmp_path)


def test_a_worker_stops_while_the_database_is_away(
    settings: Settings, server: postgres.Server
) -> None:
    worker = WorkerProcess(settings)
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        eventually(lambda: conn.execute(IS_WORKING).fetchone())
    server.stop(immediately=True)

    began = time.monotonic()
    try:
        exit_code = worker.stop()
    finally:
        worker.kill()

    assert exit_code == 0
    assert time.monotonic() - began < DRAIN_S + CLOSING_S


@pytest.mark.parametrize("first", ["told to stop", "the database goes away"])
def test_a_worker_with_a_request_in_hand_stops_while_the_database_is_away(
    settings: Settings, server: postgres.Server, fal: OddFal, first: str
) -> None:
    async def ask(hand: Hand) -> None:
        await hand.create()

    async def act() -> None:
        stopping = asyncio.Event()
        async with asyncio.timeout(DRAIN_S + CLOSING_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(work(settings, stopping))
            await posting.wait_until_asked()
            if first == "told to stop":
                stopping.set()
            await asyncio.to_thread(server.stop, immediately=True)
            stopping.set()
            posting.let_go()

    led(settings, ask)
    posting = holds(says({}, 500))
    fal.once("submit", posting)

    asyncio.run(act())

    assert fal.posts() == 1


def test_a_sweep_waits_once_for_a_database_that_is_away(
    settings: Settings, server: postgres.Server
) -> None:
    """A worker that is to stop waits for it; part by part it would outlast all patience."""

    async def act(hand: Hand) -> None:
        await asyncio.to_thread(server.stop, immediately=True)

        with pytest.raises(Unreachable):
            await sweep(hand.resources)

    led(settings, act)


class HurriedLoop(asyncio.SelectorEventLoop):
    """Its clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.passed_s


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: HurriedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.passed_s += timeout or 0
        return super().select(0)


def run_hurried(act: Callable[[], Awaitable[None]]) -> float:
    """How many seconds passed on the loop's clock."""

    async def main() -> None:
        await act()

    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        runner.run(main())
        loop = runner.get_loop()
        assert isinstance(loop, HurriedLoop)
        return loop.passed_s


async def turns_of(turn: Callable[[], Awaitable[None]], enough: asyncio.Event) -> None:
    """Let the loop that never ends run until it had enough turns; then cancel it."""
    async with asyncio.TaskGroup() as tasks:
        endless = tasks.create_task(for_ever(turn, asyncio.sleep))
        await enough.wait()
        assert not endless.done()
        endless.cancel()


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), psycopg.OperationalError("away"), Unavailable("database"), OSError()],
)
def test_a_realtime_loop_outlives_whatever_a_turn_raises(error: Exception) -> None:
    outcomes: list[Exception | None] = [error, None, error, None]

    async def act() -> None:
        enough = asyncio.Event()

        async def turn() -> None:
            if not outcomes:
                enough.set()
                await asyncio.Event().wait()
            if outcome := outcomes.pop(0):
                raise outcome

        await turns_of(turn, enough)

    run_hurried(act)

    assert outcomes == []


def test_a_realtime_loop_outlives_a_day_without_a_database() -> None:
    """Thousands of failures, a few seconds apart: the pause grows no further."""
    failures = 24 * 60 * 60 // 5

    async def act() -> None:
        enough = asyncio.Event()
        left = iter(range(failures))

        async def turn() -> None:
            if next(left, None) is None:
                enough.set()
                await asyncio.Event().wait()
            raise Unavailable("database")

        await turns_of(turn, enough)

    passed_s = run_hurried(act)

    assert failures * 2 < passed_s < failures * 5


def test_what_went_well_for_long_is_taken_up_again_at_once() -> None:
    """Listening is one turn until the connection breaks, and the last break was days ago."""
    breaks, a_day_s = 20, 24 * 60 * 60

    async def act() -> None:
        enough = asyncio.Event()
        left = iter(range(breaks))

        async def turn() -> None:
            if next(left, None) is None:
                enough.set()
                await asyncio.Event().wait()
            await asyncio.sleep(a_day_s)
            raise OSError

        await turns_of(turn, enough)

    assert run_hurried(act) - breaks * a_day_s < breaks * 0.3
