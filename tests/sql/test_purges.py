"""sql/queries/purges.sql: objects that are to leave storage, each handed out and never lost."""

import dataclasses
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import purges
from madar.db.purges import Purge
from tests.sql import pictures
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import DANA, PEOPLE
from tests.sql.register import holds
from tests.sql.scenes import ANY, NOW, Scene, World, put, s, scene

Rows = dict[str, list[Row]]

KEYS = ("o/01/m", "o/01/p", "o/01/t", "o/02/m", "u/1", "u/2")


# The models.


def insert_purges(world: World, *, object_keys: list[str], after_s: float) -> None:
    for key in object_keys:
        _make_due(world, key, s(after_s))


def insert_purges_of_uploads(world: World, *, owner_id: UUID) -> None:
    for row in world["uploads"].values():
        if row["user_id"] == owner_id:
            _name(world, row["object_key"], row["thumbnail_key"])


def insert_purges_of_deleted(world: World, *, generation_id: UUID) -> None:
    row = world["generations"].get(generation_id)
    is_over = row and (row["deleted_at"] is not None or row["error_code"] == "cancelled")
    if row and is_over and row["gone_at"] is None:
        _make_all_due(world, row)


def insert_purges_of_gone(world: World, *, generation_ids: list[UUID]) -> None:
    for row in (world["generations"][one] for one in generation_ids):
        if row["deleted_at"] is not None and row["gone_at"] is None:
            _make_all_due(world, row)


def claim_due_purges(world: World, *, n: int, lease_s: float) -> list[Row]:
    due = [(row["due_at"], row["id"], row) for row in world["purges"].values()]
    chosen = [row for due_at, _, row in sorted(due, key=lambda it: it[:2]) if due_at <= NOW][:n]
    for row in chosen:
        row["due_at"] = s(lease_s)
    return by_id({name: row[name] for name in _CLAIMED} for row in chosen)


def delete_purges(world: World, *, ids: list[int], due_ats: list[Any]) -> None:
    for row in _claimed(world, "purges", ids, due_ats):
        if row:
            del world["purges"][row["object_key"]]


def postpone_purges(
    world: World, *, ids: list[int], due_ats: list[Any], waits_s: list[float]
) -> None:
    found = _claimed(world, "purges", ids, due_ats)
    for row, wait_s in zip(found, waits_s, strict=True):
        if row:
            row |= {"tries": row["tries"] + 1, "due_at": s(wait_s)}


def delete_translations_of_account(world: World, *, owner_id: UUID) -> None:
    words = {
        row["prompt_english"]
        for row in world["generations"].values()
        if row["user_id"] == owner_id and row["translation"] == "done"
    }
    for key, row in [*world["translations"].items()]:
        if row["english"] in words:
            del world["translations"][key]


_CLAIMED = ("id", "object_key", "tries", "due_at")


def by_id(rows: Any) -> list[Row]:
    return sorted(rows, key=lambda row: row["id"])


def _claimed(world: World, table: str, ids: list[int], due_ats: list[Any]) -> list[Row | None]:
    """Each if it is still as it was handed out."""
    known = {row["id"]: row for row in world[table].values()}
    found = [known.get(one) for one in ids]
    return [
        row if row and row["due_at"] == due_at else None
        for row, due_at in zip(found, due_ats, strict=True)
    ]


def _make_all_due(world: World, row: Row) -> None:
    for key in (row["master_key"], row["result_image_key"], row["thumbnail_key"]):
        if key is not None:
            _make_due(world, key, NOW)


def _make_due(world: World, key: str, due_at: Any) -> None:
    known = world["purges"].get(key)
    if known:
        known["due_at"] = due_at
    else:
        put(world, "purges", id=ANY, object_key=key, tries=0, due_at=due_at, created_at=NOW)


def _name(world: World, *keys: str | None) -> None:
    """One that is named already keeps its time."""
    for key in keys:
        if key is not None and key not in world["purges"]:
            _make_due(world, key, NOW)


# The properties.


def listed(dice: Dice) -> list[Row]:
    """Some objects that are to leave, several at the same moment."""
    return [
        pictures.purge(
            number,
            key,
            tries=dice.number(0, 2),
            due_at=dice.one(s(-60), s(-60), NOW, s(0.000001), s(60)),
            created_at=s(-60),
        )
        for number, key in zip(
            dice.shuffled(range(1, len(KEYS) + 1)),
            dice.some(KEYS),
            strict=False,
        )
    ]


def galleries(dice: Dice) -> Rows:
    rows = pictures.pictures(dice, alive=False, attempts=1)
    uploads = [pictures.upload(n, user_id=dice.one(*PEOPLE)) for n in range(1, dice.number(1, 4))]
    return rows | {"uploads": uploads, "purges": listed(dice)}


@holds("purges.insert_purges", share=2)
@given(dices(), st.lists(st.sampled_from(KEYS), min_size=1), st.sampled_from((0, 60)))
def test_objects_are_named_once_and_due_anew(
    sql: Sql, dice: Dice, keys: list[str], after_s: float
) -> None:
    rows = listed(dice)
    with scene(sql, purges=rows) as played:
        played.play(purges.insert_purges, insert_purges, object_keys=keys, after_s=after_s)


@holds("purges.insert_purges_of_uploads", share=2)
@given(dices())
def test_all_uploads_of_who_leaves_are_named(sql: Sql, dice: Dice) -> None:
    rows = galleries(dice)
    with scene(sql, **rows) as played:
        for person in PEOPLE[:2]:
            played.play(purges.insert_purges_of_uploads, insert_purges_of_uploads, owner_id=person)


