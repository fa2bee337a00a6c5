"""Turns at Fal: so many at once, fair between people, and nobody's while Fal is away."""

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from madar.actions.advance import advance_generation
from madar.actions.turns import give_turns
from madar.settings import Settings
from tests.conftest import Start
from tests.faults.odd_fal import RUNS, Hand, OddFal, hand, led, misbehaving, odd_settings, says
from tests.product import AMAL, BADR
from tests.simulator.harness import Fal, eventually

pytestmark = pytest.mark.standing

COUNT = 12
KEY_REFUSED = says({"detail": "No user found for Key ID and Secret"}, 401)
BALANCE_USED_UP = says({"detail": "User is locked. Reason: Exhausted balance."}, 403)
TOO_MANY = says({"detail": "Too many requests"}, 429, retry_after="30")
AWAY = says({"detail": "Bad gateway"}, 502)


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path, fal_concurrency=2)


async def lined_up(one: Hand, count: int, *, who: str = "amal") -> list[UUID]:
    """Asked for, and each looked at once by a worker."""
    ids = [await one.create(seed=seed, who=who) for seed in range(count)]
    for generation_id in ids:
        await one.advance(generation_id)
    return ids


async def states(one: Hand, ids: list[UUID]) -> list[str]:
    return [(await one.seen(generation_id))["attempts"][-1]["state"] for generation_id in ids]


async def end_one(one: Hand, fal: OddFal, generation_id: UUID) -> None:
    """Its request ends without a picture, so its place is free."""
    ended = says({"status": "COMPLETED", "logs": []})
    fal.once("status", ended, ended)
    fal.once("result", says({"detail": [{"type": "content_policy_violation"}]}, 422))
    assert (await one.advance(generation_id))["state"] == "failed"


async def turn_of(one: Hand, ids: list[UUID]) -> UUID:
    """Whose turn it is now, of those that wait."""
    [granted] = await give_turns(one.resources)
    assert granted in ids
    return granted


