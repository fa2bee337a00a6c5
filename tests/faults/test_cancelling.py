"""Cancelling at every state: nothing more is done or paid for, and nothing brings it back."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from madar.actions.advance import advance_generation
from madar.actions.cancelling import cancel_generation
from madar.actions.webhooks import record_delivery
from madar.clients.storage import Storage
from madar.db import generations
from madar.db.pool import connection
from madar.errors import Conflict
from madar.settings import Settings
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
from tests.imaging.pictures import ball, png
from tests.simulator.harness import CUT_OUT, Json

pytestmark = pytest.mark.standing

Lead = Callable[[Hand, OddFal, UUID], Awaitable[object]]
LIVE = {"prepared", "sent", "unknown", "accepted"}


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(dsn: str, fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, fal, tmp_path)


async def nowhere(_hand: Hand, _fal: OddFal, _id: UUID) -> None:
    """Just asked for."""


async def into_the_line(hand: Hand, _fal: OddFal, generation_id: UUID) -> None:
    await hand.execute("UPDATE fal_gate SET closed_until = now() + interval '1 hour'")
    await advance_generation(hand.worker, generation_id)
    assert (await hand.seen(generation_id))["attempts"][0]["waiting_since"]


async def to_its_turn(hand: Hand, _fal: OddFal, _id: UUID) -> None:
    await hand.execute("UPDATE attempts SET waiting_since = now(), granted_at = now()")


async def sent_by_a_dead_worker(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    await to_its_turn(hand, fal, generation_id)
    await hand.execute(
        "UPDATE attempts SET state = 'sent', sent_at = now(), endpoint = 'fal-ai/flux-lora',"
        " arguments = '{}'"
    )


async def into_the_dark(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    fal.once("submit", DROPS)
    fal.always("history", says({"items": []}))
    seen = await hand.advance(generation_id)
    assert seen["attempts"][0]["state"] == "unknown"


async def to_fal(hand: Hand, _fal: OddFal, generation_id: UUID) -> None:
    await hand.until_step(generation_id, "draw")


async def into_the_making(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    await to_fal(hand, fal, generation_id)
    fal.always("status", RUNS)
    seen = await hand.advance(generation_id)
    assert seen["state"] == "processing"


async def to_a_second_try(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    await to_fal(hand, fal, generation_id)
    fal.once("result", FAILED_FOR_NOW)
    seen = await hand.advance(generation_id)
    assert [one["state"] for one in seen["attempts"]] == ["failed", "prepared"]


async def to_the_cutout(hand: Hand, _fal: OddFal, generation_id: UUID) -> None:
    await hand.until_step(generation_id, "cutout")


async def to_the_end(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    await to_the_cutout(hand, fal, generation_id)
    fal.always("file", says({}, 503))
    seen = await hand.advance(generation_id)
    assert seen["state"] == "finalizing"


NEVER_SENT: dict[str, Lead] = {
    "just asked for": nowhere,
    "in the line": into_the_line,
    "at its turn": to_its_turn,
}
SENT: dict[str, tuple[Lead, list[str | None]]] = {
    "sent by a worker that died": (sent_by_a_dead_worker, [None]),
    "unclear": (into_the_dark, [None]),
    "waiting at Fal": (to_fal, ["request-1"]),
    "running at Fal": (into_the_making, ["request-1"]),
    "before a second try": (to_a_second_try, ["request-1"]),
    "at the cut-out": (to_the_cutout, ["request-2"]),
    "being finished": (to_the_end, []),
}


async def cancel(hand: Hand, generation_id: UUID) -> Json:
    seen = await hand.seen(generation_id)
    body = await cancel_generation(hand.resources, owner_id=seen["user_id"], id=generation_id)
    return orjson.loads(body)


async def purges(hand: Hand) -> list[Json]:
    """What is to be cancelled at Fal."""
    cursor = await hand.conn.execute(
        "SELECT request_id, keeps_payload FROM fal_purges ORDER BY sent_at"
    )
    return await cursor.fetchall()


async def used(hand: Hand, generation_id: UUID) -> int:
    owner_id = (await hand.seen(generation_id))["user_id"]
    use = await generations.get_quota_use(hand.conn, owner_id=owner_id, window_s=86400)
    return use.used


async def check_it_is_over(hand: Hand, fal: OddFal, generation_id: UUID) -> None:
    """As its row says, and whoever looks after it finds nothing to do."""
    seen = await hand.seen(generation_id)
    asked = len(fal.asked)
    again = await hand.advance(generation_id)

    assert (seen["state"], seen["error_code"]) == ("failed", "cancelled")
    assert (seen["next_action_at"], seen["lease_until"], seen["queue_position"]) == (None,) * 3
    assert not LIVE & {attempt["state"] for attempt in seen["attempts"]}
    assert again == seen
    assert len(fal.asked) == asked
    async with connection(hand.resources.pool) as conn:
        assert await generations.list_due_generations(conn, n=10) == []


@pytest.mark.parametrize("lead", NEVER_SENT.values(), ids=NEVER_SENT.keys())
def test_what_was_never_sent_never_is_and_counts_for_nothing(
    settings: Settings, fal: OddFal, lead: Lead
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await lead(hand, fal, generation_id)
        before = await used(hand, generation_id)

        document = await cancel(hand, generation_id)

        assert (document["status"], document["errorCode"]) == ("failed", "cancelled")
        await check_it_is_over(hand, fal, generation_id)
        assert [one["state"] for one in (await hand.seen(generation_id))["attempts"]] == ["failed"]
        assert (before, await used(hand, generation_id)) == (1, 0)
        assert await purges(hand) == []
        assert fal.posts() == 0

    led(settings, act)


@pytest.mark.parametrize(("lead", "requests"), SENT.values(), ids=SENT.keys())
def test_what_was_sent_is_cancelled_at_fal_and_counts(
    settings: Settings, fal: OddFal, lead: Lead, requests: list[str | None]
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await lead(hand, fal, generation_id)
        posts = len(fal.submissions)

        document = await cancel(hand, generation_id)

        assert (document["status"], document["errorCode"]) == ("failed", "cancelled")
        await check_it_is_over(hand, fal, generation_id)
        assert await purges(hand) == [
            {"request_id": request, "keeps_payload": True} for request in requests
        ]
        assert await used(hand, generation_id) == 1
        assert len(fal.submissions) == posts

    led(settings, act)


def test_a_second_time_nothing_changes(settings: Settings, fal: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await to_fal(hand, fal, generation_id)

        documents = [await cancel(hand, generation_id) for _ in range(3)]

        assert documents == [documents[0]] * 3
        assert len(await purges(hand)) == 1

    led(settings, act)


def test_the_answer_of_a_submission_that_was_under_way_is_cancelled_at_fal(
    settings: Settings, fal: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        posting = holds(
            says({"request_id": "late", "response_url": "", "status_url": "", "cancel_url": ""})
        )
        fal.once("submit", posting)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(hand.worker, generation_id))
            await posting.wait_until_asked()
            await cancel(hand, generation_id)
            posting.let_go()

        await check_it_is_over(hand, fal, generation_id)
        assert "late" in {one["request_id"] for one in await purges(hand)}
        assert all(one["keeps_payload"] for one in await purges(hand))
        assert await used(hand, generation_id) == 1

    led(settings, act)


@pytest.mark.parametrize(
    ("answer", "units"),
    [(DROPS, 1), (FAILED_FOR_NOW, 1), (says({}, 429), 0), (says({}, 401), 0)],
)
def test_nor_does_a_submission_under_way_that_ends_badly_bring_it_back(
    settings: Settings, fal: OddFal, answer: Answer, units: int
) -> None:
    """Where Fal certainly did not take it, it counts for nothing, and nothing is looked for."""

    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        posting = holds(answer)
        fal.once("submit", posting)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(hand.worker, generation_id))
            await posting.wait_until_asked()
            await cancel(hand, generation_id)
            posting.let_go()

        await check_it_is_over(hand, fal, generation_id)
        assert fal.posts() == 1
        assert await used(hand, generation_id) == units
        assert len(await purges(hand)) == units

    led(settings, act)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("status", RUNS),
        ("status", says({"status": "COMPLETED", "logs": []})),
        ("status", says({}, 502)),
        ("status", says({"status": "IN_QUEUE", "queue_position": 3}, 202)),
        ("result", FAILED_FOR_NOW),
        ("result", says({"detail": [{"type": "content_policy_violation"}]}, 422)),
        ("result", says({}, 404)),
    ],
)
def test_what_fal_says_while_it_is_cancelled_changes_nothing(
    settings: Settings, fal: OddFal, kind: str, answer: object
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await to_fal(hand, fal, generation_id)
        held = holds(answer)  # pyright: ignore[reportArgumentType]
        fal.once(kind, held)  # pyright: ignore[reportArgumentType]
        await hand.make_due(generation_id)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(advance_generation(hand.worker, generation_id))
            await held.wait_until_asked()
            await cancel(hand, generation_id)
            held.let_go()

        await check_it_is_over(hand, fal, generation_id)
        assert fal.posts(CUT_OUT) == 0

    led(settings, act)


@pytest.mark.parametrize("lead", [into_the_dark, to_fal, to_the_cutout])
@pytest.mark.parametrize("times", [1, 3])
def test_a_success_that_comes_late_does_not_bring_it_back(
    settings: Settings, fal: OddFal, lead: Lead, times: int
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await lead(hand, fal, generation_id)
        attempt = (await hand.seen(generation_id))["attempts"][-1]
        request_id = attempt["request_id"] or "request-1"
        await cancel(hand, generation_id)

        for _ in range(times):
            await record_delivery(
                hand.resources,
                attempt_id=UUID(attempt["id"]),
                request_id=request_id,
                said="success",
            )

        await check_it_is_over(hand, fal, generation_id)
        assert request_id in {one["request_id"] for one in await purges(hand)}
        assert await used(hand, generation_id) == 1

    led(settings, act)


def test_files_that_were_chosen_are_removed(
    settings: Settings, fal: OddFal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stores them after the cancellation, and sees to it at once that they go."""
    put = Storage.put

    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        await to_the_end(hand, fal, generation_id)
        fal.always("file", sends(png(ball()), content_type="image/png"))

        async def put_late(storage: Storage, key: str, content: bytes) -> None:
            await cancel(hand, generation_id)
            due = await due_purges(hand)
            assert len(due) == 3
            assert not any(due.values()), "while the worker has its lease it may still store them"
            await put(storage, key, content)

        monkeypatch.setattr(Storage, "put", put_late)
        await hand.advance(generation_id)

        await check_it_is_over(hand, fal, generation_id)
        due = await due_purges(hand)
        assert len(due) == 3
        assert all(due.values())

    led(settings, act)


