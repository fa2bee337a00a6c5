"""sql/queries/live.sql: what is news, what somebody missed, and what is remembered of the gone."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from madar.db import live, system
from madar.db.live import Mine
from madar.db.sql import QUERIES, Connection, load

pytestmark = pytest.mark.standing

Result = TypeVar("Result")


class Table:
    """Two people, and pictures of theirs as a test wants them."""

    def __init__(self, dsn: str, conn: psycopg.Connection[Any]) -> None:
        self._dsn = dsn
        self._conn = conn
        self.amal, self.badr = (self._person(name) for name in ("amal", "badr"))

    def ask(self, query: Callable[[Connection], Awaitable[Result]]) -> Result:
        async def run() -> Result:
            async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as conn:
                return await query(conn)

        return asyncio.run(run())

    def make(self, owner_id: UUID | None = None, **columns: object) -> UUID:
        """A failed one, a week old."""
        given: dict[str, object] = {
            "id": uuid4(),
            "user_id": owner_id or self.amal,
            "state": "failed",
            "version": 3,
            **columns,
        }
        is_resting = given["state"] == "failed"
        given.setdefault("error_code", "timeout" if given["state"] != "queued" else None)
        names, values = ", ".join(given), ", ".join(["%s"] * len(given))
        self.execute(
            f"INSERT INTO generations ({names}, prompt, style, input_type, seed, step, deadline_at,"
            f" next_action_at) VALUES ({values}, 'x', 'voxel-3d', 'text', 1, 'draw', now(), %s)",
            *(*given.values(), None if is_resting else "now"),
        )
        if "updated_at" not in given:
            self.change(given["id"], seconds_ago=7 * 86_400)
        return UUID(str(given["id"]))

    def change(self, generation_id: object, *, seconds_ago: float = 0) -> None:
        self.execute(
            "UPDATE generations SET updated_at = now() - make_interval(secs => %s) WHERE id = %s",
            *(seconds_ago, generation_id),
        )

    def delete(self, generation_id: UUID, *, seconds_ago: float = 0) -> None:
        self.execute(
            "UPDATE generations SET deleted_at = now() - make_interval(secs => %s),"
            " updated_at = now() - make_interval(secs => %s), version = version + 1 WHERE id = %s",
            *(seconds_ago, seconds_ago, generation_id),
        )

    def execute(self, sql: str, *given: object) -> list[Any]:
        cursor = self._conn.execute(sql.encode(), given or None)
        return cursor.fetchall() if cursor.description else []

    def moment(self, *, seconds_ago: float = 0) -> int:
        return self.ask(live.get_moment) - int(seconds_ago * 1_000_000)

    def mine(self, since: int | None = None, *, n: int = 200) -> Mine:
        return self.ask(lambda conn: live.get_mine(conn, owner_id=self.amal, since=since, n=n))

    def changed(self) -> list[live.Changed]:
        """Of Amal's, since this moment."""
        given: dict[str, Any] = {"owner_ids": [self.amal], "since": self.moment()}
        return self.ask(lambda conn: live.list_changed_ids(conn, **given))

    def news(self, known: dict[UUID, int]) -> dict[UUID, live.News]:
        found = self.ask(lambda conn: live.list_news(conn, known=known))
        return {one.id: one for one in found}

    def remembered(self) -> set[tuple[UUID, UUID, int]]:
        return set(self.execute("SELECT id, user_id, version FROM deleted_generations"))

    def _person(self, name: str) -> UUID:
        [[person]] = self.execute(
            "INSERT INTO users (google_id, email, display_name) VALUES (%s, %s, %s) RETURNING id",
            *(name, name, name),
        )
        return person


@pytest.fixture
def table(dsn: str, conn: psycopg.Connection[Any]) -> Table:
    return Table(dsn, conn)


def shown(mine: Mine) -> list[UUID]:
    return [UUID(one["id"]) for one in json.loads(mine.generations)]


# News


def test_only_what_is_newer_than_what_was_known_comes_back(table: Table) -> None:
    same, newer, unasked = (table.make() for _ in range(3))

    found = table.news({same: 3, newer: 2})

    assert unasked not in found
    assert found.keys() == {newer}
    one = found[newer]
    assert (one.user_id, one.version, one.status, one.is_deleted) == (
        *(table.amal, 3, "failed", False),
    )
    assert json.loads(one.document or "")["version"] == 3


def test_what_is_deleted_or_gone_is_news_without_a_document(table: Table) -> None:
    deleted, gone = table.make(), uuid4()
    table.delete(deleted)

    found = table.news({deleted: 3, gone: 7})

    assert {(one.id, one.version, one.is_deleted, one.document) for one in found.values()} == {
        (deleted, 4, True, None),
        (gone, 8, True, None),
    }
    assert found[deleted].user_id == table.amal
    assert (found[gone].user_id, found[gone].status) == (None, None)


def test_one_that_is_revived_is_news_of_a_failure(table: Table) -> None:
    """That it failed may not have been read before somebody began to revive it."""
    revived = table.make(state="reviving")

    assert table.news({revived: 0})[revived].status == "failed"


# What changed, for the hub


def test_the_hub_finds_what_changed_of_those_who_are_followed(table: Table) -> None:
    changed, deleted, removed, old = (table.make() for _ in range(4))
    table.make(table.badr, updated_at="now")
    table.change(changed)
    table.delete(deleted)
    table.change(old, seconds_ago=60)
    table.execute("DELETE FROM generations WHERE id = %s", removed)

    found = table.changed()

    assert {(one.id, one.user_id, one.version) for one in found} == {
        (changed, table.amal, 3),
        (deleted, table.amal, 4),
        (removed, table.amal, 4),
    }


