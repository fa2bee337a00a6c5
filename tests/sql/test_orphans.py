"""sql/queries/orphans.sql: objects without a row, and rows without their objects."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import orphans
from tests.sql import pictures
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import DANA, PEOPLE
from tests.sql.register import holds
from tests.sql.scenes import NOW, World, s, scene

Rows = dict[str, list[Row]]

FILES = ("master_key", "result_image_key", "thumbnail_key")
SETTLED_S = 60
# Among them one that sorts after all others as bytes, and before them in a dictionary.
PREFIXES = ("o/a", "o/b", "o/Z", "o/ب")


def objects(dice: Dice) -> Rows:
    """Pictures and uploads, each of whose files may be named or not, and lie anywhere.

    Dana's account is closed.
    """
    rows = pictures.pictures(dice, alive=False, attempts=1)
    rows["users"] = pictures.users(deleted=[DANA])
    for row in rows["generations"]:
        place = dice.one(*PREFIXES)
        has_all = row["state"] == "completed" or dice.one(False, True)
        if has_all:
            row |= {"state": "completed", "error_code": None}
            row |= {"fal_progress": 100, "next_action_at": None}
        for n, name in enumerate(FILES):
            is_named = has_all or dice.one(False, True)
            row[name] = f"{place}/{row['id'].int}/{n}" if is_named else None
        row["completed_at"] = dice.one(s(-61), s(-SETTLED_S), s(-59))
        if row["deleted_at"] is not None:
            row["gone_at"] = dice.one(None, s(-1), NOW, s(1))
    uploads = [
        pictures.upload(
            n,
            user_id=dice.one(*PEOPLE),
            object_key=f"{dice.one(*PREFIXES)}/u{n}",
            thumbnail_key=f"{dice.one(*PREFIXES)}/u{n}.t",
            created_at=dice.one(s(-61), s(-SETTLED_S), s(-59)),
        )
        for n in range(dice.number(1, 4))
    ]
    leaving = dice.some(named(rows["generations"], uploads))
    purges = [pictures.purge(n, key) for n, key in enumerate([*leaving[:3], "nobody's, leaving"])]
    return rows | {"uploads": uploads, "purges": purges}


def named(generations: list[Row], uploads: list[Row]) -> list[str]:
    """Every object that a row names."""
    files = [row[name] for row in generations for name in FILES if row[name] is not None]
    return files + [row[name] for row in uploads for name in ("object_key", "thumbnail_key")]


def bounds(dice: Dice, keys: list[str]) -> tuple[str, str]:
    """Around all keys, or two of them or between: `first` is looked for, `beyond` not."""
    edges = [*keys, "o/", "o/a", "o/b/", "o0", "\U0010ffff"]
    first, beyond = dice.one(*edges), dice.one(*edges)
    return dice.one(("o/", "o0"), (first, "o0"), ("o/", beyond), (first, beyond))


def is_between(key: str | None, first: str, beyond: str) -> bool:
    return key is not None and first.encode() <= key.encode() < beyond.encode()


def _all_named(world: World) -> list[str]:
    return named([*world["generations"].values()], [*world["uploads"].values()])


def list_orphans(world: World, *, object_keys: list[str]) -> list[Row]:
    known = {*_all_named(world), *world["purges"]}
    return [{"object_key": key} for key in object_keys if key not in known]


def list_object_owners(world: World, *, object_keys: list[str]) -> list[Row]:
    return [
        {"object_key": key}
        | _owner(world, key)
        | ({"kind": "leaving"} if key in world["purges"] else {})
        for key in object_keys
    ]


def _owner(world: World, key: str) -> Row:
    for row in world["generations"].values():
        for name, kind in zip(FILES, ("master", "picture", "thumbnail"), strict=True):
            if row[name] == key:
                kind_ = kind if row["deleted_at"] is None else "deleted"
                return {"user_id": row["user_id"], "kind": kind_}
    for row in world["uploads"].values():
        if key in {row["object_key"], row["thumbnail_key"]}:
            return {"user_id": row["user_id"], "kind": "upload"}
    return {"user_id": None, "kind": None}


def list_named_objects(world: World, *, first: str, beyond: str, settled_s: float) -> list[Row]:
    there = [
        row
        for row in world["generations"].values()
        if row["state"] == "completed"
        and row["deleted_at"] is None
        and row["completed_at"] < s(-settled_s)
    ]
    sent = [
        row
        for row in world["uploads"].values()
        if row["created_at"] < s(-settled_s) and row["user_id"] != DANA
    ]
    found = [{"object_key": key} for key in named(there, sent) if is_between(key, first, beyond)]
    return in_any_order(found)


def in_any_order(rows: Any) -> list[Row]:
    return sorted(rows, key=lambda row: row["object_key"])


@holds("orphans.list_orphans", "orphans.list_object_owners", share=2)
@given(dices())
def test_an_object_belongs_to_whoever_names_it(sql: Sql, dice: Dice) -> None:
    rows = objects(dice)
    known = named(rows["generations"], rows["uploads"])
    asked = dice.shuffled([*known, "nobody's", "nobody's, leaving", "o/"])
    with scene(sql, **rows) as played:
        found = played.ask(orphans.list_orphans, object_keys=asked)
        foreseen = list_orphans(played.world, object_keys=asked)
        assert sorted(found) == sorted(row["object_key"] for row in foreseen)
        owned = played.ask(orphans.list_object_owners, object_keys=asked)
        foreseen = list_object_owners(played.world, object_keys=asked)
        assert in_any_order(owned) == in_any_order(foreseen)


@holds("orphans.list_named_objects", share=3)
@given(dices())
def test_what_must_be_there_is_told_between_two_keys(sql: Sql, dice: Dice) -> None:
    rows = objects(dice)
    first, beyond = bounds(dice, named(rows["generations"], rows["uploads"]))
    given_: dict[str, Any] = {"first": first, "beyond": beyond, "settled_s": SETTLED_S}
    with scene(sql, **rows) as played:
        found = played.ask(orphans.list_named_objects, **given_)
        assert in_any_order(found) == list_named_objects(played.world, **given_)


@holds("orphans.get_installation")
@given(st.uuids())
def test_the_installation_keeps_its_name(sql: Sql, name: UUID) -> None:
    row: Row = {"is_only": True, "id": name}
    with scene(sql, installation=[row]) as played:
        assert played.ask(orphans.get_installation) == name
