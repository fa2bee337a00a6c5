"""A success that comes after we had stopped waiting for it: the first one wins, none is lost."""

from collections.abc import Generator
from pathlib import Path
from uuid import UUID

import pytest

from madar.actions.webhooks import Said, record_delivery
from madar.db import generations
from madar.db.pool import connection
from madar.errors import Unauthenticated
from madar.settings import Settings
from tests.faults.odd_fal import DROPS, RUNS, Hand, OddFal, led, misbehaving, odd_settings, says
from tests.simulator.harness import CUT_OUT, Json

pytestmark = pytest.mark.standing

NOTHING = says({"items": []})


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


async def sent_into_the_dark(one: Hand, fal: OddFal) -> UUID:
    """Fal has it as request-1 and shows it nowhere; we do not know that."""
    fal.always("history", NOTHING)
    fal.once("submit", DROPS)
    generation_id = await one.create()
    await one.advance(generation_id)
    return generation_id


async def taken_for_dead(one: Hand, fal: OddFal, settings: Settings) -> UUID:
    """Another attempt is prepared."""
    generation_id = await sent_into_the_dark(one, fal)
    await one.age_submission(settings.submit_unknown_after_s + 1)
    await one.advance(generation_id)
    return generation_id


async def timed_out(one: Hand, fal: OddFal, settings: Settings) -> UUID:
    generation_id = await one.create()
    fal.always("status", RUNS)
    await one.until_step(generation_id, "draw")
    await one.age_acceptance(settings.attempt_deadline_s + 1)
    assert (await one.advance(generation_id))["error_code"] == "timeout"
    fal.heal("status")
    return generation_id


async def deliver(one: Hand, seen: Json, said: Said = "success", *, request: str = "1") -> None:
    await record_delivery(
        one.resources,
        attempt_id=UUID(seen["attempts"][0]["id"]),
        request_id=f"request-{request}",
        said=said,
    )


async def counted(one: Hand) -> dict[str, int]:
    rows = await (await one.conn.execute("SELECT name, value FROM counters")).fetchall()
    return {row["name"]: row["value"] for row in rows}


async def to_remove(one: Hand) -> list[tuple[str | None, bool]]:
    """What is to be cancelled at Fal, and whether its copy is kept."""
    query = "SELECT request_id, keeps_payload FROM fal_purges ORDER BY created_at"
    rows = await (await one.conn.execute(query)).fetchall()
    return [(row["request_id"], row["keeps_payload"]) for row in rows]


def states(seen: Json) -> list[tuple[str, str]]:
    return [(one["step"], one["state"]) for one in seen["attempts"]]


