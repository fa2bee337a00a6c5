"""sql/queries/turns.sql: the line for turns at Fal, its fairness, and the gate before it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import turns
from tests.sql import pictures
from tests.sql.attempt_models import held, is_alive, own_attempt, reopen, wake
from tests.sql.dice import Dice, dices
from tests.sql.harness import Conn, Row, Sql
from tests.sql.pictures import AMAL, BADR, PEOPLE
from tests.sql.register import holds
from tests.sql.scenes import (
    CLOCK,
    NOW,
    Scene,
    Within,
    World,
    greatest,
    in_order,
    least,
    put,
    s,
    scene,
    soon_after,
)
from tests.sql.workers import claimed, seen

Rows = dict[str, list[Row]]

_AGES = Within(s(99 * 365 * 86400), s(101 * 366 * 86400))


# The models.


def _generation_of(world: World, attempt: Row) -> Row:
    return world["generations"][attempt["generation_id"]]


def at_fal(world: World) -> list[Row]:
    """What holds a place: sent, or allowed to be. Whether an unclear one does, a minute decides."""
    return [
        one
        for one in world["attempts"].values()
        if is_alive(_generation_of(world, one))
        and (
            one["state"] in {"sent", "accepted"}
            or (one["state"] == "prepared" and one["granted_at"] is not None)
            or (
                one["state"] == "unknown" and one["sent_at"] is not None and one["sent_at"] > s(-60)
            )
        )
    ]


def waiting(world: World) -> list[Row]:
    """Whatever is not submitted yet."""
    return [
        one
        for one in world["attempts"].values()
        if one["state"] == "prepared" and is_alive(_generation_of(world, one))
    ]


def line(world: World) -> list[Row]:
    """In its order: who would hold the fewest places comes first; each one's own are in order."""
    held_by = Counter(_generation_of(world, one)["user_id"] for one in at_fal(world))
    in_line = [
        one
        for one in waiting(world)
        if one["granted_at"] is None and one["waiting_since"] is not None
    ]

    def own_order(one: Row) -> tuple[Any, ...]:
        row = _generation_of(world, one)
        return one["polls"], one["step"] != "cutout", row["created_at"], row["id"]

    ranked: list[tuple[Any, ...]] = []
    for one in in_line:
        user_id = _generation_of(world, one)["user_id"]
        own = [it for it in in_line if _generation_of(world, it)["user_id"] == user_id]
        rank = 1 + sum(own_order(it) < own_order(one) for it in own)
        weight = held_by[user_id] + rank + min(one["polls"], 10)
        last = world["fal_turns"].get(user_id, {"last_at": s(-1e9)})["last_at"]
        ranked.append((weight, one["step"] != "cutout", last, one["waiting_since"], one["id"]))
    return [world["attempts"][order[-1]] for order in in_order(ranked)]


def free_places(world: World, places: int) -> int:
    gate = world["fal_gate"][True]
    is_slow = gate["steady_at"] is not None and gate["steady_at"] > NOW
    is_closed = gate["closed_until"] is not None and gate["closed_until"] > NOW
    is_too_soon = gate["next_turn_at"] is not None and gate["next_turn_at"] > NOW
    if gate["paused_at"] is not None or is_closed:
        allowed = 0
    elif gate["failing_since"] is not None:
        allowed = 1
    elif is_slow:
        allowed = 0 if is_too_soon else 1
    else:
        allowed = places
    return min(max(places - len(at_fal(world)), 0), allowed)


def grant_turns(world: World, *, places: int, asking_id: UUID | None) -> list[Row]:
    chosen = line(world)[: free_places(world, places)]
    served: set[UUID] = set()
    for one in chosen:
        row = _generation_of(world, one)
        one["granted_at"] = CLOCK
        row["version"] += row["queue_position"] is not None
        row |= {"queue_position": None, "updated_at": NOW}
        if row["id"] != asking_id:
            row["next_action_at"] = CLOCK
        served.add(row["user_id"])
    if served:
        remembered = world["fal_turns"]
        for user_id in [*remembered]:
            if user_id not in served and remembered[user_id]["last_at"] < s(-3600):
                del remembered[user_id]
        for user_id in served:
            put(world, "fal_turns", user_id=user_id, last_at=CLOCK)
        world["fal_gate"][True] |= {"places": places, "next_turn_at": soon_after(s(0.2))}
    return [{"id": one["generation_id"]} for one in chosen]


