"""Whatever the answer to a submission was: nothing is paid for twice, and nothing is given up."""

import asyncio
from collections.abc import Generator
from pathlib import Path
from uuid import UUID

import pytest

from madar.actions.advance import advance_generation
from madar.actions.webhooks import record_delivery
from madar.domain.schedule import RETRY_CAP_S
from madar.settings import Settings
from tests.faults.odd_fal import (
    DROPS,
    Answer,
    Hand,
    OddFal,
    holds,
    led,
    misbehaving,
    odd_settings,
    says,
    sends,
)
from tests.simulator.harness import CUT_OUT, TRANSLATE, Json

pytestmark = pytest.mark.standing

# Answers after which Fal may have the request.
UNCLEAR = {
    **{f"status {code}": says({}, code) for code in (408, 409, 500, 502, 503, 504)},
    "dropped": DROPS,
    "not JSON": sends(b"<html>"),
    "empty": sends(b""),
    "a list": says([]),
    "no request id": says({"status": "IN_QUEUE"}),
    "a long request id": says(
        {"request_id": "r" * 300, "response_url": "", "status_url": "", "cancel_url": ""}
    ),
    "a request id of two lines": says(
        {"request_id": "r\nr", "response_url": "", "status_url": "", "cancel_url": ""}
    ),
}
# Histories that prove nothing, because they are not what Fal promised.
UNREADABLE = {
    "an empty object": says({}),
    "null items": says({"items": None}),
    "items of another shape": says({"items": {}}),
    "a list": says([]),
    "not JSON": sends(b"<html>"),
    "a server error": says({}, 500),
    "a redirect": says({"items": []}, 302, location="/elsewhere"),
    "an input not kept": says({"items": [{"request_id": "other", "json_input": None}]}),
    "an item that is none": says({"items": [5]}),
    "more pages than are read": says({"items": [], "next_cursor": "more"}),
}
NEVER_SEEN = says({"items": []})


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    # No wait is over by itself before a test has looked at it.
    return odd_settings(dsn, fal, tmp_path, poll_min_s=10)


async def sent_into_the_dark(hand: Hand, fal: OddFal) -> UUID:
    """A generation whose first submission got no answer."""
    generation_id = await hand.create()
    fal.once("submit", DROPS)
    await hand.advance(generation_id)
    return generation_id


def states(seen: Json) -> list[str]:
    return [attempt["state"] for attempt in seen["attempts"]]


@pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_an_unclear_answer_is_looked_up_and_never_sent_again(
    settings: Settings, fal: OddFal, answer: Answer
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        fal.once("submit", answer)

        unclear = await hand.advance(generation_id)
        found = await hand.advance(generation_id)
        drawn = await hand.until_step(generation_id, "cutout")

        assert states(unclear) == ["unknown"]
        assert found["attempts"][0]["request_id"] == "request-1"
        assert states(drawn) == ["succeeded", "accepted"]
        assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)

    led(settings, act)


