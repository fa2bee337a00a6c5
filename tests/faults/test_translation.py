"""Prompts in Arabic letters: paid for once, and a translator's bad day costs no picture."""

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from madar.actions.maintenance import sweep
from madar.actions.submitting import MAX_TRANSLATION_WAITS, TRANSLATION_PATIENCE_S
from madar.actions.webhooks import record_delivery
from madar.domain.prompts import prompt_hash
from madar.settings import Settings
from tests.conftest import Start
from tests.faults.odd_fal import (
    DROPS,
    FAILED_FOR_NOW,
    RUNS,
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
from tests.product import Person, Product
from tests.simulator.harness import CUT_OUT, DRAW, TRANSLATE, Json

pytestmark = pytest.mark.standing

CUP = "كوب أحمر"
ENGLISH = says({"output": "a red cup"})
SPELLINGS = [CUP, "  كوب\n أحمر ", unicodedata.normalize("NFD", CUP)]
NEVER_SEEN = says({"items": []})
# What may come back for an accepted translation, and is none.
NO_TRANSLATION = {
    "nothing": says({}),
    "empty": says({"output": ""}),
    "not text": says({"output": 5}),
    "an error": says({"output": "a red cup", "error": "quota exceeded"}),
    "half of it": says({"output": "a re", "partial": True}),
    "signs only": says({"output": "?!"}),
    "still Arabic": says({"output": "كوب أحمر جميل"}),
    "an essay": says({"output": "a red cup is " * 400}),
    "a flag of the safety checker": says({"output": "", "has_nsfw_concepts": [True]}),
    "a refusal": says({"detail": [{"type": "content_policy_violation"}]}, 422),
    "a failure that would pass": FAILED_FOR_NOW,
    "a request Fal forgot": says({}, 404),
}
REFUSALS = {status: says({"detail": [{"type": "not_found"}]}, status) for status in (400, 404, 422)}


@pytest.fixture
def odd() -> Generator[OddFal]:
    with misbehaving() as fal:
        fal.always("history", NEVER_SEEN)
        yield fal


@pytest.fixture
def settings(dsn: str, odd: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, odd, tmp_path)


def steps(seen: Json) -> list[tuple[str, str]]:
    return [(one["step"], one["state"]) for one in seen["attempts"]]


async def kept(hand: Hand) -> list[Json]:
    cursor = await hand.conn.execute("SELECT * FROM translations ORDER BY created_at")
    return await cursor.fetchall()


async def assert_drawn_from_the_original(hand: Hand, fal: OddFal, seen: Json) -> None:
    """One translation was asked for, at most, and the picture does not know of it."""
    assert (seen["state"], seen["error_code"]) == ("completed", None)
    assert (seen["translation"], seen["prompt_english"]) == ("failed", None)
    assert steps(seen) == [
        ("translate", "failed"),
        ("draw", "succeeded"),
        ("cutout", "succeeded"),
    ]
    [asked] = [one for one in fal.submissions if one["endpoint"] == DRAW]
    assert CUP in asked["arguments"]["prompt"]
    assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)
    assert await kept(hand) == []


@pytest.mark.parametrize("result", NO_TRANSLATION.values(), ids=NO_TRANSLATION.keys())
def test_without_a_translation_the_original_is_drawn(
    settings: Settings, odd: OddFal, result: Answer
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        asked = await hand.until_step(generation_id, "translate")
        odd.once("result", result)

        done = await hand.finish(generation_id)

        assert asked["translation"] == "pending"
        await assert_drawn_from_the_original(hand, odd, done)
        assert odd.posts(TRANSLATE) == 1

    led(settings, act)


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS.keys())
def test_where_the_translator_is_refused_the_original_is_drawn(
    settings: Settings, odd: OddFal, answer: Answer
) -> None:
    async def act(hand: Hand) -> None:
        odd.once("submit", answer)

        done = await hand.finish(await hand.create(prompt=CUP))

        await assert_drawn_from_the_original(hand, odd, done)
        assert odd.posts(TRANSLATE) == 1

    led(settings, act)


