"""sql/queries/trash.sql: deleted pictures, as long as they can be had back."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import trash
from madar.db.trash import Deletion
from tests.sql import strategies
from tests.sql.harness import Change, Session, Sql
from tests.sql.register import holds
from tests.sql.strategies import Row, rows


@st.composite
def trashes(draw: st.DrawFn) -> list[tuple[Row, list[Row]]]:
    """Two people, one of whom may have left, with what they deleted and a little that is there."""
    people = draw(rows(strategies.people(), min_size=2, max_size=2))
    people[1]["deleted_at"] = draw(st.none() | strategies.past())
    one = strategies.generations(state="completed")
    either = strategies.deleted(one) | strategies.deleted(one) | one
    either |= strategies.deleted(strategies.generations(state="failed"))
    pictures = draw(rows(either, max_size=8))
    return [
        (person, [row | {"user_id": person["id"]} for row in pictures[n::2]])
        for n, person in enumerate(people)
    ]


def at_once(given: list[tuple[Row, list[Row]]]) -> list[tuple[Row, list[Row]]]:
    """All pictures were deleted in one moment, and can be had back."""
    now = {"deleted_at": timedelta(), "gone_at": timedelta(hours=1)}
    return [
        (person, [row | now if row["state"] == "completed" else row for row in pictures])
        for person, pictures in given
    ]


def seeded(db: Session, given: list[tuple[Row, list[Row]]]) -> list[tuple[UUID, list[Row]]]:
    added: list[tuple[UUID, list[Row]]] = []
    for person, pictures in given:
        db.add("users", person)
        added.append((person["id"], [db.add("generations", row) for row in pictures]))
    return added


def is_in_trash(row: Row, now: datetime) -> bool:
    return bool(row["deleted_at"] and row["gone_at"] and row["gone_at"] > now)


def in_trash(pictures: list[Row], now: datetime) -> list[Row]:
    """The latest deleted first."""
    found = [row for row in pictures if is_in_trash(row, now)]
    return sorted(found, key=lambda row: (row["deleted_at"], row["id"]), reverse=True)


def gone_for_good(rows: list[Row], now: datetime) -> dict[UUID, Row]:
    """What changes of rows that leave the trash."""
    changes: dict[UUID, Row] = {}
    for row in rows:
        after = {"gone_at": None, "version": row["version"] + 1, "updated_at": now}
        changes[row["id"]] = {name: value for name, value in after.items() if row[name] != value}
    return changes


def changed(seen: dict[str, Change]) -> dict[Any, Row]:
    change = seen["generations"]
    assert not change.added
    assert not change.gone
    return change.changed


@holds("trash.get_trash")
@given(trashes() | trashes().map(at_once), st.integers(1, 3))
def test_pages_of_the_trash_are_all_of_it_once(
    sql: Sql, given: list[tuple[Row, list[Row]]], size: int
) -> None:
    with sql.example() as db:
        people = seeded(db, given)
        db.without_indexes()
        for owner_id, pictures in people:
            expected = in_trash(pictures, db.now)
            shown: list[Row] = []
            for skip in range(0, len(expected) + 1, size):
                page = db.call(trash.get_trash, owner_id=owner_id, skip=skip, page_size=size)
                documents = json.loads(page.generations)
                assert len(documents) == min(size, len(expected) - skip)
                assert page.total == len(expected)
                shown += documents

            assert [UUID(one["id"]) for one in shown] == [row["id"] for row in expected]
            for document, row in zip(shown, expected, strict=True):
                assert document["prompt"] == row["prompt"]
                assert document["result"]["thumbnailUrl"] == f"trash/{row['thumbnail_key']}"
                assert "imageUrl" not in document["result"]
                assert datetime.fromisoformat(document["goneAt"]) == row["gone_at"]


@holds("trash.restore_generation", "trash.delete_from_trash")
@given(trashes())
def test_one_takes_ones_own_out_of_the_trash(sql: Sql, given: list[tuple[Row, list[Row]]]) -> None:
    with sql.example() as db:
        people = seeded(db, given)
        everything = [row for _, pictures in people for row in pictures]
        for owner_id, own in people:
            for row in everything:
                can = row in own and is_in_trash(row, db.now)
                given_ids = {"owner_id": owner_id, "id": row["id"]}
                with db.savepoint(), db.changes("generations") as seen:
                    assert db.call(trash.restore_generation, **given_ids) == can
                restored = gone_for_good([row], db.now)
                restored[row["id"]]["deleted_at"] = None
                assert changed(seen) == (restored if can else {})

                with db.savepoint(), db.changes("generations") as seen:
                    assert db.call(trash.delete_from_trash, **given_ids) == can
                assert changed(seen) == (gone_for_good([row], db.now) if can else {})


@holds("trash.empty_trash")
@given(trashes())
def test_emptying_takes_all_that_is_in_it(sql: Sql, given: list[tuple[Row, list[Row]]]) -> None:
    with sql.example() as db:
        for owner_id, pictures in seeded(db, given):
            expected = gone_for_good(in_trash(pictures, db.now), db.now)
            with db.savepoint(), db.changes("generations") as seen:
                emptied = db.call(trash.empty_trash, owner_id=owner_id)
            assert sorted(emptied) == sorted(expected)
            assert changed(seen) == expected


@holds("trash.clear_trash")
@given(trashes(), st.integers(1, 4))
def test_what_lay_long_enough_goes_and_all_that_leavers_left(
    sql: Sql, given: list[tuple[Row, list[Row]]], n: int
) -> None:
    with sql.example() as db:
        people = seeded(db, given)
        left = {person["id"] for person, _ in given if person["deleted_at"] is not None}
        due = [
            row
            for owner_id, pictures in people
            for row in pictures
            if row["gone_at"] and (row["gone_at"] <= db.now or owner_id in left)
        ]
        times = sorted(row["gone_at"] for row in due)[:n]
        with db.changes("generations") as seen:
            cleared = db.call(trash.clear_trash, n=n)

        by_id = {row["id"]: row for row in due}
        assert set(cleared) <= set(by_id)
        assert sorted(by_id[one]["gone_at"] for one in cleared) == times, "the longest first"
        assert changed(seen) == gone_for_good([by_id[one] for one in cleared], db.now)


@holds("trash.clear_trash", "trash.empty_trash", share=0.2)
@given(strategies.people(), strategies.deleted(strategies.generations(state="completed")))
def test_sweeping_passes_by_what_somebody_has_in_hand(sql: Sql, person: Row, row: Row) -> None:
    with sql.committed(2) as (owner, sweeper):
        owner.add("users", person)
        row |= {"user_id": person["id"], "gone_at": strategies.EDGES[0]}
        added = owner.add("generations", row)
        owner.begin()
        owner.execute("SELECT FROM generations WHERE id = $1 FOR NO KEY UPDATE", added["id"])
        assert sweeper.call(trash.clear_trash, n=9) == []
        owner.rollback()

        owner.execute("UPDATE generations SET gone_at = now() + interval '1 hour'")
        owner.begin()
        assert owner.call(trash.empty_trash, owner_id=person["id"]) == [added["id"]]
        owner.rollback()
        owner.execute("UPDATE generations SET gone_at = now()")
        assert sweeper.call(trash.clear_trash, n=9) == [added["id"]]


@holds("trash.get_deletion")
@given(trashes())
def test_an_object_tells_whether_its_picture_is_deleted(
    sql: Sql, given: list[tuple[Row, list[Row]]]
) -> None:
    with sql.example() as db:
        for _, pictures in seeded(db, given):
            for row in pictures:
                keys = {row["master_key"], row["result_image_key"], row["thumbnail_key"]}
                for object_key in keys - {None}:
                    found = db.call(trash.get_deletion, object_key=object_key)
                    there = Deletion(is_in_trash=is_in_trash(row, db.now))
                    assert found == (there if row["deleted_at"] else None)
        assert db.call(trash.get_deletion, object_key="nothing's") is None
