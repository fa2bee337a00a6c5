"""sql/queries/live.sql: what live connections are told of, each its own and nothing twice."""

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db import live
from tests.sql import pictures
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import AMAL, BADR, PEOPLE
from tests.sql.register import holds
from tests.sql.scenes import NOW, Scene, World, s, scene

Rows = dict[str, list[Row]]

UNKNOWN = UUID(int=10**9)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
DAY = s(86400)


def changes(dice: Dice) -> Rows:
    """Pictures that changed at about the moments that matter, and some whose rows are gone."""
    rows = pictures.pictures(dice, alive=True, attempts=1)
    for row in rows["generations"]:
        row["user_id"] = dice.mostly(AMAL, BADR)
        row["updated_at"] = dice.one(*CHANGED)
    gone = [
        {
            "id": UUID(int=10**6 + n),
            "user_id": dice.one(*PEOPLE),
            "version": dice.number(1, 3),
            "deleted_at": dice.one(*CHANGED),
        }
        for n in dice.shuffled(range(dice.number(0, 4)))
    ]
    return rows | {"deleted_generations": gone}


# Since a minute ago: what changed in the 30 s before that may not have been seen.
CHANGED = (s(-DAY.total_seconds() - 1), -DAY, s(-91), s(-90), s(-89), s(-60), NOW)
SINCE = s(-60)


def cursor(played: Scene, moment: timedelta) -> int:
    return (played.at(moment) - _EPOCH) // timedelta(microseconds=1)


def changed(world: World, owner_id: UUID, after: timedelta) -> list[Row]:
    return [
        row
        for row in world["generations"].values()
        if row["user_id"] == owner_id and row["updated_at"] > after
    ]


def gone(world: World, owner_id: UUID, after: timedelta) -> list[Row]:
    return [
        row
        for row in world["deleted_generations"].values()
        if row["user_id"] == owner_id and row["deleted_at"] > after
    ]


@holds("live.list_news", share=2)
@given(dices())
def test_news_are_what_is_newer_than_known_and_whose_rows_are_gone(sql: Sql, dice: Dice) -> None:
    rows = changes(dice)
    known = {row["id"]: dice.number(0, 4) for row in rows["generations"][:-1]}
    known[UNKNOWN] = dice.number(0, 4)
    with scene(sql, **rows) as played:
        found = {row["id"]: row for row in played.ask(live.list_news, known=known)}

        generations = played.world["generations"]
        newer = {one for one, version in known.items() if _version(generations, one) > version}
        assert found.keys() == newer
        for known_id, row in found.items():
            document = row.pop("document")
            assert row == _news(generations.get(known_id), known_id, known[known_id])
            assert (document is None) == row["is_deleted"]
            if document:
                told = json.loads(document)
                assert (told["id"], told["version"]) == (str(known_id), row["version"])


def _version(generations: dict[UUID, Row], id: UUID) -> float:
    return generations[id]["version"] if id in generations else float("inf")


def _news(row: Row | None, id: UUID, known: int) -> Row:
    if row is None:
        about = {"user_id": None, "version": known + 1, "state": None, "is_deleted": True}
    else:
        about = {name: row[name] for name in ("user_id", "version", "state")}
        about["is_deleted"] = row["deleted_at"] is not None
    return about | {"id": id}


@holds("live.list_changed_ids", share=2)
@given(dices(), st.lists(st.sampled_from(PEOPLE), unique=True))
def test_changes_are_told_of_those_who_are_asked_for(
    sql: Sql, dice: Dice, owners: list[UUID]
) -> None:
    rows = changes(dice)
    with scene(sql, **rows) as played:
        since = cursor(played, SINCE)
        found = played.ask(live.list_changed_ids, owner_ids=owners, since=since)

        after = SINCE - s(30)
        foreseen = [
            {name: row[name] for name in ("id", "user_id", "version")}
            for owner in owners
            for row in changed(played.world, owner, after) + gone(played.world, owner, after)
        ]
        assert sorted(found, key=_id_of) == sorted(foreseen, key=_id_of)