def test_no_more_are_at_fal_than_it_has_places(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("status", RUNS)

        ids = await lined_up(one, 5)

        assert await states(one, ids) == ["accepted"] * 2 + ["prepared"] * 3
        assert fal.posts() == 2
        assert await give_turns(one.resources) == set()

    led(settings, act)


def test_workers_that_ask_at_once_give_no_place_twice(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("status", RUNS)
        ids = [await one.create(seed=seed) for seed in range(COUNT)]
        await one.execute("UPDATE attempts SET waiting_since = now()")

        async with hand(settings) as other, asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(give_turns(worker.resources))
                for worker in (one, other)
                for _ in range(4)
            ]

        granted = [generation_id for task in asked for generation_id in task.result()]
        assert len(granted) == len(set(granted)) == 2
        assert set(granted) <= set(ids)

    led(settings, act)


def test_a_person_with_one_waits_for_no_more_than_one_place(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        fal.always("status", RUNS)
        amals = await lined_up(one, 50)
        [badrs] = await lined_up(one, 1, who="badr")

        await end_one(one, fal, amals[0])

        assert await turn_of(one, [*amals, badrs]) == badrs

    led(settings, act)


def test_places_go_round_between_people(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("status", RUNS)
        amals = await lined_up(one, 4)
        badrs = await lined_up(one, 2, who="badr")
        await end_one(one, fal, amals[0])
        await end_one(one, fal, amals[1])

        granted = await give_turns(one.resources)

        assert granted == {badrs[0], amals[2]}

    led(settings, act)


def test_of_one_persons_what_was_begun_comes_first(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        first, second, third = [await one.create(seed=seed) for seed in range(3)]
        await one.until_step(first, "draw")
        fal.always("status", RUNS)
        await one.advance(second)
        await one.advance(third)
        fal.heal("status")

        drawn = await one.advance(first)

        assert [(step["step"], step["state"]) for step in drawn["attempts"]] == [
            ("draw", "succeeded"),
            ("cutout", "accepted"),
        ]
        assert (await one.seen(third))["attempts"][-1]["state"] == "prepared"

    led(settings, act)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (KEY_REFUSED, "key_refused"),
        (BALANCE_USED_UP, "key_refused"),
        (TOO_MANY, "rate_limited"),
        (AWAY, "unreachable"),
    ],
)
def test_when_fal_refuses_one_everybody_waits_and_nobody_fails(
    settings: Settings, fal: OddFal, answer: Any, reason: str
) -> None:
    async def act(one: Hand) -> None:
        first, *others = [await one.create(seed=seed) for seed in range(4)]
        fal.always("submit", answer)
        await one.advance(first)
        for generation_id in others:
            await one.make_due(generation_id)
        await one.execute(
            "UPDATE fal_gate SET closed_until = now() + interval '5 seconds'"
            " WHERE failing_since IS NOT NULL"
        )

        granted = await give_turns(one.resources)

        assert granted == set()
        assert fal.posts() == 1
        gate = await (await one.conn.execute("SELECT reason FROM fal_gate")).fetchone()
        assert gate == {"reason": reason}
        seen = [await one.seen(generation_id) for generation_id in (first, *others)]
        assert {row["state"] for row in seen} == {"queued"}

    led(settings, act)


def test_while_fal_fails_one_at_a_time_tries_it(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("submit", TOO_MANY)
        ids = await lined_up(one, 4)
        await one.execute("UPDATE attempts SET granted_at = NULL")
        await one.execute("UPDATE fal_gate SET closed_until = now()")

        granted = await give_turns(one.resources)
        again = await give_turns(one.resources)

        assert (len(granted), again) == (1, set())
        assert granted <= set(ids)

    led(settings, act)


def test_the_gate_opens_with_the_first_that_is_taken(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("submit", TOO_MANY)
        ids = await lined_up(one, 3)
        fal.heal("submit")

        done = [await one.finish(generation_id) for generation_id in ids]

        assert {row["state"] for row in done} == {"completed"}
        gate = await (await one.conn.execute("SELECT * FROM fal_gate")).fetchone()
        assert gate
        assert (gate["failing_since"], gate["reason"]) == (None, None)
        assert gate["steady_at"]

    led(settings, act)


def test_an_unclear_one_does_not_hold_its_place_for_long(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("history", says({"items": []}))
        fal.once("submit", AWAY, AWAY)
        fal.always("status", RUNS)
        await lined_up(one, 4)
        assert fal.posts() == 2

        await one.age_submission(61)
        await one.execute("UPDATE fal_gate SET closed_until = NULL, failing_since = NULL,"
                          " reason = NULL")  # fmt: skip
        granted = await give_turns(one.resources)

        assert len(granted) == 2

    led(settings, act)


def test_one_that_is_deleted_or_fails_leaves_its_place(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        fal.always("status", RUNS)
        ids = await lined_up(one, 3)
        await one.execute(
            "UPDATE generations SET deleted_at = now(), next_action_at = NULL WHERE id = %s", ids[0]
        )

        assert await turn_of(one, ids) == ids[2]

    led(settings, act)


def test_a_turn_that_its_worker_could_not_use_is_used_by_another(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        await one.execute("UPDATE attempts SET waiting_since = now(), granted_at = now()")

        seen = await one.advance(generation_id)

        assert seen["attempts"][0]["state"] == "accepted"
        assert fal.posts() == 1

    led(settings, act)


def test_with_one_place_and_two_workers_all_of_two_people_are_done(
    start: Start, shared_fal: Fal
) -> None:
    product = start(fal=shared_fal, fal_concurrency=1)
    amal, badr = product.sign_in(AMAL), product.sign_in(BADR)
    with product.working(), product.working():
        ids = [person.create(seed=seed)["id"] for seed in range(3) for person in (amal, badr)]

        eventually(
            lambda: (
                {"n": len(ids)}
                in product.rows("SELECT count(*) AS n FROM generations WHERE state = 'completed'")
                or None
            ),
            deadline_s=60,
        )

    assert len(product.submissions()) == 2 * len(ids)


def test_one_that_fal_will_not_take_starves_nobody(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        refused, *others = [await one.create(seed=seed) for seed in range(4)]
        badrs = await one.create(seed=9, who="badr")
        fal.once("submit", KEY_REFUSED)
        await one.advance(refused)
        fal.always("status", RUNS)

        for generation_id in (*others, badrs):
            await one.make_due(generation_id)
        await one.execute("UPDATE attempts SET waiting_since = now()")
        await one.execute("UPDATE fal_gate SET failing_since = NULL, reason = NULL")
        turns = await give_turns(one.resources)

        assert len(turns) == 2
        assert refused not in turns
        assert badrs in turns

    led(settings, act)


def test_whoever_gives_turns_at_this_moment_is_waited_for_without_harm(
    settings: Settings, fal: OddFal
) -> None:
    async def act(one: Hand) -> None:
        generation_id = await one.create()
        for _ in range(3):
            async with await AsyncConnection.connect(str(settings.database_url)) as other:
                await other.execute("SELECT is_only FROM fal_gate FOR UPDATE")
                await one.execute("UPDATE generations SET next_action_at = now()")
                await advance_generation(one.worker, generation_id)

        done = await one.finish(generation_id)

        assert (done["state"], done["stumbles"]) == ("completed", 0)
        assert fal.posts() == 1

    led(settings, act)


def test_a_fal_that_refuses_only_the_request_is_not_away(settings: Settings, fal: OddFal) -> None:
    async def act(one: Hand) -> None:
        first, second = [await one.create(seed=seed) for seed in range(2)]
        fal.once("submit", TOO_MANY, says({"detail": [{"type": "content_policy_violation"}]}, 422))
        await one.advance(first)
        await one.advance(first)

        assert await one.closed_s() <= 0
        assert (await one.finish(second))["state"] == "completed"

    led(settings, act)
