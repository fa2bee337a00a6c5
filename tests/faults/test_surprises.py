"""Answers of a shape nobody promised end a generation well or with a reason, and soon."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from madar.settings import Settings
from tests.faults.odd_fal import (
    FAILED_FOR_NOW,
    OPAQUE,
    RUNS,
    Answer,
    Hand,
    OddFal,
    led,
    misbehaving,
    odd_settings,
    says,
    sends,
)
from tests.product import running_worker
from tests.simulator.harness import CUT_OUT, Json, eventually

POSITIONS: list[object] = ["many", 10**12, -1, 1.5, None, []]
ODD_STATUSES = {
    "a list": says([]),
    "a word": says("COMPLETED"),
    "null": says(None),
    "not JSON": sends(b"<html>"),
    "an unknown status": says({"status": "LOST"}),
    "logs a number": says({"status": "IN_PROGRESS", "logs": 5}, 202),
    "odd log lines": says({"status": "IN_PROGRESS", "logs": ["x", {"message": 5}, None]}, 202),
    "an odd log line": says({"status": "IN_PROGRESS", "logs": [{"message": "9999/0000 ²/³"}]}, 202),
    "no logs": says({"status": "IN_PROGRESS"}, 202),
    **{
        f"position {position}": says({"status": "IN_QUEUE", "queue_position": position}, 202)
        for position in POSITIONS
    },
    "no position": says({"status": "IN_QUEUE"}, 202),
}
PICTURELESS: list[object] = [[], None, "x", {"images": 5}, {"images": [[]]}, {"image": None}]
# A style without a prompt is our own bug: nobody expects it, so it raises a KeyError.
SPOIL = "UPDATE generation_styles SET fal_model_params = fal_model_params - 'prompt'"
CURE = 'UPDATE generation_styles SET fal_model_params = fal_model_params || \'{"prompt": "a"}\''


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


def pause_s(seen: Json) -> float:
    """As it was when it began, however much of it is over."""
    return (seen["next_action_at"] - seen["updated_at"]).total_seconds()


def ends_as(seen: Json) -> tuple[str, str | None]:
    return seen["state"], seen["error_code"]


@pytest.mark.parametrize("status", ODD_STATUSES.values(), ids=ODD_STATUSES.keys())
def test_an_odd_status_is_asked_again(settings: Settings, fal: OddFal, status: Answer) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "draw")
        fal.once("status", status)

        await hand.advance(generation_id)
        drawn = await hand.until_step(generation_id, "cutout")

        assert drawn["stumbles"] == 0
        assert [one["state"] for one in drawn["attempts"]] == ["succeeded", "accepted"]
        assert fal.posts() == 1

    led(settings, act)


def test_a_truth_is_no_position(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "draw")
        fal.once("status", says({"status": "IN_QUEUE", "queue_position": True}, 202))

        odd = await hand.advance(generation_id)

        assert odd["stumbles"] == 0

    led(settings, act)


@pytest.mark.parametrize(
    "odd", [{"prompt": "a\x00b"}, {"prompt": "a\ud800b"}, {"seed": float("nan")}]
)
def test_odd_words_beside_the_picture_do_not_matter(
    settings: Settings, fal: OddFal, odd: Json
) -> None:
    async def act(hand: Hand) -> None:
        picture = {"url": f"{fal.url}/files/ball.png", "content_type": "\x00"}
        fal.once("result", says({"images": [picture], **odd}), says({"image": picture, **odd}))

        done = await hand.finish(await hand.create())

        assert ends_as(done) == ("completed", None)
        assert done["stumbles"] == 0

    led(settings, act)


def test_an_odd_translation_is_made_readable(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        fal.once("result", says({"output": "a \x00red\ud800 cup"}))

        done = await hand.finish(await hand.create(prompt="كوب أحمر"))

        assert ends_as(done) == ("completed", None)
        assert done["prompt_english"] == "a red cup"
        assert done["stumbles"] == 0

    led(settings, act)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://[::1/x.png", "result_invalid"),
        ("https://xn--/x.png", "result_invalid"),
        ("http://localhost:99999/x.png", "result_invalid"),
        ("http://localhost:-1/x.png", "result_invalid"),
        ("https://elsewhere.test/x.png", "result_invalid"),
        ("https://localhost.elsewhere.test/x.png", "result_invalid"),
        ("http://user@localhost/x.png", "result_invalid"),
        ("file:///etc/passwd", "result_invalid"),
        ("x.png", "result_invalid"),
        ("http://localhost/\x00", "content_policy"),
        ("http://localhost/\ud800", "content_policy"),
        ("", "content_policy"),
        (5, "content_policy"),
    ],
)
def test_a_picture_at_an_odd_address_is_not_fetched(
    settings: Settings, fal: OddFal, url: object, code: str
) -> None:
    """Without any address there is no picture, which is how Fal's models refuse silently."""

    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "cutout")
        fal.once("result", says({"image": {"url": url}}))

        done = await hand.finish(generation_id)

        assert ends_as(done) == ("failed", code)
        assert done["stumbles"] == 0
        assert fal.times("file") == 0

    led(settings, act)


