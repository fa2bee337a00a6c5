"""sql/queries/fal_purges.sql: requests at Fal that nobody wants, each cancelled and removed."""

import dataclasses
from typing import Any
from uuid import UUID

from hypothesis import given

from madar.db import fal_purges
from madar.db.fal_purges import FalPurge, Postponed
from tests.sql import pictures
from tests.sql.attempt_models import attempts_of, generation_of
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import PEOPLE
from tests.sql.register import holds
from tests.sql.scenes import ANY, NOW, Scene, World, put, s, scene
from tests.sql.test_purges import by_id

Rows = dict[str, list[Row]]

UNKNOWN = UUID(int=10**9)


# The models.


def insert_fal_purges_of_generations(
    world: World, *, generation_ids: list[UUID], keeps_payload: bool
) -> None:
    for generation_id in generation_ids:
        for attempt in attempts_of(world, generation_id):
            _end(attempt)
            if attempt["sent_at"] is not None:
                has_succeeded = attempt["state"] == "succeeded"
                if not (has_succeeded and keeps_payload):
                    _add(world, attempt, attempt["request_id"], keeps_payload=keeps_payload)


def insert_fal_purge(
    world: World, *, attempt_id: UUID, request_id: str | None, keeps_payload: bool
) -> None:
    attempt = world["attempts"].get(attempt_id)
    if attempt and attempt["endpoint"] is not None:
        known = attempt["request_id"] if request_id is None else request_id
        _add(world, attempt, known, keeps_payload=keeps_payload, is_cancelled=False)


def insert_fal_purges_of_account(world: World, *, owner_id: UUID) -> None:
    for attempt in world["attempts"].values():
        if generation_of(world, attempt)["user_id"] == owner_id:
            _end(attempt)
            if attempt["sent_at"] is not None:
                _add(world, attempt, attempt["request_id"], keeps_payload=False)


def _end(attempt: Row) -> None:
    """What never left cannot leave any more."""
    if attempt["state"] == "prepared":
        attempt |= {"state": "failed", "resolved_at": NOW}


def _add(
    world: World,
    attempt: Row,
    request_id: str | None,
    *,
    keeps_payload: bool,
    is_cancelled: bool | None = None,
) -> None:
    known = world["fal_purges"].get((attempt["id"], request_id))
    if known:
        known["keeps_payload"] = known["keeps_payload"] and keeps_payload
        known["due_at"] = NOW
        return
    has_ended = attempt["state"] == "succeeded"
    put(
        world,
        "fal_purges",
        id=ANY,
        attempt_id=attempt["id"],
        endpoint=attempt["endpoint"],
        request_id=request_id,
        arguments=attempt["arguments"] if request_id is None else None,
        sent_at=NOW if attempt["sent_at"] is None else attempt["sent_at"],
        is_cancelled=has_ended if is_cancelled is None else is_cancelled,
        keeps_payload=keeps_payload,
        tries=0,
        due_at=NOW,
        created_at=NOW,
    )


def claim_due_fal_purges(world: World, *, n: int, lease_s: float) -> list[Row]:
    due = [(row["due_at"], row["id"], row) for row in world["fal_purges"].values()]
    chosen = [row for due_at, _, row in sorted(due, key=lambda it: it[:2]) if due_at <= NOW][:n]
    for row in chosen:
        row["due_at"] = s(lease_s)
    return by_id(_handed_out(world, row) for row in chosen)


def _handed_out(world: World, row: Row) -> Row:
    learnt = world["attempts"].get(row["attempt_id"], {"request_id": None})["request_id"]
    names = ("id", "attempt_id", "endpoint", "arguments", "sent_at", "is_cancelled")
    return {name: row[name] for name in (*names, "keeps_payload", "tries", "due_at")} | {
        "request_id": learnt if row["request_id"] is None else row["request_id"],
        "sent_age_s": -row["sent_at"].total_seconds(),
        "age_s": -row["created_at"].total_seconds(),
    }


def list_requests_of_others(world: World, *, attempt_id: UUID, request_ids: list[str]) -> list[Row]:
    named = [(one["id"], one["request_id"]) for one in world["attempts"].values()]
    return [
        {"request_id": request}
        for owner, request in (*named, *world["fal_purges"])
        if owner != attempt_id and request in request_ids
    ]