@pytest.mark.parametrize("status", [401, 429])
def test_a_translation_that_fal_does_not_take_is_not_waited_for_for_ever(
    settings: Settings, odd: OddFal, status: int
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        odd.once("submit", *[says({}, status)] * (MAX_TRANSLATION_WAITS + 1))

        waiting = [await hand.advance(generation_id) for _ in range(MAX_TRANSLATION_WAITS)][-1]
        done = await hand.finish(generation_id)

        assert (waiting["translation"], steps(waiting)) == ("pending", [("translate", "prepared")])
        await assert_drawn_from_the_original(hand, odd, done)

    led(settings, act)


async def past_its_patience(hand: Hand, _: Settings) -> None:
    await hand.age_acceptance(TRANSLATION_PATIENCE_S + 1)
    await hand.age_submission(TRANSLATION_PATIENCE_S + 1)


async def past_the_deadline(hand: Hand, settings: Settings) -> None:
    await hand.age_deadline(settings.generation_deadline_s + 1)


Pass = Callable[[Hand, Settings], Awaitable[None]]
PASSES: list[Pass] = [past_its_patience, past_the_deadline]


@pytest.mark.parametrize("pass_by", PASSES)
def test_a_translation_that_takes_too_long_is_cancelled(
    settings: Settings, odd: OddFal, pass_by: Pass
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        await hand.until_step(generation_id, "translate")
        odd.once("status", RUNS, RUNS)
        early = await hand.advance(generation_id)
        await pass_by(hand, settings)

        done = await hand.finish(generation_id)

        assert steps(early) == [("translate", "accepted")]
        assert odd.times("cancel") == 1
        await assert_drawn_from_the_original(hand, odd, done)
        assert odd.posts(TRANSLATE) == 1

    led(settings, act)


@pytest.mark.parametrize("pass_by", PASSES)
def test_when_fal_does_not_answer_for_too_long_the_original_is_drawn(
    settings: Settings, odd: OddFal, pass_by: Pass
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        await hand.until_step(generation_id, "translate")
        odd.once("status", says({}, 502), says({}, 502))
        early = await hand.advance(generation_id)
        await pass_by(hand, settings)

        done = await hand.finish(generation_id)

        assert steps(early) == [("translate", "accepted")]
        await assert_drawn_from_the_original(hand, odd, done)
        assert odd.posts(TRANSLATE) == 1

    led(settings, act)


@pytest.mark.parametrize("pass_by", PASSES)
def test_a_translation_that_finished_while_the_worker_was_away_is_taken(
    settings: Settings, odd: OddFal, pass_by: Pass
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        await hand.until_step(generation_id, "translate")
        await pass_by(hand, settings)
        odd.once("result", ENGLISH)

        done = await hand.finish(generation_id)

        assert (done["state"], done["translation"]) == ("completed", "done")
        assert done["prompt_english"] == "a red cup"

    led(settings, act)


def test_an_unclear_translation_is_looked_up_and_never_sent_again(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        odd.once("submit", DROPS)
        unclear = await hand.advance(generation_id)
        early = await hand.advance(generation_id)
        odd.once("history", says({"items": odd.listed(TRANSLATE)}))
        odd.once("result", ENGLISH)

        done = await hand.finish(generation_id)

        assert steps(unclear) == steps(early) == [("translate", "unknown")]
        assert (done["state"], done["translation"]) == ("completed", "done")
        assert (odd.posts(TRANSLATE), odd.posts()) == (1, 1)

    led(settings, act)


@pytest.mark.parametrize("pass_by", PASSES)
@pytest.mark.parametrize(
    "history", [NEVER_SEEN, says({}, 500), sends(b"<html>")], ids=["empty", "away", "not JSON"]
)
def test_an_unclear_translation_is_given_up_and_never_sent_again(
    settings: Settings, odd: OddFal, history: Answer, pass_by: Pass
) -> None:
    """A webhook that comes after all finds nothing to wake."""

    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        odd.once("submit", DROPS)
        odd.always("history", history)
        unclear = await hand.advance(generation_id)
        early = await hand.advance(generation_id)
        await pass_by(hand, settings)

        late = await hand.advance(generation_id)
        await record_delivery(
            hand.resources,
            attempt_id=UUID(unclear["attempts"][0]["id"]),
            request_id="request-1",
            said="success",
        )
        done = await hand.finish(generation_id)

        assert steps(early) == [("translate", "unknown")]
        assert steps(late)[0] == ("translate", "failed")
        await assert_drawn_from_the_original(hand, odd, done)
        assert odd.posts(TRANSLATE) == 1

    led(settings, act)


def test_a_webhook_that_comes_while_the_translation_is_given_up_wins(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        odd.once("submit", DROPS)
        unclear = await hand.advance(generation_id)
        await past_its_patience(hand, settings)
        history = holds(NEVER_SEEN)
        odd.once("history", history)
        odd.once("result", ENGLISH)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hand.advance(generation_id))
            await history.wait_until_asked()
            await record_delivery(
                hand.resources,
                attempt_id=UUID(unclear["attempts"][0]["id"]),
                request_id="request-1",
                said="success",
            )
            history.let_go()
        done = await hand.finish(generation_id)

        assert (done["state"], done["translation"]) == ("completed", "done")
        assert (odd.posts(TRANSLATE), odd.posts()) == (1, 1)

    led(settings, act)


def test_what_nobody_expected_of_a_translation_is_not_the_end_of_the_picture(
    settings: Settings, odd: OddFal
) -> None:
    """A row that cannot be: our own bug, as far as the code can tell."""

    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        await hand.until_step(generation_id, "translate")
        await hand.execute("UPDATE attempts SET endpoint = NULL")
        turns = [await hand.advance(generation_id) for _ in range(3)]

        done = await hand.finish(generation_id)

        assert [seen["step"] for seen in turns] == ["translate", "translate", "draw"]
        await assert_drawn_from_the_original(hand, odd, done)

    led(settings, act)


def test_the_same_words_are_paid_for_once(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        odd.once("result", ENGLISH)
        first = await hand.finish(await hand.create(prompt=CUP))

        for prompt in SPELLINGS:
            asked = await hand.seen(await hand.create(prompt=prompt))
            done = await hand.finish(asked["id"])

            assert (asked["step"], asked["translation"]) == ("draw", "done")
            assert (done["state"], done["prompt"]) == ("completed", prompt)
            assert done["prompt_english"] == first["prompt_english"] == "a red cup"
        assert (odd.posts(TRANSLATE), odd.posts()) == (1, 4)
        assert all("كوب" not in one["arguments"]["prompt"] for one in drawings(odd))

    led(settings, act)


def drawings(fal: OddFal) -> list[Json]:
    return [one for one in fal.submissions if one["endpoint"] == DRAW]


@pytest.mark.parametrize("prompt", ["گربهٔ نارنجی", "ایک سرخ راکٹ", "a logo for قهوة"])
def test_persian_urdu_and_mixed_prompts_are_translated_whole(
    settings: Settings, odd: OddFal, prompt: str
) -> None:
    async def act(hand: Hand) -> None:
        odd.once("result", ENGLISH)

        done = await hand.finish(await hand.create(prompt=prompt))

        assert (done["translation"], done["prompt_english"]) == ("done", "a red cup")
        [asked] = [one for one in odd.submissions if one["endpoint"] == TRANSLATE]
        assert asked["arguments"]["prompt"] == prompt
        assert "a red cup" in drawings(odd)[0]["arguments"]["prompt"]

    led(settings, act)


def test_another_model_translates_anew(dsn: str, odd: OddFal, tmp_path: Path) -> None:
    async def act(hand: Hand) -> None:
        odd.once("result", ENGLISH)
        done = await hand.finish(await hand.create(prompt=CUP))
        assert done["translation"] == "done"

    led(odd_settings(dsn, odd, tmp_path, translate_model="one/model"), act)
    led(odd_settings(dsn, odd, tmp_path, translate_model="another/model"), act)

    asked = [one["arguments"] for one in odd.submissions if one["endpoint"] == TRANSLATE]
    assert [one["model"] for one in asked] == ["one/model", "another/model"]


def test_a_translation_is_kept_under_the_model_that_made_it(
    dsn: str, odd: OddFal, tmp_path: Path
) -> None:
    """The setting may change between the question and the answer."""
    asked: list[UUID] = []

    async def ask(hand: Hand) -> None:
        asked.append(await hand.create(prompt=CUP))
        await hand.until_step(asked[0], "translate")

    async def take(hand: Hand) -> None:
        odd.once("result", ENGLISH)
        await hand.finish(asked[0])
        [one] = await kept(hand)
        assert one["model"] == "one/model"

    led(odd_settings(dsn, odd, tmp_path, translate_model="one/model"), ask)
    led(odd_settings(dsn, odd, tmp_path, translate_model="another/model"), take)


@pytest.mark.parametrize(("prompt", "model"), [("a red cup", "one/model"), (CUP, "")])
def test_where_nothing_is_to_translate_nothing_is_said_about_it(
    dsn: str, odd: OddFal, tmp_path: Path, prompt: str, model: str
) -> None:
    async def act(hand: Hand) -> None:
        done = await hand.finish(await hand.create(prompt=prompt))

        assert (done["state"], done["translation"]) == ("completed", None)
        assert steps(done) == [("draw", "succeeded"), ("cutout", "succeeded")]
        assert prompt in drawings(odd)[0]["arguments"]["prompt"]

    led(odd_settings(dsn, odd, tmp_path, translate_model=model), act)


def test_what_is_kept_names_nobody_and_not_the_prompt(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        odd.once("result", ENGLISH)
        await hand.finish(await hand.create(prompt=CUP))

        [one] = await kept(hand)

        assert one.keys() == {"prompt_hash", "model", "english", "created_at", "last_used_at"}
        assert (bytes(one["prompt_hash"]), one["english"]) == (prompt_hash(CUP), "a red cup")

    led(settings, act)


def test_the_translation_of_a_picture_deleted_meanwhile_is_not_kept(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        await hand.until_step(generation_id, "translate")
        result = holds(ENGLISH)
        odd.once("result", result)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hand.advance(generation_id))
            await result.wait_until_asked()
            await hand.execute("UPDATE generations SET deleted_at = now(), next_action_at = NULL")
            result.let_go()

        assert await kept(hand) == []
        assert odd.posts() == 0

    led(settings, act)


def test_what_nobody_asked_for_in_a_month_is_swept_away(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        odd.once("result", ENGLISH)
        await hand.finish(await hand.create(prompt=CUP))
        await age_uses(hand, days=29)
        await sweep(hand.resources)
        early = await kept(hand)

        await age_uses(hand, days=1)
        await sweep(hand.resources)

        assert len(early) == 1
        assert await kept(hand) == []

    led(settings, act)


def test_what_is_asked_for_is_not_swept_away(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        odd.once("result", ENGLISH)
        await hand.finish(await hand.create(prompt=CUP))
        await age_uses(hand, days=29)
        await hand.create(prompt=CUP)

        await age_uses(hand, days=29)
        await sweep(hand.resources)

        assert len(await kept(hand)) == 1

    led(settings, act)


async def age_uses(hand: Hand, *, days: int) -> None:
    statement = "UPDATE translations SET last_used_at = last_used_at - make_interval(days => %s)"
    await hand.execute(statement, days)


def test_what_ends_before_its_translation_says_that_there_is_none(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create(prompt=CUP)
        await past_the_deadline(hand, settings)

        done = await hand.advance(generation_id)

        assert (done["state"], done["error_code"]) == ("failed", "provider_unavailable")
        assert done["translation"] == "failed"
        assert odd.submissions == []

    led(settings, act)


def test_the_answer_says_that_it_was_translated_and_how(product: Product, amal: Person) -> None:
    with product.working():
        asked = amal.create(textPrompt="صاروخ أحمر")
        waiting = amal.status(asked["id"])
        done = amal.finished(asked["id"])

    assert waiting["translation"] in {"pending", "done"}
    assert (done["status"], done["translation"]) == ("completed", "done")
    assert done["prompt"] == "صاروخ أحمر"
    assert "rocket" in done["promptEnglish"]


def test_the_second_who_asks_pays_for_no_translation(
    product: Product, amal: Person, badr: Person
) -> None:
    with product.working():
        first = amal.finished(amal.create(textPrompt="صاروخ أحمر")["id"])
        second = badr.finished(badr.create(textPrompt=" صاروخ\nأحمر")["id"])

    assert (second["status"], second["translation"]) == ("completed", "done")
    assert second["promptEnglish"] == first["promptEnglish"]
    paid = [one for one in product.submissions() if one["endpointId"] == TRANSLATE]
    assert len(paid) == 1


def test_the_answer_says_that_the_original_went(
    start: Start, odd: OddFal, conn: psycopg.Connection[Any]
) -> None:
    product = start(fal_queue_url=odd.url, fal_api_url=odd.url, fal_media_hosts="localhost")
    amal = product.sign_in()
    odd.once("submit", says({"detail": "no such model"}, 422))
    with product.working():
        made = amal.create(textPrompt=CUP)
        done = amal.finished(made["id"])

    assert (done["status"], done["translation"]) == ("completed", "failed")
    assert "promptEnglish" not in done
    assert CUP in drawings(odd)[0]["arguments"]["prompt"]
    assert conn.execute("SELECT count(*) FROM translations").fetchone() == (0,)
