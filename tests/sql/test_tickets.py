"""sql/queries/tickets.sql and sign_ins.sql: what is good for one use, and soon for none."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from madar.db import sign_ins, tickets
from madar.db.sign_ins import SignIn
from tests.sql import strategies
from tests.sql.harness import Sql, Story
from tests.sql.register import holds
from tests.sql.seeding import Owner, several
from tests.sql.strategies import Row, hash_of, rows

DAY = timedelta(days=1)


class SignIns(Story):
    """People go to Google and come back: once, within the time, or never."""

    states = st.integers(0, 3).map(lambda n: b"state-%d" % n)

    def __init__(self, sql: Sql) -> None:
        super().__init__(sql)
        self.model: dict[bytes, Row] = {}
        self.clock = 0

    @rule(state=states, ttl_s=st.integers(0, 3))
    def leave(self, state: bytes, ttl_s: int) -> None:
        if state in self.model:
            return
        secrets = {"browser_hash": b"b" + state, "nonce": "n", "code_verifier": "c"}
        given: dict[str, Any] = {**secrets, "return_to": f"/{len(self.model)}"}
        self.db.call(sign_ins.insert_sign_in, state_hash=state, ttl_s=ttl_s, **given)
        self.model[state] = {**given, "ends": self.clock + ttl_s}

    @rule(state=states)
    def come_back(self, state: bytes) -> None:
        expected = None
        if left := self.model.pop(state, None):
            ends = left.pop("ends")
            expected = SignIn(**left, is_fresh=ends > self.clock)

        assert self.db.call(sign_ins.take_sign_in, state_hash=state) == expected

    @rule()
    def wait(self) -> None:
        self.db.pass_time(seconds=1)
        self.clock += 1

    @rule()
    def sweep(self) -> None:
        self.db.call(sign_ins.delete_ended_sign_ins)
        self.model = {key: row for key, row in self.model.items() if row["ends"] > self.clock}

    @invariant()
    def all_that_is_under_way_is_there(self) -> None:
        assert {row["state_hash"] for row in self.db.rows("sign_ins")} == set(self.model)


@holds("sign_ins.insert_sign_in", "sign_ins.take_sign_in", "sign_ins.delete_ended_sign_ins")
def test_a_sign_in_is_good_for_one_return(sql: Sql) -> None:
    sql.check(SignIns)


@st.composite
def ticketed(draw: st.DrawFn) -> tuple[list[Owner], list[Row]]:
    """People, and tickets of their sessions."""
    owners = draw(several(most=2, pictures=0))
    sessions = [one["id"] for owner in owners for one in owner.sessions]
    ticket = st.fixed_dictionaries(
        {
            "token_hash": strategies.ids.map(hash_of),
            "session_id": st.sampled_from(sessions or [UUID(int=0)]),
            "language": strategies.languages,
            "expires_at": strategies.around(spread_s=3),
        }
    )
    return owners, draw(rows(ticket, "token_hash", max_size=5)) if sessions else []


@holds("tickets.insert_ticket")
@given(several(most=2, pictures=0), strategies.languages, st.integers(1, 60))
def test_a_ticket_is_of_ones_own_session(
    sql: Sql, owners: list[Owner], language: Any, life_s: int
) -> None:
    with sql.example() as db:
        owners = [owner.add(db) for owner in owners]
        sessions = [one for owner in owners for one in owner.sessions]
        for owner in owners:
            for one in [*sessions, {"id": UUID(int=0), "user_id": owner.id}]:
                given: dict[str, Any] = {"session_id": one["id"], "owner_id": owner.id}
                given |= {"token_hash": b"t", "language": language, "life_s": life_s}
                with db.savepoint(), db.changes("live_tickets") as seen:
                    made = db.call(tickets.insert_ticket, **given)

                is_theirs = one in owner.sessions
                assert (made is not None) == is_theirs
                assert len(seen["live_tickets"].added) == is_theirs
                if made:
                    [row] = seen["live_tickets"].added.values()
                    assert row == {
                        "token_hash": b"t",
                        "session_id": one["id"],
                        "language": language,
                        "expires_at": made.expires_at,
                    }
                    # It counts from the wait for others, not from the transaction's beginning.
                    late = made.expires_at - db.now - timedelta(seconds=life_s)
                    assert timedelta(0) < late < timedelta(seconds=30)


@holds("tickets.insert_ticket", share=0.2)
@given(
    strategies.people(),
    strategies.sessions(expires_at=timedelta(days=1), ends_at=timedelta(days=2)),
)
def test_tickets_of_one_session_come_one_after_the_other(
    sql: Sql, person: Row, session: Row
) -> None:
    with sql.committed(2) as (first, second):
        first.add("users", person)
        first.add("user_sessions", session | {"user_id": person["id"]})
        given: dict[str, Any] = {"session_id": session["id"], "owner_id": person["id"]}
        given |= {"language": "en", "life_s": 60}
        first.begin()
        assert first.call(tickets.insert_ticket, token_hash=b"1", **given)
        waiting = second.start(tickets.insert_ticket, token_hash=b"2", **given)
        assert waiting.is_waiting()
        first.commit()
        assert waiting.result()


@holds("tickets.delete_surplus_tickets")
@given(ticketed(), st.integers(0, 2))
def test_of_too_many_tickets_the_oldest_go(
    sql: Sql, given: tuple[list[Owner], list[Row]], n: int
) -> None:
    owners, rows = given
    with sql.example() as db:
        sessions = [one["id"] for owner in owners for one in owner.add(db).sessions]
        added = [db.add("live_tickets", row) for row in rows]
        for session_id in sessions:
            theirs = [row for row in added if row["session_id"] == session_id]
            theirs.sort(key=lambda row: row["token_hash"])
            theirs.sort(key=lambda row: row["expires_at"], reverse=True)
            with db.savepoint(), db.changes("live_tickets") as seen:
                db.call(tickets.delete_surplus_tickets, session_id=session_id, n=n)

            assert seen["live_tickets"].gone.keys() == {row["token_hash"] for row in theirs[n:]}


@holds("tickets.take_ticket")
@given(ticketed())
def test_a_ticket_opens_once_what_its_session_may_open(
    sql: Sql, given: tuple[list[Owner], list[Row]]
) -> None:
    owners, rows = given
    with sql.example() as db:
        owners = [owner.add(db) for owner in owners]
        found = {one["id"]: (owner.person, one) for owner in owners for one in owner.sessions}
        for ticket in [db.add("live_tickets", row) for row in rows]:
            person, session = found[ticket["session_id"]]
            is_alive = person["is_active"] and session["expires_at"] > db.now
            # At the very moment of its end it has ended: the clock goes on in a transaction.
            is_good = is_alive and ticket["expires_at"] > db.now + timedelta(milliseconds=1)
            with db.changes("live_tickets") as seen:
                viewer = db.call(tickets.take_ticket, token_hash=ticket["token_hash"])
                again = db.call(tickets.take_ticket, token_hash=ticket["token_hash"])

            assert seen["live_tickets"].gone.keys() == {ticket["token_hash"]}
            assert again is None
            assert (viewer is not None) == is_good
            if viewer:
                chosen = person["language"] if person["is_language_chosen"] else ticket["language"]
                assert (viewer.id, viewer.session_id) == (person["id"], session["id"])
                assert (viewer.language, viewer.is_language_chosen) == (chosen, True)


@holds("tickets.delete_ended_tickets")
@given(ticketed())
def test_ended_tickets_are_swept_away(sql: Sql, given: tuple[list[Owner], list[Row]]) -> None:
    owners, rows = given
    with sql.example() as db:
        for owner in owners:
            owner.add(db)
        added = [db.add("live_tickets", row) for row in rows]
        with db.changes("live_tickets") as seen:
            db.call(tickets.delete_ended_tickets)

        ended = {row["token_hash"] for row in added if row["expires_at"] <= db.now}
        assert seen["live_tickets"].gone.keys() == ended