@pytest.mark.parametrize("wait", ["86400", "99999999999999", "soon", "-1", "²", "1e9", ""])
def test_asked_to_come_again_it_waits_a_minute_at_most(
    settings: Settings, fal: OddFal, wait: str
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        fal.once("submit", says({}, 429, retry_after=wait))

        waiting = await hand.advance(generation_id)
        closed_s = await hand.closed_s()
        later = await hand.advance(generation_id)

        assert states(waiting) == ["prepared"]
        assert 0 < closed_s <= RETRY_CAP_S
        assert states(later) == ["accepted"]
        assert fal.posts() == 2

    led(settings, act)


def test_asked_to_come_again_it_does_so_when_it_was_told_to(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        fal.once("submit", says({}, 429, retry_after="40"))

        await hand.advance(await hand.create())

        assert 35 < await hand.closed_s() <= 40

    led(settings, act)


@pytest.mark.parametrize("answer", [says({}, 429, retry_after="3600"), says({}, 401)])
def test_no_wait_is_longer_than_the_generation_has(
    dsn: str, fal: OddFal, tmp_path: Path, answer: Answer
) -> None:
    async def act(hand: Hand) -> None:
        fal.once("submit", answer)

        waiting = await hand.advance(await hand.create())

        assert states(waiting) == ["prepared"]
        assert waiting["next_action_at"] == waiting["deadline_at"]

    led(odd_settings(dsn, fal, tmp_path, poll_min_s=10, generation_deadline_s=20), act)


@pytest.mark.parametrize("status", [401, 403])
def test_while_the_key_is_refused_the_generation_waits(
    settings: Settings, fal: OddFal, status: int
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        fal.always("submit", says({"detail": "User is locked"}, status))

        refused = [await hand.advance(generation_id) for _ in range(5)]
        closed_s = await hand.closed_s()
        fal.heal("submit")
        later = await hand.advance(generation_id)

        assert {seen["state"] for seen in refused} == {"queued"}
        assert states(refused[-1]) == ["prepared"]
        assert 0 < closed_s <= RETRY_CAP_S
        assert states(later) == ["accepted"]

    led(settings, act)


@pytest.mark.parametrize(
    ("status", "error_type", "code"),
    [
        (400, "image_too_large", "invalid_request"),
        (404, "not_found", "invalid_request"),
        (422, "image_too_large", "invalid_request"),
        (422, "content_policy_violation", "content_policy"),
    ],
)
def test_what_fal_refuses_for_good_fails_at_once_and_is_not_sent_again(
    settings: Settings, fal: OddFal, status: int, error_type: str, code: str
) -> None:
    async def act(hand: Hand) -> None:
        fal.always("submit", says({"detail": [{"type": error_type}]}, status))
        fal.always("history", NEVER_SEEN)

        refused = await hand.advance(await hand.create())

        assert (refused["state"], refused["error_code"]) == ("failed", code)
        assert refused["fal_error"] == error_type
        assert states(refused) == ["failed"]
        assert fal.posts() == 1
        assert fal.times("history") == 0

    led(settings, act)


def test_a_refused_translation_does_not_hold_the_drawing_up(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        fal.once("submit", says({"detail": "no such model"}, 422))
        fal.always("history", NEVER_SEEN)

        seen = await hand.advance(await hand.create(prompt="كوب أحمر"))

        assert [(one["step"], one["state"]) for one in seen["attempts"]] == [
            ("translate", "failed"),
            ("draw", "accepted"),
        ]
        assert (fal.posts(TRANSLATE), fal.posts()) == (1, 1)

    led(settings, act)


@pytest.mark.parametrize("history", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_history_that_proves_nothing_allows_no_second_attempt(
    settings: Settings, fal: OddFal, history: Answer
) -> None:
    async def act(hand: Hand) -> None:
        fal.always("history", history)
        generation_id = await sent_into_the_dark(hand, fal)

        early = await hand.advance(generation_id)
        await hand.age_submission(settings.submit_unknown_after_s + 1)
        late = await hand.advance(generation_id)

        assert states(early) == ["unknown"]
        assert (late["state"], late["error_code"]) == ("failed", "submit_unresolved")
        assert states(late) == ["abandoned"]
        assert fal.posts() == 1

    led(settings, act)


@pytest.mark.parametrize("request_id", ["a\x00b", "a\ud800b", "r" * 300, "r\nr", "", 5, None])
def test_our_own_input_under_an_unreadable_id_allows_no_second_attempt(
    settings: Settings, fal: OddFal, request_id: object
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent_into_the_dark(hand, fal)
        [ours] = fal.listed()
        fal.always("history", says({"items": [{**ours, "request_id": request_id}]}))

        early = await hand.advance(generation_id)
        await hand.age_submission(settings.submit_unknown_after_s + 1)
        late = await hand.advance(generation_id)

        assert states(early) == ["unknown"]
        assert early["stumbles"] == 0
        assert (late["state"], late["error_code"]) == ("failed", "submit_unresolved")
        assert fal.posts() == 1

    led(settings, act)


def test_what_nobody_expected_of_an_unclear_submission_ends_with_its_deadline(
    settings: Settings, fal: OddFal
) -> None:
    """A row that cannot be: our own bug, as far as the code can tell."""

    async def act(hand: Hand) -> None:
        generation_id = await sent_into_the_dark(hand, fal)
        await hand.execute("UPDATE attempts SET arguments = NULL")
        early = [await hand.advance(generation_id) for _ in range(5)][-1]
        await hand.age_deadline(settings.generation_deadline_s + 1)

        async with asyncio.timeout(2):
            late = await hand.advance(generation_id)

        assert early["state"] == "queued"
        assert early["next_action_at"] > early["updated_at"]
        assert (late["state"], late["error_code"]) == ("failed", "submit_unresolved")
        assert fal.posts() == 1

    led(settings, act)


def test_what_fal_added_to_the_input_does_not_hide_the_request(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent_into_the_dark(hand, fal)
        [ours] = fal.listed()
        full = {**ours["json_input"], "sync_mode": False, "acceleration": "none"}
        unkept = {"request_id": "other", "json_input": None}
        fal.once("history", says({"items": [unkept, {**ours, "json_input": full}]}))

        found = await hand.advance(generation_id)

        assert states(found) == ["accepted"]
        assert found["attempts"][0]["request_id"] == "request-1"

    led(settings, act)


def test_the_request_is_found_on_a_later_page(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent_into_the_dark(hand, fal)
        other = {"request_id": "other", "json_input": {"seed": 8}}
        fal.once("history", says({"items": [other], "next_cursor": "2"}))
        fal.once("history", says({"items": fal.listed(), "next_cursor": None}))

        found = await hand.advance(generation_id)

        assert found["attempts"][0]["request_id"] == "request-1"

    led(settings, act)


def test_an_empty_history_proves_nothing_before_its_time(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        fal.always("history", NEVER_SEEN)
        generation_id = await sent_into_the_dark(hand, fal)

        seen = [await hand.advance(generation_id) for _ in range(5)][-1]

        assert states(seen) == ["unknown"]
        assert fal.posts() == 1

    led(settings, act)


def test_what_never_arrived_is_sent_exactly_once_more(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent_into_the_dark(hand, fal)
        fal.once("history", NEVER_SEEN)
        await hand.age_submission(settings.submit_unknown_after_s + 1)

        given_up = await hand.advance(generation_id)
        done = await hand.finish(generation_id)

        assert states(given_up) == ["abandoned", "prepared"]
        assert done["state"] == "completed"
        assert fal.posts() == 2

    led(settings, act)


@pytest.mark.parametrize("knows", ["nothing", "the request"])
def test_a_webhook_that_comes_while_the_history_is_read_wins(
    settings: Settings, fal: OddFal, knows: str
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent_into_the_dark(hand, fal)
        unclear = await hand.seen(generation_id)
        await hand.age_submission(settings.submit_unknown_after_s + 1)
        history = holds(NEVER_SEEN if knows == "nothing" else says({"items": fal.listed()}))
        fal.once("history", history)
        await hand.make_due(generation_id)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(hand.worker, generation_id))
            await history.wait_until_asked()
            await record_delivery(
                hand.resources,
                attempt_id=UUID(unclear["attempts"][0]["id"]),
                request_id="request-1",
                said="success",
            )
            history.let_go()
        done = await hand.finish(generation_id)

        assert done["state"] == "completed"
        assert [(one["step"], one["state"]) for one in done["attempts"]] == [
            ("draw", "succeeded"),
            ("cutout", "succeeded"),
        ]
        assert done["attempts"][0]["request_id"] == "request-1"
        assert fal.posts() == 1

    led(settings, act)


@pytest.mark.parametrize("status", [200, 500])
def test_a_webhook_may_come_before_the_answer_to_the_submission(
    settings: Settings, fal: OddFal, status: int
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        urls = dict.fromkeys(("response_url", "status_url", "cancel_url"), "")
        posting = holds(says({"request_id": "request-1", **urls}, status))
        fal.once("submit", posting)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(hand.worker, generation_id))
            await posting.wait_until_asked()
            sent = await hand.seen(generation_id)
            await record_delivery(
                hand.resources,
                attempt_id=UUID(sent["attempts"][0]["id"]),
                request_id="request-1",
                said="success",
            )
            posting.let_go()
        seen = await hand.until_step(generation_id, "cutout")

        assert states(sent) == ["sent"]
        assert states(seen) == ["succeeded", "accepted"]
        assert seen["attempts"][0]["request_id"] == "request-1"
        assert (fal.posts(), fal.times("history")) == (1, 0)

    led(settings, act)


def test_of_two_equal_submissions_each_finds_its_own_request(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        first = await sent_into_the_dark(hand, fal)
        second = await sent_into_the_dark(hand, fal)

        done = [await hand.finish(one) for one in (first, second)]

        assert [one["state"] for one in done] == ["completed"] * 2
        assert {one["attempts"][0]["request_id"] for one in done} == {"request-1", "request-2"}
        assert fal.posts() == 2

    led(settings, act)
