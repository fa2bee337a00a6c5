"""A result that is no longer where it was: it is looked for before the picture is given up."""

from collections.abc import Generator
from pathlib import Path

import pytest

from madar.settings import Settings
from tests.faults.odd_fal import Hand, OddFal, led, misbehaving, odd_settings, says
from tests.simulator.harness import CUT_OUT

GONE = says({"detail": "Not found"}, 404)
ENDED = says({"status": "COMPLETED", "logs": []})


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


def test_what_the_queue_forgot_is_read_in_the_history(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        await one.until_step(generation_id, "draw")
        picture = {"images": [{"url": f"{fal.url}/files/ball.png"}]}
        fal.once("status", GONE)
        fal.once("history", says({"items": [{"request_id": "request-1", "json_output": picture}]}))

        done = await one.finish(generation_id)

        assert done["state"] == "completed"
        assert (fal.posts(), fal.posts(CUT_OUT)) == (1, 1)

    led(settings, act)


def test_while_the_history_cannot_be_read_it_is_asked_again(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        await one.until_step(generation_id, "draw")
        fal.once("status", GONE)
        fal.once("history", says({}, 503))

        seen = await one.advance(generation_id)

        assert seen["attempts"][0]["state"] == "accepted"

    led(settings, act)


def test_a_file_that_moved_is_fetched_from_its_new_address(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        fal.once("file", GONE)
        await one.until_step(generation_id, "cutout")
        before = says({"image": {"url": f"{fal.url}/files/before.png"}})
        fal.once("status", ENDED, ENDED)
        fal.once("result", before)

        done = await one.finish(generation_id)

        assert done["state"] == "completed"
        assert [path for kind, path in fal.asked if kind == "file"] == [
            "/files/before.png",
            "/files/ball.png",
        ]

    led(settings, act)


def test_a_file_that_is_gone_for_good_ends_it(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("file", GONE)

        done = await one.finish(await one.create())

        assert (done["state"], done["error_code"]) == ("failed", "result_expired")

    led(settings, act)