def test_it_wins_over_the_attempt_that_was_made_for_it(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await taken_for_dead(one, fal, settings)
        fal.always("status", RUNS)
        both = await one.advance(generation_id)
        fal.heal("status")

        await deliver(one, both)
        done = await one.finish(generation_id)

        assert states(both) == [("draw", "abandoned"), ("draw", "accepted")]
        assert states(done) == [
            ("draw", "succeeded"),
            ("draw", "failed"),
            ("cutout", "succeeded"),
        ]
        assert done["state"] == "completed"
        assert (await counted(one))["duplicate_paid"] == 1
        assert await to_remove(one) == [("request-2", False)]

    led(settings, act)


def test_before_the_next_attempt_has_left_nothing_is_paid_twice(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await taken_for_dead(one, fal, settings)

        await deliver(one, await one.seen(generation_id))
        done = await one.finish(generation_id)

        assert done["state"] == "completed"
        assert fal.posts() == 1
        assert "duplicate_paid" not in await counted(one)

    led(settings, act)


def test_the_slower_of_two_is_counted_and_removed(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await taken_for_dead(one, fal, settings)
        done = await one.finish(generation_id)

        for _ in range(3):
            await deliver(one, done)

        assert (await one.seen(generation_id))["version"] == done["version"]
        assert (await counted(one))["duplicate_paid"] == 1
        assert await to_remove(one) == [("request-1", False)]

    led(settings, act)


def test_it_revives_what_failed_by_our_deadline_unseen_until_it_is_completed(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await timed_out(one, fal, settings)
        failed = await one.seen(generation_id)

        await deliver(one, failed)
        reviving = await one.until_step(generation_id, "cutout")
        public = await (
            await one.conn.execute("SELECT document FROM generation_documents")
        ).fetchone()
        done = await one.finish(generation_id)

        assert (failed["state"], reviving["state"]) == ("failed", "reviving")
        assert public
        assert (public["document"]["status"], public["document"]["errorCode"]) == (
            "failed",
            "timeout",
        )
        assert (done["state"], done["error_code"]) == ("completed", None)
        assert failed["version"] < reviving["version"] < done["version"]
        assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)
        assert (await counted(one))["late_successes"] == 1

    led(settings, act)


def test_one_that_fails_again_has_failed_as_at_first(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await timed_out(one, fal, settings)
        fal.once("result", says({"detail": [{"type": "content_policy_violation"}]}, 422))

        await deliver(one, await one.seen(generation_id))
        done = await one.finish(generation_id)

        assert (done["state"], done["error_code"]) == ("failed", "timeout")

    led(settings, act)


def test_a_failure_that_comes_late_changes_nothing(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await timed_out(one, fal, settings)
        failed = await one.seen(generation_id)

        await deliver(one, failed, "failure")

        assert await one.seen(generation_id) == failed
        assert await to_remove(one) == []

    led(settings, act)


def test_after_fal_itself_had_failed_it_a_success_changes_nothing(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        fal.once("result", says({"detail": [{"type": "content_policy_violation"}]}, 422))
        failed = await one.finish(generation_id)

        await deliver(one, failed)

        assert failed["error_code"] == "content_policy"
        assert await one.seen(generation_id) == failed

    led(settings, act)


@pytest.mark.parametrize(
    ("ending", "keeps"),
    [
        ("deleted_at = now()", False),
        ("state = 'failed', error_code = 'cancelled'", True),
    ],
)
def test_what_its_person_does_not_want_any_more_is_removed_at_fal(
    settings: Settings, fal: OddFal, ending: str, *, keeps: bool
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await sent_into_the_dark(one, fal)
        await one.execute("UPDATE attempts SET state = 'abandoned'")
        await one.execute(f"UPDATE generations SET next_action_at = NULL, {ending}")
        before = await one.seen(generation_id)

        for _ in range(3):
            await deliver(one, before)

        assert await one.seen(generation_id) == before
        assert await to_remove(one) == [("request-1", keeps)]

    led(settings, act)


def test_a_delivery_for_another_request_changes_nothing(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await timed_out(one, fal, settings)
        failed = await one.seen(generation_id)

        await deliver(one, failed, request="2")

        assert await one.seen(generation_id) == failed

    led(settings, act)


def test_an_attempt_that_is_not_there_is_refused(settings: Settings, fal: OddFal) -> None:
    del fal

    async def act(one: Hand) -> None:
        with pytest.raises(Unauthenticated):
            await record_delivery(
                one.resources, attempt_id=UUID(int=1), request_id="request-1", said="success"
            )

    led(settings, act)


def test_a_worker_that_dies_on_it_again_and_again_gives_it_up(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        for _ in range(3):
            await one.execute(
                "UPDATE generations SET lease_until = now() - interval '1 second',"
                " lease_epoch = lease_epoch + 1, crashes = crashes + 1"
            )
        await one.execute("UPDATE generations SET crashes = crashes - 1")

        seen = await one.advance(generation_id)

        assert (seen["state"], seen["error_code"]) == ("failed", "internal")
        assert fal.posts() == 0

    led(settings, act)


def test_leases_that_were_given_back_are_no_crashes(settings: Settings, fal: OddFal) -> None:
    del fal

    async def act(one: Hand) -> None:
        generation_id = await one.create()
        await one.execute("UPDATE generations SET crashes = 2, lease_until = NULL")

        done = await one.finish(generation_id)

        assert (done["state"], done["crashes"]) == ("completed", 0)

    led(settings, act)


def test_one_answer_of_fals_that_fails_does_not_lose_it(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await timed_out(one, fal, settings)
        await deliver(one, await one.seen(generation_id))
        fal.once("result", says({}, 502))

        seen = await one.advance(generation_id)
        done = await one.finish(generation_id)

        assert (seen["state"], done["state"]) == ("reviving", "completed")

    led(settings, act)


def test_what_a_webhook_announced_in_time_is_not_given_up_for_its_result(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        fal.always("status", RUNS)
        await one.until_step(generation_id, "draw")
        await one.age_acceptance(settings.attempt_deadline_s + 1)
        await deliver(one, await one.seen(generation_id))
        fal.heal("status")
        fal.once("result", says({}, 502))

        seen = await one.advance(generation_id)

        assert seen["error_code"] is None
        assert (await one.finish(generation_id))["state"] == "completed"

    led(settings, act)


def test_it_revives_what_waited_in_vain_for_fal_to_take_another(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await taken_for_dead(one, fal, settings)
        fal.always("submit", says({}, 429))
        await one.advance(generation_id)
        await one.age_deadline(settings.generation_deadline_s + 1)
        failed = await one.advance(generation_id)
        fal.heal("submit")

        await deliver(one, failed)
        done = await one.finish(generation_id)

        assert failed["error_code"] == "provider_unavailable"
        assert done["state"] == "completed"
        assert "duplicate_paid" not in await counted(one)

    led(settings, act)


def test_of_two_that_succeed_the_one_that_was_announced_first_wins(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await taken_for_dead(one, fal, settings)
        fal.always("status", RUNS)
        both = await one.advance(generation_id)
        await record_delivery(
            one.resources,
            attempt_id=UUID(both["attempts"][1]["id"]),
            request_id="request-2",
            said="success",
        )
        fal.heal("status")

        await deliver(one, both)
        done = await one.finish(generation_id)

        assert states(done)[:2] == [("draw", "failed"), ("draw", "succeeded")]
        assert (await counted(one))["duplicate_paid"] == 1
        assert await to_remove(one) == [("request-1", False)]

    led(settings, act)


def test_a_request_that_belongs_to_another_ends_nothing(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await taken_for_dead(one, fal, settings)
        other_id = await one.create(seed=8)
        other = await one.until_step(other_id, "draw")
        request_id = other["attempts"][0]["request_id"]
        before = await one.seen(generation_id)

        await deliver(one, before, request=request_id.removeprefix("request-"))

        after = await one.seen(generation_id)
        assert states(after) == states(before)
        assert after["version"] == before["version"]

    led(settings, act)


def test_a_killed_decoder_is_no_verdict_after_other_trouble(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        fal.once("file", *[says({}, 503)] * 4)

        done = await one.finish(generation_id)

        assert (done["state"], done["stumbles"]) == ("completed", 0)

    led(settings, act)


def test_who_sees_it_failed_is_not_charged_for_it(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await timed_out(one, fal, settings)
        await deliver(one, await one.seen(generation_id))
        seen = await one.seen(generation_id)

        async with connection(one.resources.pool) as conn:
            use = await generations.get_quota_use(conn, owner_id=seen["user_id"], window_s=86_400)

        assert (seen["state"], use.used) == ("reviving", 0)

    led(settings, act)