def join_line(world: World, *, id: UUID, generation_id: UUID, epoch: int) -> int:
    attempt = own_attempt(world, id, generation_id)
    if not attempt or not held(world, generation_id, epoch):
        return 0
    if attempt["state"] != "prepared" or attempt["granted_at"] is not None:
        return 0
    if attempt["waiting_since"] is None:
        attempt["waiting_since"] = CLOCK
    return 1


def has_line(world: World) -> bool:
    return any(
        one["state"] == "prepared"
        and one["granted_at"] is None
        and one["waiting_since"] is not None
        for one in world["attempts"].values()
    )


def get_gate(world: World) -> Row:
    gate = world["fal_gate"][True]
    names = ["paused_at", "pause_reason", "pause_reason_ar", "failing_since", "reason", "places"]
    closed = greatest(gate["closed_until"], NOW)
    return {name: gate[name] for name in names} | {"closed_s": closed.total_seconds()}


def count_waiting(world: World) -> int:
    return len(waiting(world))


def pause_gate(world: World, *, reason: str, reason_ar: str) -> list[Row]:
    gate = world["fal_gate"][True]
    gate |= {
        "paused_at": NOW if gate["paused_at"] is None else gate["paused_at"],
        "pause_reason": reason,
        "pause_reason_ar": reason_ar,
        "closed_until": _AGES,
    }
    for one in waiting(world):
        if one["granted_at"] is not None:
            since = one["waiting_since"]
            one |= {"granted_at": None, "waiting_since": NOW if since is None else since}
        row = _generation_of(world, one)
        row |= {"expected_at": None, "version": row["version"] + 1, "updated_at": NOW}
    return [{"id": one["generation_id"]} for one in waiting(world)]


def resume_gate(world: World) -> list[Row]:
    gate = world["fal_gate"][True]
    if gate["paused_at"] is None:
        return []
    for one in waiting(world):
        row = _generation_of(world, one)
        deadline_at = row["deadline_at"] - greatest(gate["paused_at"], one["created_at"])
        row |= {
            "deadline_at": deadline_at,
            "next_action_at": least(row["next_action_at"], deadline_at),
            "version": row["version"] + 1,
            "updated_at": NOW,
        }
    gate |= {
        "paused_at": None,
        "pause_reason": None,
        "pause_reason_ar": None,
        "closed_until": None if gate["failing_since"] is None else NOW,
    }
    return [{"id": one["generation_id"]} for one in waiting(world)]


def insert_wake_ups(world: World, *, ids: list[UUID]) -> None:
    for generation_id in ids:
        wake(world, generation_id)


def hold_gate(world: World, *, probe_s: float) -> None:
    gate = world["fal_gate"][True]
    if gate["failing_since"] is not None:
        gate["closed_until"] = soon_after(s(probe_s))


def close_gate(world: World, *, reason: str, least_s: float, most_s: float) -> None:
    gate = world["fal_gate"][True]
    since = NOW if gate["failing_since"] is None else gate["failing_since"]
    closed = gate["closed_until"]
    bounds = (closed, closed.most) if isinstance(closed, Within) else (closed, closed)
    elapsed_s = -since.total_seconds()
    waits = [
        greatest(bound, s(max(least_s, min(most_s, share * elapsed_s))))
        for bound, share in zip(bounds, (0.25, 0.75), strict=True)
    ]
    gate |= {"failing_since": since, "reason": reason, "closed_until": Within(*waits)}


def open_gate(world: World) -> None:
    reopen(world)


# The properties.