def has_unclear_twin(world: World, *, attempt_id: UUID, endpoint: str, arguments: Row) -> bool:
    return any(
        one["id"] != attempt_id
        and one["endpoint"] == endpoint
        and one["arguments"] == arguments
        and one["request_id"] is None
        and one["state"] in {"sent", "unknown"}
        and generation_of(world, one)["deleted_at"] is None
        for one in world["attempts"].values()
    )


def bind_fal_purge(world: World, *, id: int, due_at: Any, request_ids: list[str]) -> None:
    known = [one for one in world["fal_purges"].values() if one["id"] is not ANY]
    [row] = [one for one in known if one["id"] == id] or [None]
    if row is None or row["due_at"] != due_at:
        return
    del world["fal_purges"][row["attempt_id"], row["request_id"]]
    for request_id in dict.fromkeys(request_ids):
        known = world["fal_purges"].get((row["attempt_id"], request_id))
        if known:
            known["keeps_payload"] = known["keeps_payload"] and row["keeps_payload"]
            known["due_at"] = NOW
        else:
            fresh = {"id": ANY, "request_id": request_id, "arguments": None, "tries": 0}
            put(world, "fal_purges", **(row | fresh | {"due_at": NOW}))


def delete_fal_purges(world: World, *, ids: list[int], due_ats: list[Any]) -> None:
    for row in [*world["fal_purges"].values()]:
        if (row["id"], row["due_at"]) in [*zip(ids, due_ats, strict=True)]:
            del world["fal_purges"][row["attempt_id"], row["request_id"]]


def postpone_fal_purges(
    world: World,
    *,
    ids: list[int],
    due_ats: list[Any],
    are_cancelled: list[bool],
    waits_s: list[float],
) -> None:
    given_ = {
        (one, due_at): late
        for one, due_at, *late in zip(ids, due_ats, are_cancelled, waits_s, strict=True)
    }
    for row in world["fal_purges"].values():
        late = given_.get((row["id"], row["due_at"]))
        if late:
            is_cancelled, wait_s = late
            row |= {
                "tries": row["tries"] + 1,
                "is_cancelled": is_cancelled,
                "due_at": s(wait_s),
            }


# The properties.


def lists(dice: Dice) -> Rows:
    """Pictures, and requests of theirs that are to go already; one of an attempt that is gone."""
    rows = pictures.pictures(dice, alive=False, most=6)
    named = [(UNKNOWN, None), (UNKNOWN, "gone")]
    for one in rows["attempts"]:
        named += [(one["id"], None), (one["id"], f"request-{one['id'].int}")]
    chosen = dice.some(named, least=2, most=8)
    numbers = dice.shuffled(range(1, len(chosen) + 1))
    purges = [
        pictures.fal_purge(
            number,
            attempt_id,
            request_id=request_id,
            arguments={"seed": dice.number(0, 1)},
            keeps_payload=dice.one(False, True),
            is_cancelled=dice.one(False, True),
            tries=dice.number(0, 2),
            due_at=dice.one(s(-60), s(-60), NOW, s(0.000001), s(60)),
            created_at=dice.one(s(-60), s(-61)),
        )
        for number, (attempt_id, request_id) in zip(numbers, chosen, strict=True)
    ]
    return rows | {"fal_purges": purges}


@holds(
    "fal_purges.insert_fal_purges_of_generations",
    "fal_purges.insert_fal_purges_of_account",
    share=2,
)
@given(dices())
def test_every_request_that_left_for_what_ended_is_named(sql: Sql, dice: Dice) -> None:
    rows = lists(dice)
    ids = [row["id"] for row in rows["generations"]]
    some = dice.some(ids, least=1)
    with scene(sql, **rows) as played:
        known = {row["id"] for row in played.world["fal_purges"].values()}
        played.play(
            fal_purges.insert_fal_purges_of_generations,
            insert_fal_purges_of_generations,
            generation_ids=some,
            keeps_payload=dice.one(False, True),
        )
        _check_order(played, known)
        owner = dice.one(*PEOPLE)
        known = {row["id"] for row in played.seen()["fal_purges"].values()}
        played.play(
            fal_purges.insert_fal_purges_of_account, insert_fal_purges_of_account, owner_id=owner
        )
        _check_order(played, known)


