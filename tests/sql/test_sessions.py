"""sql/queries/sessions.sql: who is signed in where, until when."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import sessions
from madar.db.sessions import Credential, EndedSession
from tests.sql import strategies
from tests.sql.harness import Session, Sql
from tests.sql.register import holds
from tests.sql.seeding import Owner, several
from tests.sql.strategies import Row, rows

people_and_sessions = several(pictures=0)


def seeded(db: Session, owners: list[Owner]) -> tuple[list[Owner], list[Row]]:
    added = [owner.add(db) for owner in owners]
    return added, [one for owner in added for one in owner.sessions]


def person_of(owners: list[Owner], session: Row) -> Row:
    return next(owner.person for owner in owners if owner.id == session["user_id"])


def is_alive(owners: list[Owner], session: Row, now: datetime) -> bool:
    return session["expires_at"] > now and person_of(owners, session)["is_active"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@holds("sessions.get_viewer")
@given(people_and_sessions)
def test_a_credential_is_its_persons_while_the_session_lives(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners, all_sessions = seeded(db, owners)
        for one in all_sessions:
            by_token = Credential(token_hash=one["session_token"])
            by_id = Credential(session_id=one["id"])
            found = db.call(sessions.get_viewer, by_token)

            assert db.call(sessions.get_viewer, by_id) == found
            assert (found is not None) == is_alive(owners, one, db.now)
            if found:
                person = person_of(owners, one)
                names = ("id", "email", "display_name", "avatar_url", "language")
                assert [getattr(found, name) for name in names] == [person[name] for name in names]
                assert found.is_language_chosen == person["is_language_chosen"]
                assert (found.session_id, found.expires_at, found.ends_at) == (
                    one["id"], one["expires_at"], one["ends_at"]
                )  # fmt: skip
        assert db.call(sessions.get_viewer, Credential(token_hash=b"nobody's")) is None
        assert db.call(sessions.get_viewer, Credential()) is None


@holds("sessions.insert_session")
@given(strategies.people(), st.floats(0, 10**6), st.floats(0, 10**6), strategies.texts)
def test_a_session_slides_up_to_its_end(
    sql: Sql, person: Row, idle_s: float, life_s: float, agent: str
) -> None:
    with sql.example() as db:
        db.add("users", person)
        with db.changes("user_sessions") as seen:
            given: dict[str, Any] = {"idle_s": idle_s, "life_s": life_s, "user_agent": agent}
            made = db.call(
                sessions.insert_session, user_id=person["id"], token_hash=b"token", **given
            )

        idle, life = timedelta(seconds=idle_s), timedelta(seconds=life_s)
        assert seen["user_sessions"].added == {
            made.id: {
                "id": made.id,
                "user_id": person["id"],
                "session_token": b"token",
                "expires_at": made.expires_at,
                "created_at": db.now,
                "ends_at": made.ends_at,
                "last_seen_at": db.now,
                "user_agent": agent,
            }
        }
        assert abs(made.ends_at - db.now - life) <= timedelta(microseconds=1)
        assert abs(made.expires_at - db.now - min(idle, life)) <= timedelta(microseconds=1)


@holds("sessions.list_session_documents")
@given(people_and_sessions)
def test_one_sees_where_one_is_signed_in(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners, all_sessions = seeded(db, owners)
        for owner in owners:
            alive = [one for one in owner.sessions if one["expires_at"] > db.now]
            alive.sort(key=lambda one: one["id"])
            alive.sort(key=lambda one: one["created_at"], reverse=True)
            for current in all_sessions or [{"id": UUID(int=0)}]:
                body = db.call(
                    sessions.list_session_documents, owner_id=owner.id, current_id=current["id"]
                )
                assert [_listed(one) for one in json.loads(body)["sessions"]] == [
                    {
                        "id": str(one["id"]),
                        "isCurrent": one["id"] == current["id"],
                        "userAgent": one["user_agent"] or "",
                        "createdAt": one["created_at"],
                        "lastSeenAt": one["last_seen_at"],
                        "expiresAt": one["expires_at"],
                    }
                    for one in alive
                ]


def _listed(document: Row) -> Row:
    return document | {name: moment(document[name]) for name in document if name.endswith("At")}


@holds("sessions.is_fresh")
@given(people_and_sessions, st.data())
def test_a_sign_in_is_fresh_up_to_an_age(
    sql: Sql, owners: list[Owner], data: st.DataObject
) -> None:
    with sql.example() as db:
        owners, all_sessions = seeded(db, owners)
        for one in all_sessions:
            edge = data.draw(st.sampled_from(strategies.EDGES))
            age = db.now - one["created_at"] + edge
            for owner in owners:
                answer = db.call(sessions.is_fresh, id=one["id"], user_id=owner.id, age=age)
                is_theirs = one["user_id"] == owner.id
                assert answer == (is_theirs and one["created_at"] > db.now - age)


@holds("sessions.delete_session", "sessions.delete_session_by_token", "sessions.delete_sessions")
@given(several(most=2, pictures=0))
def test_signing_out_ends_what_was_named_and_nothing_else(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners, all_sessions = seeded(db, owners)
        for owner in owners:
            theirs = {one["id"] for one in owner.sessions}
            with db.savepoint(), db.changes("user_sessions") as seen:
                ended = db.call(sessions.delete_sessions, user_id=owner.id)
            assert (set(ended), len(ended)) == (theirs, len(theirs))
            assert seen["user_sessions"].gone.keys() == theirs

            for one in all_sessions:
                with db.savepoint(), db.changes("user_sessions") as seen:
                    is_gone = db.call(sessions.delete_session, id=one["id"], user_id=owner.id)
                assert is_gone == (one["id"] in theirs)
                assert seen["user_sessions"].gone.keys() == {one["id"]} & theirs

        for one in all_sessions:
            with db.savepoint(), db.changes("user_sessions") as seen:
                db.call(sessions.delete_session_by_token, token_hash=one["session_token"])
            assert seen["user_sessions"].gone.keys() == {one["id"]}


@holds("sessions.delete_surplus_sessions")
@given(several(most=2, pictures=0, sessions=8), st.integers(0, 3))
def test_of_too_many_those_seen_longest_ago_end(sql: Sql, owners: list[Owner], n: int) -> None:
    with sql.example() as db:
        owners, _ = seeded(db, owners)
        for owner in owners:
            by_use = sorted(owner.sessions, key=lambda one: one["id"])
            by_use.sort(key=lambda one: one["last_seen_at"], reverse=True)
            with db.changes("user_sessions") as seen:
                db.call(sessions.delete_surplus_sessions, user_id=owner.id, n=n)

            assert seen["user_sessions"].gone.keys() == {one["id"] for one in by_use[n:]}


@holds("sessions.list_ended_sessions")
@given(people_and_sessions, rows(strategies.sessions(), max_size=2))
def test_the_hub_hears_which_sessions_may_see_no_more(
    sql: Sql, owners: list[Owner], unknown: list[Row]
) -> None:
    with sql.example() as db:
        owners, all_sessions = seeded(db, owners)
        asked = {one["id"]: one["user_id"] for one in all_sessions}
        asked |= {one["id"]: owners[0].id for one in unknown if one["id"] not in asked}
        active = {owner.id for owner in owners if owner.person["is_active"]}
        alive = {one["id"] for one in all_sessions if is_alive(owners, one, db.now)}
        found = db.call(sessions.list_ended_sessions, owners=asked)

        assert sorted(found, key=lambda one: one.id) == [
            EndedSession(id=session_id, is_account_closed=asked[session_id] not in active)
            for session_id in sorted(asked)
            if session_id not in alive
        ]


@holds("sessions.delete_ended_sessions")
@given(people_and_sessions)
def test_ended_sessions_are_swept_away(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        _, all_sessions = seeded(db, owners)
        with db.changes("user_sessions") as seen:
            db.call(sessions.delete_ended_sessions)

        ended = {one["id"] for one in all_sessions if one["expires_at"] <= db.now}
        assert seen["user_sessions"].gone.keys() == ended