def test_a_statement_may_end_seconds_after_its_time(table: Table) -> None:
    late = table.make()
    table.change(late, seconds_ago=20)

    found = table.changed()

    assert [one.id for one in found] == [late]


# What a person missed


def test_who_has_seen_nothing_gets_what_is_unfinished_and_what_changed_last(table: Table) -> None:
    table.make(table.badr, updated_at="now")
    table.delete(table.make())
    unfinished = [table.make(state="queued") for _ in range(2)]
    old = [table.make() for _ in range(25)]
    for seconds, one in enumerate(old):
        table.change(one, seconds_ago=seconds)

    mine = table.mine()

    assert shown(mine)[:20] == old[:20]
    assert set(shown(mine)[20:]) == set(unfinished)
    assert mine.deleted == []
    assert mine.has_more
    assert abs(mine.cursor - table.moment()) < 60_000_000


def test_who_has_few_pictures_gets_them_all_and_is_told_so(table: Table) -> None:
    ids = {table.make(), table.make(state="queued")}

    mine = table.mine()

    assert set(shown(mine)) == ids
    assert not mine.has_more


def test_who_comes_back_gets_what_changed_and_what_went(table: Table) -> None:
    before, changed, deleted, removed, his = (
        *(table.make() for _ in range(4)),
        table.make(table.badr),
    )
    cursor = table.mine().cursor
    table.change(changed)
    created = table.make(state="queued", updated_at="now")
    table.delete(deleted)
    table.delete(his)
    table.execute("DELETE FROM generations WHERE id = %s", removed)

    mine = table.mine(cursor)

    assert before not in shown(mine)
    assert set(shown(mine)) == {changed, created}
    assert set(mine.deleted) == {deleted, removed}
    assert not mine.has_more
    assert mine.cursor > cursor


def test_the_newest_changes_come_first_and_more_is_not_kept_secret(table: Table) -> None:
    ids = [table.make() for _ in range(3)]
    for seconds, one in enumerate(ids):
        table.change(one, seconds_ago=seconds)

    assert shown(table.mine(table.moment(), n=2)) == ids[:2]
    assert table.mine(table.moment(), n=2).has_more
    assert not table.mine(table.moment(), n=3).has_more
    for one in ids:
        table.delete(one)
    mine = table.mine(table.moment(), n=2)
    assert (len(mine.deleted), mine.has_more) == (2, True)


def test_a_moment_out_of_reach_is_told_to_be_one(table: Table) -> None:
    assert not table.mine(table.moment(seconds_ago=86_000)).has_more
    assert table.mine(table.moment(seconds_ago=87_000)).has_more
    assert table.mine(table.moment(seconds_ago=-60)).has_more


@pytest.mark.parametrize("since", [0, 10**17])
def test_any_moment_can_be_asked_for(table: Table, since: int) -> None:
    table.make()

    assert table.mine(since).has_more


# What is remembered of the gone


def test_a_row_that_goes_leaves_its_id_for_a_day(table: Table) -> None:
    kept, gone = table.make(), table.make()
    table.execute("DELETE FROM generations WHERE id = %s", gone)
    assert table.remembered() == {(gone, table.amal, 4)}

    assert table.ask(lambda conn: live.delete_old_deletions(conn, n=10)) == 0
    table.execute("UPDATE deleted_generations SET deleted_at = now() - interval '25 hours'")
    assert table.ask(lambda conn: live.delete_old_deletions(conn, n=10)) == 1

    assert table.news({kept: 0}).keys() == {kept}
    assert table.remembered() == set()


def test_a_row_that_was_deleted_long_before_it_went_is_no_news(table: Table) -> None:
    gone = table.make()
    table.delete(gone, seconds_ago=7200)
    table.execute("DELETE FROM generations")

    assert table.remembered() == {(gone, table.amal, 5)}
    assert table.mine(table.moment(seconds_ago=3600)).deleted == []
    assert table.mine(table.moment(seconds_ago=7300)).deleted == [gone]


def test_of_an_account_that_goes_nothing_is_remembered(table: Table) -> None:
    table.execute("DELETE FROM generations WHERE id = %s", table.make())
    table.make()
    table.execute("UPDATE users SET deleted_at = now(), is_active = false")
    table.execute("DELETE FROM generations WHERE id = %s", table.make())
    table.make()
    assert len(table.remembered()) == 1

    table.execute("DELETE FROM users")

    assert table.remembered() == set()


# The bell


def test_a_bell_tells_id_version_and_owner(table: Table, dsn: str) -> None:
    ids = [table.make(), table.make(table.badr)]

    with psycopg.connect(dsn, autocommit=True) as listening:
        listening.execute("LISTEN madar_generations")
        table.ask(lambda conn: system.ring_generations(conn, ids=[*ids, uuid4()]))
        heard = {notice.payload for notice in listening.notifies(timeout=10, stop_after=2)}

    assert heard == {f"{ids[0]} 3 {table.amal}", f"{ids[1]} 3 {table.badr}"}


# What it costs


@pytest.mark.parametrize("name", ["get_mine", "get_mine_since", "list_changed_ids", "list_news"])
def test_whatever_is_asked_an_index_answers(table: Table, name: str) -> None:
    sql = load(QUERIES / "live.sql")[name].sql.decode()
    table.execute("SET enable_seqscan = off")

    plan = "\n".join(line for [line] in table.execute(f"EXPLAIN (GENERIC_PLAN) {sql}"))

    assert "Seq Scan on generations" not in plan
    assert "Seq Scan on deleted_generations" not in plan
    if name != "list_news":
        assert "generations_by_user_changed" in plan