async def due_purges(hand: Hand) -> dict[str, bool]:
    cursor = await hand.conn.execute(
        "SELECT object_key, due_at <= clock_timestamp() AS is_due FROM purges"
    )
    return {row["object_key"]: row["is_due"] for row in await cursor.fetchall()}


def test_of_a_cancellation_and_a_completion_one_wins(settings: Settings, fal: OddFal) -> None:
    """Whatever their order: completed and refused, or cancelled and without files."""

    async def act(hand: Hand) -> None:
        for n in range(6):
            generation_id = await hand.create()
            await to_the_end(hand, fal, generation_id)
            held = holds(sends(png(ball()), content_type="image/png"))
            fal.always("file", held)
            await hand.make_due(generation_id)

            async def cancel_later(after_s: float, one: UUID) -> str:
                await asyncio.sleep(after_s)
                try:
                    return str((await cancel(hand, one))["errorCode"])
                except Conflict as conflict:
                    return conflict.code

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(advance_generation(hand.worker, generation_id))
                await held.wait_until_asked()
                held.let_go()
                cancelling = tasks.create_task(cancel_later(n * 0.1, generation_id))

            seen = await hand.seen(generation_id)
            expected = {"cancelled": "failed", "generation_ended": "completed"}
            assert seen["state"] == expected[cancelling.result()]
            assert await used(hand, generation_id) == n + 1
            if seen["state"] == "failed":
                await check_it_is_over(hand, fal, generation_id)

    led(settings, act)
