"""Turns at Fal: the line of attempts that wait for one, and the gate that may be closed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from madar.db.attempts import Attempt
from madar.db.generations import Claimed
from madar.db.sql import Connection, Queries

_sql = Queries("turns")

Reason = Literal["key_refused", "rate_limited", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """`closed_s`: until one that waits may try Fal."""

    paused_at: datetime | None
    pause_reason: str | None
    pause_reason_ar: str | None
    failing_since: datetime | None
    reason: Reason | None
    places: int
    closed_s: float | None


@dataclass(frozen=True, kw_only=True)
class _Granted:
    id: UUID


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    id: UUID


async def join_line(conn: Connection, claimed: Claimed, attempt: Attempt) -> bool:
    """False: it is no longer ours to wait with."""
    given = {"id": attempt.id, "generation_id": claimed.id, "epoch": claimed.lease_epoch}
    return await _sql.exec(conn, "join_line", **given) > 0


async def has_line(conn: Connection) -> bool:
    return await _sql.value(conn, "has_line")


async def lock_gate(conn: Connection) -> None:
    """In a transaction, before grant_turns."""
    await _sql.exec(conn, "lock_gate")


async def grant_turns(conn: Connection, *, places: int, asking_id: UUID | None) -> set[UUID]:
    """The generations whose turn it is now; all but the asking one are due."""
    given = {"places": places, "asking_id": asking_id}
    return {row.id for row in await _sql.many(conn, "grant_turns", _Granted, **given)}


async def get_gate(conn: Connection) -> Gate:
    return await _sql.one(conn, "get_gate", Gate)


async def count_waiting(conn: Connection) -> int:
    return await _sql.value(conn, "count_waiting")


async def pause_gate(conn: Connection, *, reason: str, reason_ar: str) -> list[UUID]:
    """Behind lock_gate. Answers the generations that wait."""
    given = {"reason": reason, "reason_ar": reason_ar}
    return [row.id for row in await _sql.many(conn, "pause_gate", _Waiting, **given)]


async def resume_gate(conn: Connection) -> list[UUID]:
    """Behind lock_gate. Answers the generations that wait."""
    return [row.id for row in await _sql.many(conn, "resume_gate", _Waiting)]


async def insert_wake_ups(conn: Connection, ids: Collection[UUID]) -> None:
    await _sql.exec(conn, "insert_wake_ups", ids=list(ids))


async def hold_gate(conn: Connection, *, probe_s: float) -> None:
    await _sql.exec(conn, "hold_gate", probe_s=probe_s)


async def close_gate(conn: Connection, *, reason: Reason, least_s: float, most_s: float) -> None:
    await _sql.exec(conn, "close_gate", reason=reason, least_s=least_s, most_s=most_s)


async def open_gate(conn: Connection) -> None:
    await _sql.exec(conn, "open_gate")