@holds("purges.insert_purges_of_deleted", "purges.insert_purges_of_gone", share=2)
@given(dices())
def test_the_files_of_a_picture_leave_with_it_and_never_before(sql: Sql, dice: Dice) -> None:
    rows = galleries(dice)
    ids = [row["id"] for row in rows["generations"]]
    with scene(sql, **rows) as played:
        some = dice.some(ids)
        played.play(purges.insert_purges_of_gone, insert_purges_of_gone, generation_ids=some)
        for one in dice.some(ids):
            played.play(
                purges.insert_purges_of_deleted, insert_purges_of_deleted, generation_id=one
            )


@holds("purges.claim_due_purges", "purges.delete_purges", "purges.postpone_purges", share=3)
@given(dices())
def test_what_is_due_is_handed_out_in_order_and_settled_by_its_claim(sql: Sql, dice: Dice) -> None:
    rows = listed(dice)
    with scene(sql, purges=rows) as played:
        claimed = _claim(played, n=dice.number(1, 4))
        named = [one.object_key for one in claimed]
        again = dice.some(named) if named else []
        if again:
            played.play(purges.insert_purges, insert_purges, object_keys=again, after_s=0)
        late = [_at_another_time(dice, one) for one in claimed]
        waits = {one: dice.one(5.0, 60.0) for one in late[::2]}
        played.play(purges.postpone_purges, postpone_purges, waits)
        played.play(purges.delete_purges, delete_purges, late[1:])


def _claim(played: Scene, *, n: int) -> list[Purge]:
    """Two workers after each other, who get different ones."""
    claimed: list[Purge] = []
    for _ in range(2):
        found = played.session.call(purges.claim_due_purges, n=n, lease_s=30)
        foreseen = claim_due_purges(played.world, n=n, lease_s=30)
        told = by_id(played.told(one) for one in found)
        assert told == foreseen
        claimed += found
    return claimed


def _at_another_time(dice: Dice, claim: Purge) -> Purge:
    """Mostly as it was handed out."""
    moved = dataclasses.replace(claim, due_at=claim.due_at + s(1))
    return dice.mostly(claim, moved)


_AFTER_S, _COUNTED_S = 60, 3600


def _may_go(world: World, row: Row) -> bool:
    is_long_gone = (
        row["deleted_at"] is not None
        and row["deleted_at"] < s(-_AFTER_S)
        and row["gone_at"] is None
    )
    is_closed = world["users"][row["user_id"]]["deleted_at"] is not None
    return is_long_gone and (row["created_at"] < s(-_COUNTED_S) or is_closed)


def graveyards(dice: Dice) -> Rows:
    """Pictures most of which were deleted, about as long ago as matters."""
    rows = galleries(dice)
    for row in rows["generations"]:
        row["deleted_at"] = dice.mostly(s(-7200), s(-_AFTER_S), NOW, None)
        row["gone_at"] = dice.mostly(None, s(-60))
        row["created_at"] = dice.one(s(-90000), s(-3601), s(-3600), NOW)
    return rows | {"users": pictures.users(deleted=[DANA]), "deleted_generations": []}


@holds("purges.delete_deleted_generations", share=3)
@given(dices(), st.integers(0, 9))
def test_rows_go_when_nothing_is_under_way_for_them_and_nobody_counts_them(
    sql: Sql, dice: Dice, most: int
) -> None:
    rows = graveyards(dice)
    with scene(sql, **rows) as played:
        before = played.world["generations"]
        may_go = {one for one, row in before.items() if _may_go(played.world, row)}
        count = played.ask(
            purges.delete_deleted_generations, after_s=_AFTER_S, counted_s=_COUNTED_S, n=most
        )
        gone = before.keys() - played.seen()["generations"].keys()

        assert gone <= may_go
        assert count == len(gone) == min(most, len(may_go))
        for one in gone:
            _bury(played.world, one)


def _bury(world: World, generation_id: UUID) -> None:
    """Its attempts go with it, its files are named, and its owner may still learn of it."""
    row = world["generations"].pop(generation_id)
    _name(world, row["master_key"], row["result_image_key"], row["thumbnail_key"])
    for key, attempt in [*world["attempts"].items()]:
        if attempt["generation_id"] == generation_id:
            del world["attempts"][key]
    if world["users"][row["user_id"]]["deleted_at"] is None:
        put(
            world,
            "deleted_generations",
            id=generation_id,
            user_id=row["user_id"],
            version=row["version"] + 1,
            deleted_at=row["updated_at"],
        )


@holds("purges.delete_translations_of_account", share=2)
@given(dices())
def test_translations_of_a_persons_words_go_with_them(sql: Sql, dice: Dice) -> None:
    rows = galleries(dice)
    words = ("a cat", "a dog", "a hen")
    for row in rows["generations"]:
        row["prompt_english"] = dice.one(None, *words)
        row["translation"] = dice.mostly("done", "pending")
    translations = [
        {
            "prompt_hash": bytes([n]),
            "model": "model",
            "english": english,
            "created_at": NOW,
            "last_used_at": NOW,
        }
        for n, english in enumerate((*words, *words))
    ]
    with scene(sql, **rows, translations=translations) as played:
        owner = dice.one(*PEOPLE)
        played.play(
            purges.delete_translations_of_account, delete_translations_of_account, owner_id=owner
        )
