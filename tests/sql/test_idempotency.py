"""sql/queries/idempotency.sql: what was answered is answered again, for a day."""

import itertools
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from madar.db import idempotency
from madar.db.idempotency import IdempotentResponse
from tests.sql import strategies
from tests.sql.harness import Sql, Story
from tests.sql.register import holds
from tests.sql.strategies import Row, rows

ROUTES = ("/api/generations", "/api/upload")
KEYS = ("k", "مفتاح")
DAY = timedelta(hours=24)
Key = tuple[UUID, str, str]


@dataclass
class Kept:
    body_hash: bytes
    response: str
    age: timedelta


class Idempotency(Story):
    """Two people use the same few keys, again and again."""

    people = st.integers(0, 1)

    def __init__(self, sql: Sql) -> None:
        super().__init__(sql)
        self.owners: list[UUID] = []
        self.model: dict[Key, Kept] = {}

    @initialize(people=rows(strategies.people(), min_size=2, max_size=2))
    def begin(self, people: list[Row]) -> None:
        self.owners = [row["id"] for row in people]
        for row in people:
            self.db.add("users", row)

    def key(self, data: st.DataObject) -> Key:
        """One that was used, or any."""
        every = itertools.product(self.owners, ROUTES, KEYS)
        return data.draw(st.sampled_from([*self.model, *every]))

    @rule(data=st.data(), body=st.sampled_from((b"one", b"two")))
    def use(self, data: st.DataObject, body: bytes) -> None:
        whole = owner_id, route, key = self.key(data)
        is_first = self.db.call(
            idempotency.insert_idempotency_key,
            owner_id=owner_id, route=route, key=key, body_hash=body,
        )  # fmt: skip

        assert is_first == (whole not in self.model)
        if is_first:
            self.model[whole] = Kept(body_hash=body, response="null", age=timedelta())

    @rule(data=st.data(), answer=st.sampled_from(('{"id": 1}', "[ ]")))
    def answer(self, data: st.DataObject, answer: str) -> None:
        whole = owner_id, route, key = self.key(data)
        self.db.call(
            idempotency.set_idempotent_response,
            owner_id=owner_id, route=route, key=key, response=answer,
        )  # fmt: skip
        if kept := self.model.get(whole):
            kept.response = answer

    @rule(by=st.sampled_from((DAY, timedelta(microseconds=1), timedelta(hours=12))))
    def wait(self, by: timedelta) -> None:
        self.db.pass_time(microseconds=by / timedelta(microseconds=1))
        for kept in self.model.values():
            kept.age += by

    @rule()
    def sweep(self) -> None:
        self.db.call(idempotency.delete_old_idempotency_keys)
        self.model = {key: kept for key, kept in self.model.items() if kept.age <= DAY}

    @rule(who=people)
    def leave(self, who: int) -> None:
        self.db.call(idempotency.delete_idempotency_keys, owner_id=self.owners[who])
        self.model = {key: kept for key, kept in self.model.items() if key[0] != self.owners[who]}

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        self._ask(*self.key(data))

    def _ask(self, owner_id: UUID, route: str, key: str) -> None:
        found = self.db.call(
            idempotency.get_idempotent_response, owner_id=owner_id, route=route, key=key
        )
        kept = self.model.get((owner_id, route, key))
        assert found == (
            kept and IdempotentResponse(body_hash=kept.body_hash, response=kept.response)
        )

    @invariant()
    def all_are_kept(self) -> None:
        found = self.db.rows("idempotency_keys")
        assert {(row["user_id"], row["route"], row["key"]) for row in found} == set(self.model)
        for key in self.model:
            self._ask(*key)


@holds(
    "idempotency.insert_idempotency_key",
    "idempotency.set_idempotent_response",
    "idempotency.get_idempotent_response",
    "idempotency.delete_old_idempotency_keys",
    "idempotency.delete_idempotency_keys",
)
def test_a_key_has_one_answer_for_a_day(sql: Sql) -> None:
    sql.check(Idempotency, share=5)


@holds("idempotency.insert_idempotency_key", "idempotency.set_idempotent_response", share=0.3)
@given(strategies.people(), st.booleans())
def test_who_comes_second_waits_for_the_first(sql: Sql, person: Row, commits: bool) -> None:  # noqa: FBT001
    key: Row = {"owner_id": person["id"], "route": "/api/generations", "key": "k"}
    with sql.committed(2) as (first, second):
        first.add("users", person)
        first.begin()
        assert first.call(idempotency.insert_idempotency_key, **key, body_hash=b"one")
        waiting = second.start(idempotency.insert_idempotency_key, **key, body_hash=b"two")
        assert waiting.is_waiting()
        first.call(idempotency.set_idempotent_response, **key, response="1")
        if commits:
            first.commit()
        else:
            first.rollback()

        assert waiting.result() is not commits
        found = second.call(idempotency.get_idempotent_response, **key)
        assert found == IdempotentResponse(
            body_hash=b"one" if commits else b"two", response="1" if commits else "null"
        )