def _id_of(row: Row) -> UUID:
    return row["id"]


def _documents(found: Row) -> list[UUID]:
    return [UUID(one["id"]) for one in json.loads(found["generations"])]


@holds("live.get_mine", share=3)
@given(dices(), st.integers(1, 4), st.integers(1, 5))
def test_who_comes_first_sees_what_is_going_on_and_what_changed_last(
    sql: Sql, dice: Dice, recent: int, most: int
) -> None:
    rows = changes(dice)
    with scene(sql, **rows) as played, pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "RECENT", recent)  # of 20, a world with more would be needed
        found = played.ask(live.get_mine, owner_id=AMAL, since=None, n=most)

        there = [
            row
            for row in played.world["generations"].values()
            if row["user_id"] == AMAL and row["deleted_at"] is None
        ]
        unfinished = [row for row in there if row["state"] in _UNFINISHED]
        shown = _documents(found)
        order = {row["id"]: (-row["updated_at"], row["id"]) for row in there}
        newest = {*_newest(there, recent), *_newest(unfinished, most)}
        assert shown == sorted(newest, key=order.__getitem__)
        assert found["has_more"] == (len(shown) < len(there))
        assert (found["deleted"], found["deleted_versions"]) == ([], [])
        assert found["cursor"] == cursor(played, NOW)


_UNFINISHED = ("queued", "processing", "finalizing")


def _newest(rows: list[Row], most: int) -> list[UUID]:
    """The last changed."""
    ordered = sorted(rows, key=lambda row: (-row["updated_at"], row["id"]))
    return [row["id"] for row in ordered[:most]]


@holds("live.get_mine_since", share=4)
@given(dices(), st.integers(1, 5), st.sampled_from((0, 0, 0, 1, -1)))
def test_who_comes_back_sees_what_changed_and_what_is_deleted(
    sql: Sql, dice: Dice, most: int, edge: int
) -> None:
    rows = changes(dice)
    with scene(sql, **rows) as played:
        at = dice.mostly(SINCE, -DAY, NOW) + timedelta(microseconds=edge)
        since = cursor(played, at)
        found = played.ask(live.get_mine, owner_id=AMAL, since=since, n=most)

        after = at - s(30)
        both = changed(played.world, AMAL, after)
        there = [(-row["updated_at"], row["id"]) for row in both if row["deleted_at"] is None]
        deleted = [
            (-row["updated_at"], row["id"], row["version"])
            for row in both
            if row["deleted_at"] is not None
        ]
        deleted += [
            (-row["deleted_at"], row["id"], row["version"])
            for row in gone(played.world, AMAL, after)
        ]
        assert _documents(found) == [it[1] for it in sorted(there)][:most]
        told = [*zip(found["deleted"], found["deleted_versions"], strict=True)]
        assert told == [it[1:] for it in sorted(deleted)][:most]
        is_too_much = len(there) > most or len(deleted) > most
        assert found["has_more"] == (is_too_much or not -DAY <= at <= NOW)
        assert found["cursor"] == cursor(played, NOW)


@holds("live.get_moment")
def test_the_moment_is_that_of_the_transaction(sql: Sql) -> None:
    with scene(sql) as played:
        assert played.ask(live.get_moment) == cursor(played, NOW)


@holds("live.delete_old_deletions", share=2)
@given(dices(), st.integers(0, 4))
def test_deletions_are_forgotten_after_a_day(sql: Sql, dice: Dice, most: int) -> None:
    rows = changes(dice)
    with scene(sql, **rows) as played:
        known = played.world["deleted_generations"]
        old = {one for one, row in known.items() if row["deleted_at"] < -DAY}
        count = played.ask(live.delete_old_deletions, n=most)
        left = played.seen()["deleted_generations"]

        assert known.keys() - left.keys() <= old
        assert count == len(known) - len(left) == min(most, len(old))
        played.world["deleted_generations"] = left
