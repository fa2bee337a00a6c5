"""A worker that lost its lease, or its time, changes nothing and sends nothing."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from madar.actions.advance import advance_generation
from madar.actions.submitting import MAX_SEND_DELAY_S
from madar.settings import Settings
from tests.faults.odd_fal import (
    FAILED_FOR_NOW,
    OPAQUE,
    RUNS,
    Answer,
    Hand,
    Kind,
    OddFal,
    hand,
    holds,
    led,
    misbehaving,
    odd_settings,
    says,
    sends,
)
from tests.simulator.harness import CUT_OUT

pytestmark = pytest.mark.standing

ACCEPTED = {"request_id": "request-1", "status_url": "", "response_url": "", "cancel_url": ""}
UNSAFE = {"images": [{"url": "http://localhost/x.png"}], "has_nsfw_concepts": [True]}
ENDED = says({"status": "COMPLETED", "logs": []})

# Where the late worker waits, and what it hears when everything is over.
LATE: dict[str, tuple[str, Kind, Answer]] = {
    "accepted": ("", "submit", says(ACCEPTED)),
    "accepted otherwise": ("", "submit", says({**ACCEPTED, "request_id": "another"})),
    "come again": ("", "submit", says({}, 429)),
    "key refused": ("", "submit", says({}, 401)),
    "refused": ("", "submit", says({"detail": [{"type": "image_too_large"}]}, 422)),
    "unclear": ("", "submit", says({}, 500)),
    "runs": ("draw", "status", RUNS),
    "waits": ("draw", "status", says({"status": "IN_QUEUE", "queue_position": 4}, 202)),
    "no status": ("draw", "status", says({}, 502)),
    "gone": ("draw", "status", says({}, 404)),
    "drawn": ("draw", "result", says({"images": [{"url": "http://localhost/other.png"}]})),
    "unsafe": ("draw", "result", says(UNSAFE)),
    "failed for now": ("draw", "result", FAILED_FOR_NOW),
    "failed for good": ("draw", "result", says({"detail": [{"type": "image_too_large"}]}, 422)),
    "cut out": ("cutout", "file", sends(b"")),
    "opaque": ("cutout", "file", OPAQUE),
    "file gone": ("cutout", "file", says({}, 404)),
}


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


@pytest.mark.parametrize(("step", "kind", "answer"), LATE.values(), ids=LATE.keys())
def test_a_worker_that_comes_back_after_the_end_changes_nothing(
    settings: Settings, fal: OddFal, step: str, kind: Kind, answer: Answer
) -> None:
    async def act(late: Hand) -> None:
        async with overtaken(late, fal, step=step, kind=kind, answer=answer) as overtaking:
            done = await overtaking.other.finish(overtaking.generation_id)

        assert done["state"] == "completed"
        assert await late.seen(overtaking.generation_id) == done
        assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)

    led(settings, act)


@pytest.mark.parametrize(
    ("step", "kind", "answer"),
    [case for case in LATE.values() if case[1] != "file"],
    ids=[name for name, case in LATE.items() if case[1] != "file"],
)
def test_a_worker_that_comes_back_a_step_later_changes_nothing(
    settings: Settings, fal: OddFal, step: str, kind: Kind, answer: Answer
) -> None:
    async def act(late: Hand) -> None:
        async with overtaken(late, fal, step=step, kind=kind, answer=answer) as overtaking:
            drawn = await overtaking.other.until_step(overtaking.generation_id, "cutout")

        assert await late.seen(overtaking.generation_id) == drawn
        assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)

    led(settings, act)


@dataclass(frozen=True, kw_only=True)
class Overtaking:
    other: Hand
    generation_id: UUID


@contextlib.asynccontextmanager
async def overtaken(
    late: Hand, fal: OddFal, *, step: str, kind: Kind, answer: Answer
) -> AsyncGenerator[Overtaking]:
    """While `late` waits for this answer, its lease is lost; it hears the answer at the end."""
    generation_id = await late.create()
    if step:
        await late.until_step(generation_id, step)
    held = holds(answer)
    fal.once(kind, held)
    await late.make_due(generation_id)
    async with hand(late.resources.settings) as other, asyncio.TaskGroup() as tasks:
        tasks.create_task(advance_generation(late.worker, generation_id))
        await held.wait_until_asked()
        await other.lose_leases()
        yield Overtaking(other=other, generation_id=generation_id)
        held.let_go()


def test_a_late_look_into_the_history_changes_nothing(settings: Settings, fal: OddFal) -> None:
    async def act(late: Hand) -> None:
        generation_id = await late.create()
        fal.once("submit", says({}, 500))
        await late.advance(generation_id)
        await late.age_submission(settings.submit_unknown_after_s + 1)
        held = holds(says({"items": []}))
        fal.once("history", held)
        await late.make_due(generation_id)

        async with hand(settings) as other, asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(late.worker, generation_id))
            await held.wait_until_asked()
            await other.lose_leases()
            done = await other.finish(generation_id)
            held.let_go()

        assert done["state"] == "completed"
        assert await late.seen(generation_id) == done
        assert fal.posts() == 1

    led(settings, act)


def test_the_end_of_an_older_claim_leaves_the_newer_one_held(
    settings: Settings, fal: OddFal
) -> None:
    """Both in one process: its lease ran out while its first request hung."""

    async def act(one: Hand) -> None:
        generation_id = await one.create()
        posting, looking = holds(says({}, 500)), holds(says({"items": []}))
        fal.once("submit", posting)
        fal.once("history", looking)

        async with asyncio.TaskGroup() as tasks:
            older = tasks.create_task(advance_generation(one.worker, generation_id))
            await posting.wait_until_asked()
            first = dict(one.worker.held)
            await one.lose_leases()
            tasks.create_task(advance_generation(one.worker, generation_id))
            await looking.wait_until_asked()
            second = dict(one.worker.held)
            posting.let_go()
            await older
            after_the_older = dict(one.worker.held)
            await one.worker.extend_leases()
            looking.let_go()

        assert first == {generation_id: 1}
        assert second == after_the_older == {generation_id: 2}
        assert one.worker.held == {}

    led(settings, act)


def test_a_lost_lease_is_not_kept(settings: Settings, fal: OddFal) -> None:
    async def act(late: Hand) -> None:
        generation_id = await late.create()
        posting, looking = holds(says({}, 500)), holds(says({"items": []}))
        fal.once("submit", posting)
        fal.once("history", looking)

        async with hand(settings) as other, asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(late.worker, generation_id))
            await posting.wait_until_asked()
            await other.lose_leases()
            tasks.create_task(advance_generation(other.worker, generation_id))
            await looking.wait_until_asked()
            before = await late.seen(generation_id)
            await late.worker.extend_leases()
            after = await late.seen(generation_id)
            posting.let_go()
            looking.let_go()

        assert late.worker.held == {}
        assert before["lease_epoch"] == 2
        assert after["lease_until"] == before["lease_until"]

    led(settings, act)


def test_a_kept_lease_is_taken_by_nobody(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        posting = holds(says(ACCEPTED))
        fal.once("submit", posting)

        async with hand(settings) as other, asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(one.worker, generation_id))
            await posting.wait_until_asked()
            before = await one.seen(generation_id)
            await one.worker.extend_leases()
            kept = await other.advance(generation_id)
            posting.let_go()

        assert kept["lease_until"] > before["lease_until"]
        assert kept["lease_epoch"] == before["lease_epoch"] == 1
        assert fal.times("history") == 0

    led(settings, act)


def test_a_worker_that_froze_before_the_post_does_not_send(
    settings: Settings, fal: OddFal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine slept after `sent` was written; somebody may have called the attempt dead."""

    async def act(one: Hand) -> None:
        generation_id = await one.create()
        moments = itertools.count(0.0, MAX_SEND_DELAY_S + 1)

        def jumping(_clock: int) -> float:
            return next(moments)

        with monkeypatch.context() as patched:
            patched.setattr(time, "clock_gettime", jumping)
            frozen = await one.advance(generation_id)
        posts_while_frozen = fal.posts()
        await one.age_submission(settings.submit_unknown_after_s + 1)

        done = await one.finish(generation_id)

        assert posts_while_frozen == 0
        assert frozen["attempts"][0]["state"] == "unknown"
        assert done["state"] == "completed"
        assert fal.posts() == 1

    led(settings, act)
