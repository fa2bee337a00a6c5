"""Sweeps and batches: in which order they lock, what they pass by, and what is handed out once."""

from collections.abc import Awaitable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db import fal_purges, generations, purges, trash, uploads, usage, users
from madar.db.usage import Serving
from tests.sql import pictures
from tests.sql.harness import Conn, Row, Session, Sql
from tests.sql.meetings import FIRST, IDS, Statement, check_free, coroutine, fill, hold
from tests.sql.pictures import AMAL, DANA
from tests.sql.register import holds
from tests.sql.scenes import s


def _delete_unused_uploads(conn: Conn) -> Awaitable[int]:
    return uploads.delete_unused_uploads(conn, after_s=60, n=9)


def _delete_old_usage(conn: Conn) -> Awaitable[int]:
    return usage.delete_old_usage(conn, n=9)


def _delete_old_servings(conn: Conn) -> Awaitable[int]:
    return usage.delete_old_servings(conn, n=9)


def _anonymise_usage(conn: Conn) -> Awaitable[None]:
    return usage.anonymise_usage(conn, user_id=AMAL, n=9)


def _anonymise_usage_of_deleted(conn: Conn) -> Awaitable[int]:
    return usage.anonymise_usage_of_deleted(conn, n=9)


def _touch_sessions(conn: Conn) -> Awaitable[None]:
    return usage.touch_sessions(conn, ids=[FIRST], idle_s=9)


def _delete_deleted_user(conn: Conn) -> Awaitable[int]:
    return users.delete_deleted_user(conn, after_s=60)


def _request_of(user_id: UUID) -> Row:
    return {"user_id": user_id, "endpoint": "/", "method": "GET", "status_code": 200}