def lines(dice: Dice, *, most: int = 9) -> Rows:
    """Pictures of three people, most of them in the line; some are at Fal, some are over."""
    count = dice.number(2, most)
    generations: list[Row] = []
    attempts: list[Row] = []
    for new in pictures.ids(dice, count):
        row = pictures.generation(dice, new, alive=True)
        row["created_at"] = dice.one(s(-60), s(-1))
        states = dice.mostly(("prepared",), ("sent",), ("unknown",), ("accepted",), ("failed",))
        n = dice.one(1, 1, 2)
        if n > 1:
            attempts.append(pictures.attempt(dice, row, 1, pictures.RESOLVED))
        attempt = pictures.attempt(dice, row, n, states)
        attempt["waiting_since"] = dice.mostly(s(-60), s(-1), None)
        attempt["granted_at"] = dice.mostly(None, s(-60))
        attempt["polls"] = dice.one(0, 0, 0, 1, 2, 11)
        generations.append(row)
        attempts.append(attempt)
    turns_ = [
        {"user_id": person, "last_at": dice.one(s(-7200), s(-3600), s(-60), NOW)}
        for person in dice.some(PEOPLE)
    ]
    return {
        "users": pictures.users(),
        "generation_styles": [pictures.style()],
        "generations": generations,
        "attempts": attempts,
        "fal_gate": [dice.one(pictures.gate(), pictures.gates(dice))],
        "fal_turns": turns_,
        "procrastinate_jobs": pictures.wake_ups(dice, generations),
    }


@holds("turns.grant_turns", share=4)
@given(dices(), st.integers(0, 6))
def test_free_places_go_to_the_first_of_the_line(sql: Sql, dice: Dice, places: int) -> None:
    rows = lines(dice)
    asking = dice.mostly(rows["generations"][0]["id"], None)
    with scene(sql, **rows) as played:
        played.play(turns.grant_turns, grant_turns, places=places, asking_id=asking)


@holds("turns.join_line", "turns.has_line", "turns.count_waiting")
@given(dices())
def test_who_waits_joins_the_line_once(sql: Sql, dice: Dice) -> None:
    rows = lines(dice)
    with scene(sql, **rows) as played:
        epochs = {row["id"]: row["lease_epoch"] for row in rows["generations"]}
        for attempt in rows["attempts"]:
            generation_id = dice.mostly(attempt["generation_id"], *epochs)
            epoch = dice.mostly(epochs[generation_id], epochs[generation_id] - 1)
            lease = claimed(generation_id, epoch)
            played.play(turns.join_line, join_line, lease, seen(attempt["id"]))
        played.play(turns.count_waiting, count_waiting)
    for attempt in rows["attempts"][:3]:
        alone = rows | {"attempts": [attempt]}
        with scene(sql, **alone) as played:
            played.play(turns.has_line, has_line)


async def _pause(conn: Conn) -> set[UUID]:
    """In no order."""
    return {*await turns.pause_gate(conn, reason="why not", reason_ar="وقفة")}


async def _resume(conn: Conn) -> set[UUID]:
    return {*await turns.resume_gate(conn)}


@holds("turns.get_gate", "turns.pause_gate", "turns.resume_gate", share=2)
@given(dices(), st.lists(st.sampled_from(("pause", "resume")), min_size=1, max_size=3))
def test_a_pause_keeps_the_line_and_gives_its_time_back(
    sql: Sql, dice: Dice, done: list[str]
) -> None:
    rows = lines(dice)
    with scene(sql, **rows) as played:
        for one in done:
            if one == "pause":
                played.play(_pause, pause_gate)
            else:
                played.play(_resume, resume_gate)
            if played.world["fal_gate"][True]["closed_until"] != _AGES:
                played.play(turns.get_gate, get_gate)


@holds("turns.hold_gate", "turns.close_gate", "turns.open_gate", share=3)
@given(dices())
def test_the_gate_closes_longer_the_longer_fal_fails(sql: Sql, dice: Dice) -> None:
    gate = pictures.gates(dice)
    with scene(sql, fal_gate=[gate]) as played:
        played.play(turns.get_gate, get_gate)
        if dice.one(False, True):
            played.play(turns.hold_gate, hold_gate, probe_s=dice.one(0.5, 30))
        if dice.mostly(True, False):
            bounds = {
                "least_s": dice.one(0, 5, 600),
                "most_s": dice.one(1, 60, 7200),
            }
            played.play(turns.close_gate, close_gate, reason="rate_limited", **bounds)
        if dice.one(False, True):
            played.play(turns.open_gate, open_gate)