@pytest.mark.parametrize("body", PICTURELESS)
def test_a_result_without_a_picture_is_a_refusal(
    settings: Settings, fal: OddFal, body: object
) -> None:
    async def act(hand: Hand) -> None:
        fal.once("result", says(body))

        done = await hand.finish(await hand.create())

        assert ends_as(done) == ("failed", "content_policy")
        assert fal.posts() == 1

    led(settings, act)


@pytest.mark.parametrize("error_type", ["a\x00b", "a\ud800b", ["x"], {"a": 1}])
def test_a_refusal_with_an_odd_type_is_a_refusal(
    settings: Settings, fal: OddFal, error_type: object
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "draw")
        fal.once("result", says({"detail": "no", "error_type": error_type}, 422))

        done = await hand.finish(generation_id)

        assert ends_as(done) == ("failed", "invalid_request")
        assert done["stumbles"] == 0

    led(settings, act)


def test_what_nobody_expected_is_tried_three_times(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        await hand.execute(SPOIL)
        generation_id = await hand.create()

        turns = [await hand.advance(generation_id) for _ in range(3)]

        assert [ends_as(seen) for seen in turns] == [
            ("queued", None),
            ("queued", None),
            ("failed", "internal"),
        ]
        assert all(0 < pause_s(seen) <= 60 for seen in turns[:2])
        assert fal.posts() == 0

    led(settings, act)


def test_what_nobody_expected_may_pass(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        await hand.execute(SPOIL)
        generation_id = await hand.create()
        await hand.advance(generation_id)
        await hand.execute(CURE)

        done = await hand.finish(generation_id)

        assert ends_as(done) == ("completed", None)
        assert fal.posts() == 1

    led(settings, act)


def test_a_passing_failure_does_not_use_up_the_second_cutout(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "cutout")
        fal.once("result", FAILED_FOR_NOW)
        fal.once("file", OPAQUE)

        done = await hand.finish(generation_id)

        assert ends_as(done) == ("completed", None)
        assert [(one["step"], one["state"]) for one in done["attempts"]] == [
            ("draw", "succeeded"),
            ("cutout", "failed"),
            ("cutout", "succeeded"),
            ("cutout", "succeeded"),
        ]
        assert fal.posts(CUT_OUT) == 3

    led(settings, act)


def test_two_opaque_cutouts_are_the_end_even_after_a_passing_failure(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await hand.until_step(generation_id, "cutout")
        fal.once("result", FAILED_FOR_NOW)
        fal.always("file", OPAQUE)

        done = await hand.finish(generation_id)

        assert ends_as(done) == ("failed", "transparency_failed")
        assert fal.posts(CUT_OUT) == 3

    led(settings, act)


def test_a_worker_survives_what_one_generation_meets(
    settings: Settings, fal: OddFal, conn: psycopg.Connection[Any]
) -> None:
    """A real worker: the queue, the reconciler and the next generation go on."""

    async def act(hand: Hand) -> None:
        await hand.execute(SPOIL + " WHERE id = 'toy-figurine'")
        await hand.create(style="toy-figurine")
        await hand.create()

    fal.once("status", says([]), RUNS, says({"status": "IN_QUEUE", "queue_position": "many"}))
    led(settings, act)

    with running_worker(settings):
        query = "SELECT style, state, error_code FROM generations WHERE next_action_at IS NULL"
        ended = eventually(lambda: two_of(conn.execute(query).fetchall()))

    assert set(ended) == {
        ("toy-figurine", "failed", "internal"),
        ("voxel-3d", "completed", None),
    }


def two_of(rows: list[Any]) -> list[Any] | None:
    return rows if len(rows) == 2 else None