# With the table that each looks at, and a row there for it.
_SWEEPS: dict[str, tuple[str, Row, Statement]] = {
    "uploads.delete_unused_uploads": (
        "uploads",
        pictures.upload(1, created_at=s(-3600)),
        _delete_unused_uploads,
    ),
    "usage.delete_old_usage": (
        "api_usage",
        {"endpoint": "/", "method": "GET", "status_code": 200, "created_at": s(-86400 * 40)},
        _delete_old_usage,
    ),
    "usage.delete_old_servings": (
        "file_servings",
        {"generation_id": FIRST, "kind": "view", "link_hash": b"1", "served_at": s(-86400 * 2)},
        _delete_old_servings,
    ),
    "usage.anonymise_usage": ("api_usage", _request_of(AMAL), _anonymise_usage),
    "usage.anonymise_usage_of_deleted": (
        "api_usage",
        _request_of(DANA),
        _anonymise_usage_of_deleted,
    ),
    "usage.touch_sessions": (
        "user_sessions",
        {"id": FIRST, "user_id": AMAL, "session_token": b"token", "last_seen_at": s(-3600)}
        | {"expires_at": s(3600), "ends_at": s(7200)},
        _touch_sessions,
    ),
    "users.delete_deleted_user": (
        "users",
        pictures.users(deleted=[DANA])[-1] | {"id": UUID(int=99), "deleted_at": s(-3600)}
        | {"google_id": "left", "email": "left@example.org"},
        _delete_deleted_user,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _SWEEPS)
def test_a_sweep_passes_by_what_somebody_holds(sql: Sql, name: str) -> None:
    table, row, sweep = _SWEEPS[name]
    with sql.committed(2) as (holder, sweeper):
        fill(holder)
        holder.execute("UPDATE users SET deleted_at = now() WHERE id = $1", DANA)
        holder.add(table, row)
        before = holder.rows(table)
        holder.begin()
        holder.execute(f"SELECT FROM {table} FOR UPDATE")
        pending = sweeper.start(coroutine(sweep))
        assert not pending.is_waiting()
        pending.result()
        holder.commit()
        assert holder.rows(table) == before

        sweeper.call(coroutine(sweep))
        assert holder.rows(table) != before


def _delete_all(conn: Conn) -> Awaitable[None]:
    return generations.delete_generations(conn, owner_id=AMAL)


def _empty_trash(conn: Conn) -> Awaitable[list[UUID]]:
    return trash.empty_trash(conn, owner_id=AMAL)


def _go_as_they_lie(session: Session) -> None:
    """What the lock does not bring into order, PostgreSQL writes as it finds it in the table."""
    session.begin()
    session.execute("SET LOCAL enable_nestloop = off")
    session.execute("SET LOCAL enable_mergejoin = off")


_OF_A_PERSON: dict[str, Statement] = {
    "generations.delete_generations": _delete_all,
    "trash.empty_trash": _empty_trash,
}


@pytest.mark.parametrize("name", _OF_A_PERSON)
def test_all_of_a_person_are_locked_in_the_order_of_their_ids(sql: Sql, name: str) -> None:
    with sql.committed(2) as (holder, owner):
        fill(holder)
        holder.execute(
            "UPDATE generations SET deleted_at = now(), gone_at = now() + interval '1 hour'"
        )
        hold(holder, FIRST)
        _go_as_they_lie(owner)
        waiting = owner.start(coroutine(_OF_A_PERSON[name]))

        assert waiting.is_waiting()
        for one in IDS:
            check_free(holder, "generations", one)
        holder.commit()
        waiting.result()
        owner.commit()
        assert all(row["gone_at"] is None for row in holder.rows("generations"))


@holds("usage.count_servings")
def test_views_are_counted_in_the_order_of_ids_and_hold_nothing_else(sql: Sql) -> None:
    other, *served = IDS
    with sql.committed(2) as (holder, counting):
        fill(holder)
        holder.execute("UPDATE generations SET result_image_key = id::text")
        hold(holder, FIRST)
        _go_as_they_lie(counting)
        seen_ = [Serving(kind="view", object_key=str(one), link_hash=b"1") for one in served]
        waiting = counting.start(usage.count_servings, seen_)
        assert waiting.is_waiting()
        for one in IDS:
            check_free(holder, "generations", one)
        holder.commit()
        waiting.result()
        check_free(holder, "generations", other)
        counting.commit()

        counted = {row["id"]: row["view_count"] for row in holder.rows("generations")}
        assert counted == dict.fromkeys(served, 1) | {other: 0}


@holds("purges.claim_due_purges")
@given(counts=st.tuples(st.integers(1, 3), st.integers(1, 3)), is_lost=st.booleans())
def test_no_object_is_handed_to_two_and_none_is_lost(
    sql: Sql,
    counts: tuple[int, int],
    is_lost: bool,  # noqa: FBT001
) -> None:
    names = [f"o/{n}" for n in range(5)]
    with sql.committed(2) as (first, second):
        first.call(purges.insert_purges, object_keys=names)
        first.begin()
        mine = first.call(purges.claim_due_purges, n=counts[0], lease_s=60)
        pending = second.start(purges.claim_due_purges, n=counts[1], lease_s=60)
        assert not pending.is_waiting()
        theirs = pending.result()
        assert len(mine) == counts[0]
        assert len(theirs) == min(counts[1], 5 - counts[0])
        assert not {one.id for one in mine} & {one.id for one in theirs}
        first.rollback() if is_lost else first.commit()

        left = second.call(purges.claim_due_purges, n=9, lease_s=60)
        taken = [*theirs, *left] if is_lost else [*mine, *theirs, *left]
        assert sorted(one.object_key for one in taken) == names


@holds("fal_purges.claim_due_fal_purges")
@given(counts=st.tuples(st.integers(1, 2), st.integers(1, 2)))
def test_no_request_is_handed_to_two(sql: Sql, counts: tuple[int, int]) -> None:
    with sql.committed(2) as (first, second):
        for n in range(3):
            first.execute(
                "INSERT INTO fal_purges (attempt_id, endpoint, sent_at) VALUES ($1, 'fal', now())",
                UUID(int=n),
            )
        first.begin()
        mine = first.call(fal_purges.claim_due_fal_purges, n=counts[0], lease_s=60)
        pending = second.start(fal_purges.claim_due_fal_purges, n=counts[1], lease_s=60)
        assert not pending.is_waiting()
        theirs = pending.result()
        first.commit()
        left = second.call(fal_purges.claim_due_fal_purges, n=9, lease_s=60)

        assert len(theirs) == min(counts[1], 3 - counts[0])
        handed = [one.attempt_id for one in [*mine, *theirs, *left]]
        assert sorted(handed) == [UUID(int=n) for n in range(3)]


@holds("purges.delete_deleted_generations")
def test_a_row_that_somebody_holds_goes_the_next_time(sql: Sql) -> None:
    given_ = {"after_s": 0, "counted_s": 0, "n": 9}
    with sql.committed(2) as (holder, worker):
        fill(holder)
        holder.execute("UPDATE generations SET deleted_at = now() - interval '1 hour'")
        hold(holder, FIRST)
        pending = worker.start(purges.delete_deleted_generations, **given_)
        assert not pending.is_waiting()
        assert pending.result() == len(IDS) - 1
        holder.commit()
        assert worker.call(purges.delete_deleted_generations, **given_) == 1
