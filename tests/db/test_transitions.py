"""What a worker may change: under its lease only, forwards only, one live attempt at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madar.db import attempts, generations, turns, users
from madar.db.attempts import Attempt
from madar.db.generations import Claimed
from madar.db.sql import Connection
from madar.domain.generations import MAX_CUTOUTS, GenerationRequest

pytestmark = pytest.mark.standing

ROCKET = GenerationRequest(
    style="voxel-3d",
    prompt="a red rocket",
    input_type="text",
    aspect_ratio="1:1",
    custom_colors=(),
    source_upload_id=None,
    source_key=None,
    seed=7,
)
LIVE = ("prepared", "sent", "unknown", "accepted")
Result = Any


@dataclass(frozen=True, kw_only=True)
class Held:
    """A generation under a lease, and its newest attempt."""

    conn: Connection
    claimed: Claimed
    attempt: Attempt


Step = Callable[[Held], Awaitable[Result]]


async def line_up(h: Held) -> Result:
    return await turns.join_line(h.conn, h.claimed, h.attempt)


async def send(h: Held) -> Result:
    """When it has its turn."""
    await h.conn.execute(
        "UPDATE attempts SET granted_at = now() WHERE id = %s AND state = 'prepared'",
        [h.attempt.id],
    )
    return await attempts.mark_attempt_sent(
        h.conn, h.claimed, h.attempt, endpoint="fal-ai/flux-lora", arguments={"seed": 1}
    )


async def accept(h: Held) -> Result:
    return await attempts.mark_attempt_accepted(
        h.conn, h.claimed, h.attempt, request_id=f"r-{h.attempt.id}", next_s=0
    )


async def put_back(h: Held) -> Result:
    return await attempts.put_attempt_back(h.conn, h.claimed, h.attempt)


async def lose_sight(h: Held) -> Result:
    return await attempts.mark_attempt_unknown(h.conn, h.claimed, h.attempt, next_s=0)


async def go_on(h: Held) -> Result:
    """As Work.go_on: the next attempt appears with the end of the one before."""
    following = {"translate": "draw", "draw": "cutout", "cutout": "finalize"}
    next_step: Any = following.get(h.claimed.step, "finalize")
    async with h.conn.transaction():
        outcome = await attempts.finish_step(
            h.conn, h.claimed, h.attempt, result={"images": []}, next_step=next_step, progress=50
        )
        if outcome and next_step != "finalize":
            await insert(h, next_step)
    return outcome


async def try_again(h: Held) -> Result:
    async with h.conn.transaction():
        outcome = await attempts.retry_step(
            h.conn,
            h.claimed,
            h.attempt,
            end_state="failed",
            error_type="runner_disconnected",
            next_s=0,
        )
        if outcome:
            await insert(h, h.claimed.step)
    return outcome


async def cut_out_again(h: Held) -> Result:
    async with h.conn.transaction():
        outcome = await attempts.repeat_cutout(h.conn, h.claimed)
        if outcome:
            await insert(h, "cutout")
    return outcome


async def insert(h: Held, step: Any) -> None:
    await attempts.insert_attempt(h.conn, id=uuid4(), generation_id=h.claimed.id, step=step)


async def postpone(h: Held) -> Result:
    return await generations.postpone_generation(h.conn, h.claimed, next_s=0)


async def hold(h: Held) -> Result:
    return await generations.hold_generation(h.conn, h.claimed, next_s=0)


async def show(h: Held, progress: int = 30) -> Result:
    return await generations.mark_generation_progress(
        h.conn,
        h.claimed,
        next_s=0,
        state="processing",
        progress=progress,
        queue_position=None,
        fal_status="IN_PROGRESS",
        steps=None,
    )


async def complete(h: Held) -> Result:
    return await generations.complete_generation(
        h.conn,
        h.claimed,
        master_key="aa/1.png",
        result_image_key="aa/2.webp",
        thumbnail_key="aa/3.webp",
        file_size_bytes=1,
        image_dimensions={"width": 1, "height": 1},
        transparency={"share": 0.5},
    )


async def fail(h: Held) -> Result:
    return await attempts.fail_generation(
        h.conn, h.claimed, h.attempt, end_state="failed", error_code="timeout", fal_error=None
    )


async def extend(h: Held) -> Result:
    await generations.extend_leases(
        h.conn, held={h.claimed.id: h.claimed.lease_epoch}, lease_s=3600
    )


async def announce(h: Held) -> Result:
    return await attempts.announce_result(
        h.conn, attempt_id=h.attempt.id, request_id=f"r-{h.attempt.id}"
    )


UNDER_LEASE: dict[str, Step] = {
    step.__name__: step
    for step in (
        *(line_up, send, put_back, lose_sight, go_on, try_again, cut_out_again),
        *(postpone, hold, show, complete, fail, extend),
    )
}
# From which attempt states and steps the code takes each way (madar/actions).
FITS: dict[str, Callable[[Held], bool]] = {
    "line_up": lambda h: h.attempt.state == "prepared",
    "send": lambda h: h.attempt.state == "prepared",
    "put_back": lambda h: h.attempt.state == "sent",
    "lose_sight": lambda h: h.attempt.state in {"sent", "unknown"},
    "go_on": lambda h: h.attempt.state in LIVE,
    "try_again": lambda h: h.attempt.state in LIVE,
    "cut_out_again": lambda h: h.claimed.step == "finalize" and h.attempt.tries < MAX_CUTOUTS,
    "complete": lambda h: h.claimed.step == "finalize",
}


def run(dsn: str, act: Callable[[Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        async with await Connection.connect(dsn, autocommit=True) as conn:
            await act(conn)

    asyncio.run(main())


async def make(conn: Connection) -> UUID:
    user = await users.upsert_user(
        conn,
        google_id="1",
        email="amal@madar.test",
        display_name="Amal",
        avatar_url=None,
        language="ar",
    )
    generation_id = uuid4()
    answer = await generations.insert_generation(
        conn,
        id=generation_id,
        owner_id=user.id,
        request=ROCKET,
        seed=7,
        first_step="draw",
        attempt_id=uuid4(),
        deadline_s=600,
        language="en",
        source_upload_id=None,
        prompt_english=None,
        translation=None,
        parent_id=None,
    )
    assert answer
    return generation_id


async def claim(conn: Connection, generation_id: UUID, *, owner: str = "w") -> Held | None:
    claimed = await generations.claim_generation_to_advance(
        conn, id=generation_id, owner=owner, lease_s=60
    )
    if claimed is None:
        return None
    attempt = await attempts.get_attempt_to_advance(conn, generation_id=generation_id)
    return Held(conn=conn, claimed=claimed, attempt=attempt)


async def held(conn: Connection) -> Held:
    found = await claim(conn, await make(conn))
    assert found
    return found


async def everything(conn: Connection) -> list[Any]:
    cursor = await conn.execute(
        "SELECT to_jsonb(g), (SELECT jsonb_agg(a ORDER BY n) FROM attempts a"
        " WHERE a.generation_id = g.id) FROM generations g ORDER BY id"
    )
    return await cursor.fetchall()


def test_a_lease_is_held_by_one_until_it_ends(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        first = await held(conn)

        assert await claim(conn, first.claimed.id, owner="other") is None
        await conn.execute("UPDATE generations SET lease_until = now() - interval '1 second'")
        second = await claim(conn, first.claimed.id, owner="other")

        assert second
        assert second.claimed.lease_epoch == first.claimed.lease_epoch + 1

    run(dsn, act)


@pytest.mark.parametrize("reason", ["lost lease", "completed", "deleted"])
def test_a_worker_without_its_lease_changes_nothing(dsn: str, reason: str) -> None:
    async def act(conn: Connection) -> None:
        mine = await held(conn)
        assert await send(mine)
        mine = await renewed(mine)
        if reason == "lost lease":
            await conn.execute("UPDATE generations SET lease_epoch = lease_epoch + 1")
        elif reason == "completed":
            assert await complete(mine)
        else:
            await conn.execute("UPDATE generations SET deleted_at = now()")
        before = await everything(conn)

        for name, step in UNDER_LEASE.items():
            assert not await step(mine), name
            assert await everything(conn) == before, name

    run(dsn, act)


def test_that_fal_has_it_is_kept_even_when_the_lease_was_lost(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        mine = await held(conn)
        assert await send(mine)
        await conn.execute("UPDATE generations SET lease_epoch = lease_epoch + 1")
        [[generation, _]] = await everything(conn)

        assert await accept(mine) is None

        [[after, [attempt]]] = await everything(conn)
        assert after == generation
        assert (attempt["state"], attempt["request_id"]) == ("accepted", f"r-{mine.attempt.id}")

    run(dsn, act)


def test_what_a_webhook_changed_meanwhile_is_not_overwritten(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        for step in (go_on, try_again, fail):
            mine = await held(conn)
            assert await send(mine)
            mine = await renewed(mine)
            assert await announce(mine)
            before = await everything(conn)

            assert await step(mine) is None, step.__name__
            assert await everything(conn) == before, step.__name__

    run(dsn, act)


def test_one_request_belongs_to_one_attempt(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        first, second = await held(conn), await held(conn)
        for one in (first, second):
            assert await send(one)
        assert await announce(first)
        before = await everything(conn)

        given = {"request_id": f"r-{first.attempt.id}"}
        assert await attempts.announce_result(conn, attempt_id=second.attempt.id, **given) is None
        accepted = await attempts.mark_attempt_accepted(
            conn, second.claimed, second.attempt, next_s=0, **given
        )

        assert accepted is None
        assert await everything(conn) == before

    run(dsn, act)


def test_nothing_is_sent_twice(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        mine = await held(conn)

        sent = [await send(mine) for _ in range(2)]

        assert sent == [True, False]

    run(dsn, act)


def test_the_database_refuses_a_second_live_attempt(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        mine = await held(conn)
        for state in LIVE:
            await conn.execute("UPDATE attempts SET state = %s, request_id = 'r'", [state])
            with pytest.raises(psycopg.errors.UniqueViolation, match="attempts_one_live"):
                await insert(mine, "draw")

        await conn.execute("UPDATE attempts SET state = 'failed'")
        await insert(mine, "draw")

        attempt = await attempts.get_attempt_to_advance(conn, generation_id=mine.claimed.id)
        assert (attempt.n, attempt.tries, attempt.state) == (2, 2, "prepared")

    run(dsn, act)


def test_progress_never_falls_and_each_change_has_a_version(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        generation_id = await make(conn)
        shown: list[tuple[int, int]] = []
        for progress in (10, 40, 20, 0, 41):
            mine = await claim(conn, generation_id)
            assert mine
            await show(mine, progress)
            [[generation, _]] = await everything(conn)
            shown.append((generation["fal_progress"], generation["version"]))

        assert shown == [(10, 2), (40, 3), (40, 4), (40, 5), (41, 6)]

    run(dsn, act)


def test_the_stopped_workers_generations_are_due_at_once(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        mine = await held(conn)
        assert await generations.list_due_generations(conn, n=9) == []

        await generations.release_leases(conn, owner="somebody else")
        assert await generations.list_due_generations(conn, n=9) == []
        await generations.release_leases(conn, owner="w")

        [due] = await generations.list_due_generations(conn, n=9)
        assert (due.id, due.is_suspect) == (mine.claimed.id, False)

    run(dsn, act)


def test_the_reconciler_knows_when_the_next_is_due(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        assert await generations.get_seconds_until_due(conn) is None
        mine = await held(conn)
        held_for = await generations.get_seconds_until_due(conn)
        await generations.postpone_generation(conn, mine.claimed, next_s=600)
        due_in = await generations.get_seconds_until_due(conn)

        assert held_for == pytest.approx(60, abs=2)
        assert due_in == pytest.approx(600, abs=2)

    run(dsn, act)


MOVES = st.lists(
    st.tuples(st.sampled_from([*UNDER_LEASE, "accept", "announce", "steal"]), st.booleans()),
    max_size=25,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_whatever_happens_versions_rise_one_attempt_lives_and_an_end_is_an_end(
    dsn: str, moves: list[tuple[str, bool]]
) -> None:
    """Any moves, each as the code makes it, some by a worker that has lost its lease."""

    async def act(conn: Connection) -> None:
        generation_id = await make(conn)
        before = await look(conn, generation_id)
        stale: Held | None = None
        mine: Held | None = None
        for name, by_the_late_one in moves:
            mine = await claim(conn, generation_id) or (mine and await renewed(mine))
            stale = stale or (mine and replace(mine, claimed=mine.claimed))
            actor = stale if by_the_late_one else mine
            if actor is None:
                continue
            if name == "steal":
                await conn.execute("UPDATE generations SET lease_until = NULL, next_action_at ="
                                   " now() WHERE id = %s AND next_action_at IS NOT NULL",
                                   [generation_id])  # fmt: skip
            elif by_the_late_one or FITS.get(name, lambda _: True)(actor):
                await {**UNDER_LEASE, "accept": accept, "announce": announce}[name](actor)
            after = await look(conn, generation_id)
            check(before, after, name)
            before = after

    run(dsn, act)


async def renewed(mine: Held) -> Held:
    attempt = await attempts.get_attempt_to_advance(mine.conn, generation_id=mine.claimed.id)
    return replace(mine, attempt=attempt)


@dataclass(frozen=True, kw_only=True)
class Seen:
    state: str
    version: int
    progress: int
    due: bool
    attempts: tuple[tuple[int, str], ...]


async def look(conn: Connection, generation_id: UUID) -> Seen:
    cursor = await conn.execute(
        "SELECT state, version, fal_progress, next_action_at IS NOT NULL,"
        " (SELECT jsonb_agg(jsonb_build_array(n, a.state) ORDER BY n) FROM attempts a"
        "   WHERE generation_id = g.id) FROM generations g WHERE id = %s",
        [generation_id],
    )
    row = await cursor.fetchone()
    assert row
    state, version, progress, due, made = row
    return Seen(
        state=state,
        version=version,
        progress=progress,
        due=due,
        attempts=tuple((n, attempt_state) for n, attempt_state in made),
    )


def check(before: Seen, after: Seen, name: str) -> None:
    assert after.version >= before.version, name
    assert after.progress >= before.progress, name
    if before.state in {"completed", "failed"}:
        assert after == before, name
    if after.state in {"completed", "failed"}:
        assert not after.due, name
    if (before.state, before.progress) != (after.state, after.progress):
        assert after.version > before.version, name
    live = [n for n, state in after.attempts if state in LIVE]
    assert len(live) <= 1, name
    assert live in ([], [after.attempts[-1][0]]), name
    for (_, was), (_, now) in zip(before.attempts, after.attempts, strict=False):
        if was not in LIVE:
            assert now == was, name


def test_of_those_that_saw_workers_die_the_least_suspect_is_taken_first(dsn: str) -> None:
    async def act(conn: Connection) -> None:
        twice, once, never = [(await held(conn)).claimed.id for _ in range(3)]
        await conn.execute("UPDATE generations SET lease_until = now() - interval '1 second'")
        await conn.execute("UPDATE generations SET lease_until = NULL WHERE id = %s", [never])
        await conn.execute("UPDATE generations SET crashes = 1 WHERE id = %s", [twice])

        due = await generations.list_due_generations(conn, n=9)

        assert [(one.id, one.is_suspect) for one in due] == [
            (once, True),
            (twice, True),
            (never, False),
        ]

    run(dsn, act)
