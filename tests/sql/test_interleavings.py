"""Statements that meet: who waits for whom, who passes by, and what is found after the waiting.

Here sessions commit. One of them holds a row, as somebody would who writes to it at that moment.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db import attempts, fal_purges, generations, turns, usage, users
from madar.db.usage import UsageEntry
from madar.domain.generations import GenerationRequest
from tests.sql import pictures
from tests.sql.harness import Conn, Sql
from tests.sql.meetings import FIRST, IDS, Statement, attempt_id, check_free, coroutine, fill, hold
from tests.sql.pictures import AMAL, BADR
from tests.sql.register import holds
from tests.sql.scenes import s
from tests.sql.workers import claimed, seen


def _mark_accepted(conn: Conn) -> Awaitable[Any]:
    attempt = seen(attempt_id(FIRST))
    return attempts.mark_attempt_accepted(
        conn, claimed(FIRST, 1), attempt, request_id="request-1", next_s=9
    )


def _mark_found(conn: Conn) -> Awaitable[Any]:
    return attempts.mark_attempt_found(
        conn,
        claimed(FIRST, 1),
        seen(attempt_id(FIRST)),
        endpoint="fal/draw",
        arguments={},
        request_id="request-1",
    )


def _mark_unknown(conn: Conn) -> Awaitable[Any]:
    attempt = seen(attempt_id(FIRST))
    return attempts.mark_attempt_unknown(conn, claimed(FIRST, 1), attempt, next_s=9)


def _put_back(conn: Conn) -> Awaitable[Any]:
    return attempts.put_attempt_back(conn, claimed(FIRST, 1), seen(attempt_id(FIRST)))


def _finish(conn: Conn) -> Awaitable[Any]:
    return attempts.finish_step(
        conn,
        claimed(FIRST, 1),
        seen(attempt_id(FIRST), "accepted"),
        result={},
        next_step="finalize",
        progress=90,
    )


def _retry(conn: Conn) -> Awaitable[Any]:
    return attempts.retry_step(
        conn,
        claimed(FIRST, 1),
        seen(attempt_id(FIRST), "sent"),
        end_state="abandoned",
        error_type="gone",
        next_s=9,
    )


def _fail(conn: Conn) -> Awaitable[Any]:
    return attempts.fail_generation(
        conn,
        claimed(FIRST, 1),
        seen(attempt_id(FIRST), "sent"),
        end_state="failed",
        error_code="timeout",
        fal_error=None,
    )


def _announce(conn: Conn) -> Awaitable[Any]:
    return attempts.announce_result(conn, attempt_id=attempt_id(FIRST), request_id="request-1")


# With the state in which each finds its attempt.
_OF_ONE: dict[str, tuple[str, Statement]] = {
    "attempts.mark_attempt_accepted": ("sent", _mark_accepted),
    "attempts.mark_attempt_found": ("prepared", _mark_found),
    "attempts.mark_attempt_unknown": ("sent", _mark_unknown),
    "attempts.put_attempt_back": ("sent", _put_back),
    "attempts.finish_step": ("accepted", _finish),
    "attempts.retry_step": ("sent", _retry),
    "attempts.fail_generation": ("sent", _fail),
    "attempts.announce_result": ("sent", _announce),
}


@pytest.mark.parametrize("name", _OF_ONE)
def test_each_waits_for_who_holds_its_generation_and_holds_nothing_meanwhile(
    sql: Sql, name: str
) -> None:
    state, statement = _OF_ONE[name]
    with sql.committed(2) as (holder, worker):
        fill(holder, state)
        hold(holder, FIRST)
        waiting = worker.start(coroutine(statement))

        assert waiting.is_waiting()
        check_free(holder, "attempts", attempt_id(FIRST))
        holder.commit()
        assert waiting.result()


@pytest.mark.parametrize("name", _OF_ONE)
def test_after_waiting_each_sees_that_its_generation_is_over(sql: Sql, name: str) -> None:
    state, statement = _OF_ONE[name]
    with sql.committed(2) as (holder, worker):
        fill(holder, state)
        hold(holder, FIRST)
        waiting = worker.start(coroutine(statement))
        assert waiting.is_waiting()
        holder.execute(
            "UPDATE generations SET deleted_at = now(), next_action_at = NULL WHERE id = $1", FIRST
        )
        before = holder.row("generations", id=FIRST)
        holder.commit()

        assert not waiting.result()
        assert holder.row("generations", id=FIRST) == before
        is_fact = name == "attempts.mark_attempt_accepted"  # Fal has it, whoever wants it
        became = holder.row("attempts", id=attempt_id(FIRST))["state"]
        assert became == ("accepted" if is_fact else state)


@pytest.mark.parametrize("name", _OF_ONE)
def test_each_holds_no_generation_but_its_own(sql: Sql, name: str) -> None:
    state, statement = _OF_ONE[name]
    with sql.committed(2) as (onlooker, worker):
        fill(onlooker, state)
        worker.begin()
        assert worker.call(coroutine(statement))
        for other in IDS[:-1]:
            check_free(onlooker, "generations", other)
        worker.commit()


@holds("attempts.lock_delivered_generation")
def test_two_deliveries_are_judged_one_after_the_other_beside_new_attempts(sql: Sql) -> None:
    with sql.committed(3) as (first, second, other):
        fill(first, "abandoned")
        first.begin()
        assert first.call(attempts.lock_delivered_generation, attempt_id=attempt_id(FIRST)) == FIRST
        waiting = second.start(attempts.lock_delivered_generation, attempt_id=attempt_id(FIRST))
        assert waiting.is_waiting()
        check_free(other, "attempts", attempt_id(FIRST))
        other.call(attempts.insert_attempt, id=UUID(int=10**9), generation_id=FIRST, step="draw")
        first.commit()
        assert waiting.result() == FIRST


@holds("turns.lock_gate", "turns.grant_turns")
@given(places=st.integers(1, 3))
def test_two_who_give_turns_at_once_give_no_more_than_there_are(sql: Sql, places: int) -> None:
    async def give(conn: Conn) -> set[UUID]:
        await turns.lock_gate(conn)
        return await turns.grant_turns(conn, places=places, asking_id=None)

    with sql.committed(2) as (first, second):
        fill(first, waiting_since=s(-60))
        first.begin()
        second.begin()
        granted = first.sql.run(give(first.conn))
        waiting = second.start(give)
        assert waiting.is_waiting()
        first.commit()
        granted |= waiting.result()
        second.commit()

        assert len(granted) == places
        held = [one for one in first.rows("attempts") if one["granted_at"] is not None]
        assert len(held) == places


@holds("turns.grant_turns")
def test_whoever_somebody_writes_to_waits_for_the_next_time(sql: Sql) -> None:
    with sql.committed(2) as (holder, giver):
        fill(holder, waiting_since=s(-60))
        hold(holder, FIRST)
        pending = giver.start(turns.grant_turns, places=2, asking_id=None)

        assert not pending.is_waiting()
        assert pending.result() == {IDS[-2]}
        holder.commit()


@pytest.mark.parametrize("change", ["state = 'failed'", "granted_at = now()"])
@holds("turns.grant_turns")
def test_no_turn_is_given_to_what_changed_at_the_last_moment(sql: Sql, change: str) -> None:
    with sql.committed(2) as (holder, giver):
        fill(holder, waiting_since=s(-60))
        holder.begin()
        holder.execute(f"UPDATE attempts SET {change} WHERE id = $1", attempt_id(FIRST))
        before = holder.row("attempts", id=attempt_id(FIRST))
        pending = giver.start(turns.grant_turns, places=2, asking_id=None)
        assert pending.is_waiting()
        holder.commit()

        assert pending.result() == {IDS[-2]}
        assert holder.row("attempts", id=attempt_id(FIRST)) == before


def _pause(conn: Conn) -> Awaitable[list[UUID]]:
    return turns.pause_gate(conn, reason="why", reason_ar="لماذا")


_OF_ALL: dict[str, Statement] = {
    "turns.pause_gate": _pause,
    "turns.resume_gate": turns.resume_gate,
}


@pytest.mark.parametrize("name", _OF_ALL)
def test_a_pause_waits_for_the_first_id_and_holds_no_later_one(sql: Sql, name: str) -> None:
    for is_over in (True, False):
        with sql.committed(2) as (holder, operator):
            fill(holder, granted_at=s(-1))
            operator.call(turns.pause_gate, reason="why", reason_ar="لماذا")
            operator.execute("UPDATE attempts SET granted_at = now()")
            hold(holder, FIRST)
            waiting = operator.start(coroutine(_OF_ALL[name]))

            assert waiting.is_waiting()
            for one in IDS:
                check_free(holder, "generations", one)
                check_free(holder, "attempts", attempt_id(one))
            if is_over:
                holder.execute("UPDATE generations SET next_action_at = NULL WHERE id = $1", FIRST)
            before = holder.row("generations", id=FIRST)
            holder.commit()
            assert set(waiting.result()) == ({*IDS} - {FIRST} if is_over else {*IDS})
            assert (holder.row("generations", id=FIRST) == before) == is_over


@holds("usage.insert_usage")
def test_requests_of_who_leaves_are_nobodys_and_hold_nobody_else(sql: Sql) -> None:
    entry = UsageEntry(
        user_id=AMAL,
        session_id=None,
        endpoint="/",
        method="GET",
        status_code=200,
        response_time_ms=1,
        ip_address="192.0.2.1",
        user_agent="",
        created_at=datetime.fromisoformat("2026-01-01T00:00:00Z"),
    )
    with sql.committed(2) as (leaving, noting):
        fill(leaving)
        leaving.begin()
        assert leaving.call(users.mark_user_deleted, owner_id=AMAL)
        noting.begin()
        waiting = noting.start(usage.insert_usage, [entry])
        assert waiting.is_waiting()
        leaving.commit()
        waiting.result()
        check_free(leaving, "users", BADR)
        noting.commit()

        assert [row["user_id"] for row in leaving.rows("api_usage")] == [None]


_REQUEST = GenerationRequest(
    style=pictures.STYLE,
    prompt="a cat",
    input_type="text",
    aspect_ratio="1:1",
    custom_colors=(),
    source_upload_id=None,
    source_key=None,
    seed=None,
)


def _asked_for(owner_id: UUID) -> dict[str, Any]:
    return {
        "id": UUID(int=owner_id.int + 1000),
        "attempt_id": UUID(int=owner_id.int + 2000),
        "owner_id": owner_id,
        "request": _REQUEST,
        "source_upload_id": None,
        "seed": 1,
        "first_step": "draw",
        "deadline_s": 90,
        "language": "en",
        "prompt_english": None,
        "translation": None,
        "parent_id": None,
    }


@holds("generations.insert_generation")
def test_who_leaves_asks_for_nothing_more(sql: Sql) -> None:
    with sql.committed(2) as (leaving, asking):
        fill(leaving)
        leaving.begin()
        assert leaving.call(users.mark_user_deleted, owner_id=AMAL)
        assert asking.call(generations.insert_generation, **_asked_for(BADR))
        waiting = asking.start(generations.insert_generation, **_asked_for(AMAL))
        assert waiting.is_waiting()
        leaving.commit()

        assert waiting.result() is None
        assert len(leaving.rows("generations", user_id=AMAL)) == len(IDS)


@holds("generations.lock_generation")
def test_what_is_decided_about_is_not_written_to_meanwhile(sql: Sql) -> None:
    with sql.committed(2) as (owner, worker):
        fill(owner)
        owner.begin()
        assert owner.call(generations.lock_generation, owner_id=AMAL, id=FIRST)
        writing = worker.start(
            generations.update_generation, owner_id=AMAL, id=FIRST, is_liked=True
        )
        assert writing.is_waiting()
        owner.commit()
        assert writing.result()


@holds("generations.lock_wish")
def test_what_is_asked_for_again_may_change_meanwhile_but_not_go(sql: Sql) -> None:
    with sql.committed(2) as (owner, other):
        fill(owner)
        owner.begin()
        assert owner.call(generations.lock_wish, owner_id=AMAL, id=FIRST)
        assert other.call(generations.update_generation, owner_id=AMAL, id=FIRST, is_liked=True)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            check_free(other, "generations", FIRST)
        owner.commit()


def _of_generation(conn: Conn) -> Awaitable[None]:
    return fal_purges.insert_fal_purges_of_generation(
        conn, generation_id=FIRST, keeps_payload=False
    )


def _of_account(conn: Conn) -> Awaitable[None]:
    return fal_purges.insert_fal_purges_of_account(conn, owner_id=AMAL)


_NAMING: dict[str, Statement] = {
    "fal_purges.insert_fal_purges_of_generations": _of_generation,
    "fal_purges.insert_fal_purges_of_account": _of_account,
}


async def _send(conn: Conn) -> bool:
    attempt = seen(attempt_id(FIRST))
    return await attempts.mark_attempt_sent(
        conn, claimed(FIRST, 1), attempt, endpoint="fal/draw", arguments={"seed": 1}
    )


def _ending(statement: Statement) -> Callable[[Conn], Any]:
    async def end(conn: Conn) -> None:
        await conn.execute("UPDATE generations SET deleted_at = now(), next_action_at = NULL")
        await statement(conn)

    return end


@pytest.mark.parametrize("name", _NAMING)
def test_what_is_sent_while_its_picture_ends_is_named(sql: Sql, name: str) -> None:
    with sql.committed(2) as (sender, owner):
        fill(sender, granted_at=s(-1))
        sender.begin()
        owner.begin()
        assert sender.sql.run(_send(sender.conn))
        waiting = owner.start(_ending(_NAMING[name]))
        assert waiting.is_waiting()
        sender.commit()
        waiting.result()
        owner.commit()

        assert [row["attempt_id"] for row in sender.rows("fal_purges")] == [attempt_id(FIRST)]


@pytest.mark.parametrize("name", [*_NAMING, "attempts.mark_attempt_sent"])
def test_what_ends_while_it_is_sent_does_not_leave(sql: Sql, name: str) -> None:
    with sql.committed(2) as (sender, owner):
        fill(sender, granted_at=s(-1))
        owner.begin()
        owner.sql.run(_ending(_NAMING.get(name, _of_generation))(owner.conn))
        pending = sender.start(_send)
        assert pending.is_waiting()
        owner.commit()

        assert not pending.result()
        assert not sender.rows("fal_purges")
