"""A deadline ends what is stuck; it never throws away what is finished and paid for."""

from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from uuid import UUID

import pytest

from madar.actions.webhooks import record_delivery
from madar.settings import Settings
from tests.faults.odd_fal import (
    RUNS,
    Answer,
    Hand,
    OddFal,
    led,
    misbehaving,
    odd_settings,
    says,
)
from tests.simulator.harness import CUT_OUT

pytestmark = pytest.mark.standing

Pass = Callable[[Hand, Settings], Awaitable[None]]


async def past_the_attempts(hand: Hand, settings: Settings) -> None:
    await hand.age_acceptance(settings.attempt_deadline_s + 60)


async def past_the_generations(hand: Hand, settings: Settings) -> None:
    await past_the_attempts(hand, settings)
    await hand.age_deadline(settings.generation_deadline_s + 60)


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize(
    ("step", "pass_by"),
    [
        ("draw", past_the_attempts),
        ("draw", past_the_generations),
        ("cutout", past_the_attempts),
        ("cutout", past_the_generations),
    ],
)
def test_what_finished_while_the_worker_was_away_is_fetched(
    settings: Settings,
    fal: OddFal,
    step: str,
    pass_by: Pass,
    is_announced: bool,  # noqa: FBT001
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        accepted = (await hand.until_step(generation_id, step))["attempts"][-1]
        if is_announced:
            await record_delivery(
                hand.resources,
                attempt_id=UUID(accepted["id"]),
                request_id=accepted["request_id"],
                said="success",
            )
        await pass_by(hand, settings)

        done = await hand.finish(generation_id)

        assert (done["state"], done["error_code"]) == ("completed", None)
        assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)

    led(settings, act)


@pytest.mark.parametrize("pass_by", [past_the_attempts, past_the_generations])
@pytest.mark.parametrize(
    "status", [RUNS, says({"status": "IN_QUEUE", "queue_position": 3}, 202)], ids=["runs", "waits"]
)
def test_what_still_runs_past_its_deadline_is_cancelled(
    settings: Settings, fal: OddFal, status: Answer, pass_by: Pass
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "draw")
        fal.always("status", status)
        before = await hand.advance(generation_id)
        await pass_by(hand, settings)

        after = await hand.advance(generation_id)

        assert before["state"] in {"queued", "processing"}
        assert (after["state"], after["error_code"]) == ("failed", "timeout")
        assert fal.asked[-1] == ("cancel", "/fal-ai/flux-lora/requests/request-1/cancel")
        assert fal.times("cancel") == 1

    led(settings, act)


def test_a_cancellation_that_fails_changes_nothing(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "draw")
        fal.always("status", RUNS)
        fal.always("cancel", says({"status": "ALREADY_COMPLETED"}, 400))
        await past_the_attempts(hand, settings)

        after = await hand.advance(generation_id)

        assert (after["state"], after["error_code"]) == ("failed", "timeout")

    led(settings, act)


def test_when_fal_does_not_answer_past_the_deadline_it_is_a_timeout(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "draw")
        fal.always("status", says({}, 502))
        before = await hand.advance(generation_id)
        await past_the_attempts(hand, settings)

        after = await hand.advance(generation_id)

        assert before["state"] == "queued"
        assert (after["state"], after["error_code"]) == ("failed", "timeout")

    led(settings, act)


def test_what_fal_never_took_until_the_deadline_is_told_as_such(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        fal.always("submit", says({}, 429))
        before = await hand.advance(generation_id)
        await past_the_generations(hand, settings)

        after = await hand.advance(generation_id)

        assert before["state"] == "queued"
        assert (after["state"], after["error_code"]) == ("failed", "provider_unavailable")
        assert fal.posts() == 1

    led(settings, act)


def test_an_unclear_submission_is_not_repeated_past_the_deadline(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        fal.always("submit", says({}, 500))
        fal.always("history", says({"items": []}))
        await hand.advance(generation_id)
        await past_the_generations(hand, settings)

        after = await hand.finish(generation_id)

        assert (after["state"], after["error_code"]) == ("failed", "provider_unavailable")
        assert fal.posts() == 1

    led(settings, act)
