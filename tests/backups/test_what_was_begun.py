"""What was being made when the backup was taken: nothing of it is sent to Fal a second time."""

from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from madar.local.postgres import Server
from madar.settings import Settings
from tests.backups.commands import moved, run
from tests.faults.odd_fal import DROPS, Hand, OddFal, led, misbehaving, odd_settings, says
from tests.simulator.harness import CUT_OUT, DRAW

Lead = Callable[[Hand, OddFal, UUID], Awaitable[object]]
LEASED = "UPDATE generations SET lease_owner = 'gone', lease_until = now() + interval '30 s'"
TEN_MINUTES_PASS = (
    "UPDATE installation SET restored_at = restored_at - interval '601 s'",
    "UPDATE generations SET created_at = created_at - interval '601 s'",
)
OVERDUE = "UPDATE generations SET deadline_at = now() WHERE id = %s"


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


@pytest.fixture
def elsewhere(settings: Settings, postgres_server: Server, tmp_path: Path) -> Settings:
    url = postgres_server.create_database(f"begun_{uuid4().hex}", template="template_madar")
    return moved(settings, url, tmp_path / "restored")


def back_up(settings: Settings, folder: Path) -> None:
    written = run(settings, "backup", folder / "madar.tar")
    assert written.exit_code == 0, written.output


def restore(settings: Settings, folder: Path) -> None:
    restored = run(settings, "restore", folder / "madar.tar", "--yes")
    assert restored.exit_code == 0, restored.output


async def nowhere(_hand: Hand, _fal: OddFal, _id: UUID) -> None:
    """Just asked for."""


async def to_its_turn(hand: Hand, _fal: OddFal, generation_id: UUID) -> None:
    given = "UPDATE attempts SET waiting_since = now(), granted_at = now() WHERE generation_id = %s"
    await hand.execute(given, generation_id)


async def into_the_dark(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    fal.once("submit", DROPS)
    fal.once("history", says({"items": []}))
    seen = await hand.advance(generation_id)
    assert seen["attempts"][0]["state"] == "unknown"


async def to_fal(hand: Hand, _fal: OddFal, generation_id: UUID) -> None:
    await hand.until_step(generation_id, "draw")


async def into_the_cutting(hand: Hand, _fal: OddFal, generation_id: UUID) -> None:
    await hand.until_step(generation_id, "cutout")


LEADS: tuple[Lead, ...] = (nowhere, to_its_turn, into_the_dark, to_fal, into_the_cutting)


def test_what_went_on_after_the_backup_is_found_at_fal_and_paid_for_once(
    settings: Settings, elsewhere: Settings, fal: OddFal, tmp_path: Path
) -> None:
    created: list[UUID] = []

    async def before(hand: Hand) -> None:
        for seed, lead in enumerate(LEADS):
            created.append(await hand.create(seed=seed))
            await lead(hand, fal, created[-1])
        await hand.execute(LEASED)  # as a backup meets them in the middle of a step

    async def after(hand: Hand) -> None:
        await hand.lose_leases()
        for one in created:
            await hand.until_step(one, "cutout")

    async def again(hand: Hand) -> None:
        for one in created:
            seen = await hand.seen(one)
            assert (seen["lease_until"], seen["crashes"]) == (None, 0)
            assert seen["version"] > 1000
            assert (await hand.finish(one))["state"] == "completed"

    led(settings, before)
    back_up(settings, tmp_path)
    led(settings, after)
    restore(elsewhere, tmp_path)
    led(elsewhere, again)

    assert (fal.posts(DRAW), fal.posts(CUT_OUT)) == (len(LEADS), len(LEADS))


def test_what_fal_has_never_had_is_sent_when_fal_would_know_it_and_never_too_late(
    settings: Settings, elsewhere: Settings, fal: OddFal, tmp_path: Path
) -> None:
    created: list[UUID] = []

    async def before(hand: Hand) -> None:
        created.extend([await hand.create(seed=seed) for seed in (1, 2)])

    async def again(hand: Hand) -> None:
        waiting, overdue = created
        assert (await hand.advance(waiting))["state"] == "queued"
        for statement in TEN_MINUTES_PASS:
            await hand.execute(statement)
        fal.always("history", says({}, 500))
        assert (await hand.advance(waiting))["state"] == "queued"
        await hand.execute(OVERDUE, overdue)
        assert (await hand.advance(overdue))["error_code"] == "submit_unresolved"
        assert fal.posts() == 0

        await hand.until_step(await hand.create(seed=3), "draw")
        assert fal.posts() == 1  # whoever asks now is not concerned

        fal.heal("history")
        await hand.until_step(waiting, "draw")
        assert fal.posts() == 2

    led(settings, before)
    back_up(settings, tmp_path)
    restore(elsewhere, tmp_path)
    led(elsewhere, again)
