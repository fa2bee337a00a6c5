"""What a lost connection made a worker drop is due again soon, and what it holds stays its own."""

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from jobs.leases import see_to_leases
from madar.settings import Settings
from tests.faults.odd_fal import Hand, OddFal, holds, led, misbehaving, odd_settings, says

LEASE_S = 20.0
OF = (
    "UPDATE generations SET lease_owner = %s, lease_epoch = 1,"
    " lease_until = now() + make_interval(secs => %s) WHERE id = %s"
)


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path, lease_s=LEASE_S)


@pytest.mark.parametrize(
    ("owner", "left_s", "is_released"),
    [
        ("me", LEASE_S / 2, True),
        ("me", -1, True),
        ("me", LEASE_S, False),  # a claim whose answer may be on its way
        ("somebody else", LEASE_S / 2, False),
    ],
)
def test_what_nobody_holds_any_more_is_given_back(
    settings: Settings, owner: str, left_s: float, *, is_released: bool
) -> None:
    async def act(hand: Hand) -> None:
        hand.worker.name = "me"
        generation_id = await hand.create()
        await hand.execute(OF, owner, left_s, generation_id)

        await see_to_leases(hand.worker)

        seen = await hand.seen(generation_id)
        assert (seen["lease_until"] is None) == is_released
        assert hand.worker.changed.is_set() == is_released

    led(settings, act)


def test_what_is_held_is_kept(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        posting = holds(says({}, 500))
        fal.once("submit", posting)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hand.advance(generation_id))
            await posting.wait_until_asked()
            await hand.execute("UPDATE generations SET lease_until = now() + interval '1 second'")

            await see_to_leases(hand.worker)
            seen = await hand.seen(generation_id)
            posting.let_go()

        assert seen["lease_until"] is not None
        assert seen["lease_epoch"] == 1

    led(settings, act)
