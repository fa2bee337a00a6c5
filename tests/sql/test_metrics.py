"""sql/queries/metrics.sql: what the operator is told is what one gets by counting."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from hypothesis import given

from madar.db import metrics
from tests.sql import pictures
from tests.sql.attempt_models import generation_of, is_alive
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import MOMENTS, PEOPLE
from tests.sql.register import holds
from tests.sql.scenes import NOW, World, s, scene

Rows = dict[str, list[Row]]

NAMES = ("duplicate_paid", "late_successes")


def installations(dice: Dice) -> Rows:
    """Everything that is counted."""
    rows = pictures.pictures(dice, attempts=2)
    for row in rows["generations"]:
        if row["next_action_at"] is not None:
            row["next_action_at"] = dice.one(s(-9), NOW, s(9))
    waiting = [dice.maybe(*MOMENTS) for _ in range(dice.number(0, 3))]
    sessions = [
        {
            "id": UUID(int=n),
            "user_id": dice.one(*PEOPLE),
            "session_token": bytes([n]),
            "expires_at": NOW,
            "ends_at": NOW,
            "created_at": NOW,
            "last_seen_at": dice.one(s(-61), s(-60), s(-59)),
        }
        for n in range(dice.number(0, 5))
    ]
    uploads = [
        pictures.upload(n, file_size=dice.one(1, 7, 2**40)) for n in range(dice.number(0, 3))
    ]
    return rows | {
        "user_sessions": sessions,
        "uploads": uploads,
        "fal_gate": [pictures.gates(dice)],
        "purges": [
            pictures.purge(n, str(n), created_at=at)
            for n, at in enumerate(waiting)
            if at is not None
        ],
        "fal_purges": [
            pictures.fal_purge(n, UUID(int=n), created_at=at)
            for n, at in enumerate(reversed(waiting[1:]))
            if at is not None
        ],
        "counters": [{"name": name, "value": dice.one(0, 7, 2**40)} for name in dice.some(NAMES)],
    }


def _waiting(found: Iterable[tuple[str, Any]]) -> list[Row]:
    """By state: how many, and how long since the oldest."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for state, since in found:
        groups[state].append(since)
    return [
        {"state": state, "count": len(times), "oldest_s": _age(times)}
        for state, times in sorted(groups.items())
    ]


def _age(times: Iterable[Any]) -> float | None:
    known = [time for time in times if time is not None]
    return -min(known).total_seconds() if known else None


def list_states(world: World) -> list[Row]:
    alive = [row for row in world["generations"].values() if is_alive(row)]
    return _waiting((row["state"], row["created_at"]) for row in alive)


def list_attempts(world: World) -> list[Row]:
    return _waiting(
        (one["state"], one["sent_at"])
        for one in world["attempts"].values()
        if one["state"] in {"sent", "unknown", "accepted"} and is_alive(generation_of(world, one))
    )


def get_backlog(world: World) -> Row:
    due = [
        row["next_action_at"]
        for row in world["generations"].values()
        if is_alive(row)
        and row["next_action_at"] <= NOW
        and (row["lease_until"] is None or row["lease_until"] <= NOW)
    ]
    gate = world["fal_gate"][True]
    purges, fal_purges = world["purges"].values(), world["fal_purges"].values()
    is_paused = gate["paused_at"] is not None
    is_closed = gate["closed_until"] is not None and gate["closed_until"] > NOW
    return {
        "lag_s": _age(due) or 0,
        "purges": len(purges),
        "purges_oldest_s": _age(row["created_at"] for row in purges),
        "fal_purges": len(fal_purges),
        "fal_purges_oldest_s": _age(row["created_at"] for row in fal_purges),
        "is_closed": is_paused or is_closed,
        "reason": "paused" if is_paused else gate["reason"],
    }


def count_active_users(world: World, *, within_s: float) -> int:
    return len(
        {
            row["user_id"]
            for row in world["user_sessions"].values()
            if row["last_seen_at"] > s(-within_s)
        }
    )


def list_counters(world: World) -> dict[str, int]:
    return {name: row["value"] for name, row in world["counters"].items()}


@holds(
    "metrics.list_states",
    "metrics.list_attempts",
    "metrics.get_backlog",
    "metrics.count_active_users",
    "metrics.list_counters",
    share=3,
)
@given(dices())
def test_numbers_are_those_of_counting(sql: Sql, dice: Dice) -> None:
    rows = installations(dice)
    with scene(sql, **rows) as played:
        states = played.ask(metrics.list_states)
        assert sorted(states, key=_state) == list_states(played.world)
        attempts = played.ask(metrics.list_attempts)
        assert sorted(attempts, key=_state) == list_attempts(played.world)
        played.play(metrics.get_backlog, get_backlog)
        played.play(metrics.count_active_users, count_active_users, within_s=60)
        played.play(metrics.list_counters, list_counters)


def _state(row: Row) -> str:
    return row["state"]


@holds("metrics.get_masters_bytes", "metrics.get_uploads_bytes", "metrics.get_sizes", share=2)
@given(dices())
def test_bytes_are_those_of_what_lies_in_storage(sql: Sql, dice: Dice) -> None:
    rows = installations(dice)
    for row in rows["generations"]:
        row["file_size_bytes"] = dice.number(1, 9)
    with scene(sql, **rows) as played:
        masters = [
            row["file_size_bytes"]
            for row in played.world["generations"].values()
            if row["master_key"] is not None
        ]
        assert played.ask(metrics.get_masters_bytes, percent=100) == sum(masters)
        sent = [row["file_size"] for row in played.world["uploads"].values()]
        assert played.ask(metrics.get_uploads_bytes, percent=100) == sum(sent)
        # Of a page or two half the pages are some of them, or none; each counts for two.
        half = played.ask(metrics.get_masters_bytes, percent=50)
        assert half / 2 in _sums(masters)
        half = played.ask(metrics.get_uploads_bytes, percent=50)
        assert half / 2 in _sums(sent)
        played.session.execute("ANALYZE generations, uploads")
        sizes = {"generations": len(rows["generations"]), "uploads": len(sent)}
        assert played.ask(metrics.get_sizes) == sizes


def _sums(sizes: list[int]) -> set[float]:
    """Of every choice from them."""
    found = {0}
    for size in sizes:
        found |= {known + size for known in found}
    return {float(one) for one in found}