def _check_order(played: Scene, known: set[int]) -> None:
    """By attempt, so that no two who name some of the same wait for each other."""
    fresh = [row for row in played.seen()["fal_purges"].values() if row["id"] not in known]
    in_turn = [row["attempt_id"] for row in by_id(fresh)]
    assert in_turn == sorted(in_turn)


@holds("fal_purges.insert_fal_purge", share=2)
@given(dices())
def test_one_request_is_named_by_what_is_known_of_it(sql: Sql, dice: Dice) -> None:
    rows = lists(dice)
    with scene(sql, **rows) as played:
        for attempt in rows["attempts"]:
            own = f"request-{attempt['id'].int}"
            played.play(
                fal_purges.insert_fal_purge,
                insert_fal_purge,
                attempt_id=attempt["id"],
                request_id=dice.one(None, own, "another"),
                keeps_payload=dice.one(False, True),
            )


@holds(
    "fal_purges.claim_due_fal_purges",
    "fal_purges.delete_fal_purges",
    "fal_purges.postpone_fal_purges",
    "fal_purges.bind_fal_purge",
    "fal_purges.list_requests_of_others",
    share=3,
)
@given(dices())
def test_what_is_due_is_handed_out_in_order_and_settled_by_its_claim(sql: Sql, dice: Dice) -> None:
    rows = lists(dice)
    with scene(sql, **rows) as played:
        claimed = [_at_another_time(dice, one) for one in _claim(played, dice)]
        for one in claimed:
            settle = dice.one("bind", "delete", "postpone", "again")
            if settle == "bind" and _lacks_request(played, one):
                own = f"request-{one.attempt_id.int}"
                found = [dice.one(own, "x", "y") for _ in range(dice.number(0, 4))]
                played.play(fal_purges.bind_fal_purge, bind_fal_purge, one, request_ids=found)
            elif settle == "delete":
                both = [one, claimed[0]]
                played.play(fal_purges.delete_fal_purges, delete_fal_purges, both)
            elif settle == "postpone":
                how = Postponed(is_cancelled=dice.one(False, True), wait_s=60)
                played.play(fal_purges.postpone_fal_purges, postpone_fal_purges, {one: how})
            _ask_of_others(played, one)


def _claim(played: Scene, dice: Dice) -> list[FalPurge]:
    """Two workers after each other, who get different ones."""
    claimed: list[FalPurge] = []
    for _ in range(2):
        n = dice.number(1, 4)
        found = played.session.call(fal_purges.claim_due_fal_purges, n=n, lease_s=30)
        foreseen = claim_due_fal_purges(played.world, n=n, lease_s=30)
        assert by_id(played.told(one) for one in found) == foreseen
        claimed += found
    return claimed


def _at_another_time(dice: Dice, claim: FalPurge) -> FalPurge:
    """Mostly as it was handed out."""
    moved = dataclasses.replace(claim, due_at=claim.due_at + s(1))
    return dice.mostly(claim, moved)


def _lacks_request(played: Scene, purge: FalPurge) -> bool:
    return any(
        row["id"] == purge.id and row["request_id"] is None
        for row in played.world["fal_purges"].values()
    )


def _ask_of_others(played: Scene, purge: FalPurge) -> None:
    asked = [f"request-{one.int}" for one in list(played.world["attempts"])[:4]]
    asked += [f"request-{purge.attempt_id.int}", "gone", "x", "nobody's"]
    played.play(
        fal_purges.list_requests_of_others, list_requests_of_others, purge, request_ids=asked
    )


@holds("fal_purges.has_unclear_twin", share=3)
@given(dices())
def test_a_twin_is_what_may_be_taken_for_it(sql: Sql, dice: Dice) -> None:
    rows = lists(dice)
    for one in rows["attempts"]:
        one["arguments"] = dice.one({"seed": 0}, {"seed": 1})
    with scene(sql, **rows) as played:
        for one in rows["attempts"]:
            purge = FalPurge(
                id=1,
                attempt_id=dice.mostly(one["id"], UNKNOWN),
                endpoint=dice.one("fal/draw", "fal/cut"),
                request_id=None,
                arguments=one["arguments"],
                sent_at=played.now,
                is_cancelled=False,
                keeps_payload=False,
                tries=0,
                due_at=played.now,
                sent_age_s=0,
                age_s=0,
            )
            played.play(fal_purges.has_unclear_twin, has_unclear_twin, purge)
