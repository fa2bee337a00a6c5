"""Loops that hang, end or fail are begun anew; a process that cannot be helped says so."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator

import pytest

from madar import liveness as module
from madar.liveness import Liveness

SILENCE_S = 0.3


@pytest.fixture
def parent() -> Generator[tuple[int, int]]:
    """Where a parent would read, and where its child writes."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    os.close(read)
    os.close(write)


def heard(pipe: int) -> int:
    try:
        return len(os.read(pipe, 4096))
    except BlockingIOError:
        return 0


async def kept(
    liveness: Liveness,
    run: Callable[[], Awaitable[None]],
    enough: asyncio.Event,
    *,
    parent: int | None = None,
) -> None:
    """The part `one` until there is enough of it."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(liveness.run(parent)),
            tasks.create_task(liveness.keep("one", run)),
        ]
        await enough.wait()
        for task in running:
            task.cancel()


async def hang() -> None:
    await asyncio.Event().wait()


async def end() -> None:
    return


async def fail() -> None:
    raise ValueError("a bug")


@pytest.mark.parametrize("fault", [hang, end, fail])
def test_a_part_is_begun_anew_however_it_stopped(fault: Callable[[], Awaitable[None]]) -> None:
    lives = 0

    async def main() -> None:
        enough = asyncio.Event()
        liveness = Liveness(SILENCE_S)

        async def run() -> None:
            nonlocal lives
            lives += 1
            if lives == 1:
                await fault()
            else:
                enough.set()
                await liveness.sleep("one", 60)

        await kept(liveness, run, enough)
        assert not liveness.gave_up

    asyncio.run(main())

    assert lives == 2


def test_who_waits_and_says_so_is_not_silent() -> None:
    lives = 0

    async def main() -> None:
        enough = asyncio.Event()
        liveness = Liveness(SILENCE_S)

        async def run() -> None:
            nonlocal lives
            lives += 1
            await liveness.sleep("one", 4 * SILENCE_S)
            async with liveness.working("one", at_most_s=10):
                await asyncio.sleep(4 * SILENCE_S)
            enough.set()
            await liveness.wait("one", asyncio.Event())

        await kept(liveness, run, enough)

    asyncio.run(main())

    assert lives == 1


@pytest.mark.parametrize("fault", [hang, end, fail])
def test_five_failures_in_a_row_are_the_end(fault: Callable[[], Awaitable[None]]) -> None:
    lives = 0

    async def main() -> None:
        ended = asyncio.Event()
        liveness = Liveness(SILENCE_S, on_give_up=ended.set)

        async def run() -> None:
            nonlocal lives
            lives += 1
            await fault()

        await kept(liveness, run, ended)
        assert liveness.gave_up == "one"

    asyncio.run(main())

    assert lives == module.RESTARTS


def test_failures_between_steady_lives_are_not_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STEADY_SILENCES", 0)
    monkeypatch.setattr(module, "MAX_PAUSE_S", 0.0)
    lives = 0

    async def main() -> None:
        enough = asyncio.Event()
        liveness = Liveness(SILENCE_S)

        async def run() -> None:
            nonlocal lives
            lives += 1
            if lives > module.RESTARTS:
                enough.set()
                await hang()

        await kept(liveness, run, enough)
        assert not liveness.gave_up

    asyncio.run(main())


def test_a_part_that_cannot_be_cancelled_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUBBORN_S", 0.2)

    async def main() -> None:
        ended = asyncio.Event()
        liveness = Liveness(SILENCE_S, on_give_up=ended.set)

        async def run() -> None:
            while not ended.is_set():
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    continue

        await kept(liveness, run, ended)
        assert liveness.gave_up == "one"

    asyncio.run(main())


def test_a_part_that_was_told_to_stop_may_end() -> None:
    async def main() -> None:
        stopping = asyncio.Event()
        stopping.set()
        async with asyncio.timeout(10):
            await Liveness(SILENCE_S).keep("one", end, stopping=stopping)

    asyncio.run(main())


def test_the_parent_hears_nothing_while_a_loop_hangs_or_the_event_loop_stands(
    parent: tuple[int, int],
) -> None:
    read, write = parent

    async def main() -> None:
        enough, liveness = asyncio.Event(), Liveness(SILENCE_S)

        async def run() -> None:
            await liveness.sleep("one", 2 * SILENCE_S)
            assert heard(read) > 0
            time.sleep(2 * SILENCE_S)  # noqa: ASYNC251 - the event loop stands still
            assert heard(read) == 0
            liveness.beat("another, which hangs")
            await liveness.sleep("one", 2 * SILENCE_S)
            heard(read)
            await liveness.sleep("one", 2 * SILENCE_S)
            assert heard(read) == 0
            enough.set()
            await hang()

        await kept(liveness, run, enough, parent=write)

    asyncio.run(main())


def test_standing_still_is_no_silence_of_its_loops() -> None:
    lives = 0

    async def main() -> None:
        enough, liveness = asyncio.Event(), Liveness(SILENCE_S)

        async def run() -> None:
            nonlocal lives
            lives += 1
            time.sleep(5 * SILENCE_S)  # noqa: ASYNC251 - a busy machine, or one that slept
            await liveness.sleep("one", SILENCE_S)
            enough.set()
            await hang()

        await kept(liveness, run, enough)

    asyncio.run(main())

    assert lives == 1
