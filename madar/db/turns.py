"""Turns at Fal: the line of attempts that wait for one, and the gate that may be closed."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from madar.db.attempts import Attempt
from madar.db.generations import Claimed
from madar.db.sql import Connection, Queries

_sql = Queries("turns")

Reason = Literal["key_refused", "rate_limited", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class _Granted:
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


async def hold_gate(conn: Connection, *, probe_s: float) -> None:
    await _sql.exec(conn, "hold_gate", probe_s=probe_s)


async def close_gate(conn: Connection, *, reason: Reason, least_s: float, most_s: float) -> None:
    await _sql.exec(conn, "close_gate", reason=reason, least_s=least_s, most_s=most_s)


async def open_gate(conn: Connection) -> None:
    await _sql.exec(conn, "open_gate")