@holds("turns.insert_wake_ups")
@given(dices())
def test_each_is_woken_by_one_job(sql: Sql, dice: Dice) -> None:
    rows = lines(dice)
    known = [row["id"] for row in rows["generations"]]
    ids = [dice.one(*known) for _ in range(dice.number(0, 6))]
    with scene(sql, **rows) as played:
        played.play(turns.insert_wake_ups, insert_wake_ups, [*ids, UUID(int=10**9)])


# Fairness, told without the model of the line.


def crowd(sizes: dict[UUID, int]) -> Rows:
    """So many of each person, all in the line since the same moment and in no worker's hands."""
    owners = [user_id for user_id, size in sizes.items() for _ in range(size)]
    generations: list[Row] = []
    attempts: list[Row] = []
    for n, user_id in enumerate(owners, 1):
        generations.append(pictures.queued(UUID(int=n), user_id=user_id, created_at=s(n - 999)))
        attempts.append(pictures.prepared(UUID(int=n), waiting_since=s(-60)))
    return {
        "users": pictures.users(),
        "generation_styles": [pictures.style()],
        "generations": generations,
        "attempts": attempts,
        "fal_gate": [pictures.gate()],
    }


def _grant(played: Scene, places: int) -> list[UUID]:
    """Whose turn it is, while Fal never has more than so many."""
    granted = played.session.call(turns.grant_turns, places=places, asking_id=None)
    played.world = played.seen()
    assert len(at_fal(played.world)) <= places
    return [played.world["generations"][one]["user_id"] for one in granted]


def _finish(played: Scene, ids: list[UUID]) -> None:
    played.session.execute(
        "UPDATE generations SET state = 'failed', error_code = 'timeout', next_action_at = NULL"
        " WHERE id = ANY ($1)",
        ids,
    )
    played.world = played.seen()


def _rounds(played: Scene, places: int, dice: Dice) -> Iterator[list[UUID]]:
    """Turns, while one or several of those at Fal end between them."""
    while has_line(played.world):
        yield _grant(played, places)
        running = [one["generation_id"] for one in at_fal(played.world)]
        _finish(played, running[: dice.number(1, max(len(running), 1))])


@holds("turns.grant_turns", share=0.3)
@given(st.integers(1, 3), st.integers(0, 3), dices())
def test_fifty_of_one_person_delay_the_one_of_another_by_one_place_at_most(
    sql: Sql, places: int, before: int, dice: Dice
) -> None:
    rows = crowd({AMAL: 50, BADR: 1})
    badrs = rows["attempts"][-1]
    badrs["waiting_since"] = None
    with scene(sql, **rows) as played:
        rounds = _rounds(played, places, dice)
        for _ in range(before):
            assert set(next(rounds)) <= {AMAL}

        played.session.execute(
            "UPDATE attempts SET waiting_since = now() WHERE id = $1", badrs["id"]
        )
        amals: list[UUID] = []
        for granted in rounds:
            if BADR in granted:
                assert len(amals) <= 1
                break
            amals += granted
        else:
            raise AssertionError("Badr had no turn")


@holds("turns.grant_turns", share=0.5)
@given(
    st.fixed_dictionaries(dict.fromkeys(PEOPLE, st.integers(0, 6))).filter(
        lambda it: any(it.values())
    ),
    dices(),
)
def test_a_place_goes_to_who_holds_the_fewest(sql: Sql, sizes: dict[UUID, int], dice: Dice) -> None:
    with scene(sql, **crowd(sizes)) as played:
        while has_line(played.world):
            holding = Counter(
                _generation_of(played.world, one)["user_id"] for one in at_fal(played.world)
            )
            wait = {
                _generation_of(played.world, one)["user_id"]
                for one in waiting(played.world)
                if one["granted_at"] is None
            }
            granted = _grant(played, holding.total() + 1)

            assert len(granted) == 1
            assert holding[granted[0]] == min(holding[one] for one in wait)
            running = [one["generation_id"] for one in at_fal(played.world)]
            _finish(played, dice.some(running))
