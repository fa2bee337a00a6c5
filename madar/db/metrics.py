"""Numbers that the database knows, for the operator's dashboards."""

import asyncio
from dataclasses import dataclass

from madar.db.sql import Connection, Queries

_sql = Queries("metrics")

ANSWER_WITHIN_S = 3


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """So many are in this state, and the oldest for so long."""

    state: str
    count: int
    oldest_s: float | None


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """`lag_s`: how long the longest due generation has waited for a worker."""

    lag_s: float
    purges: int
    fal_purges: int
    is_closed: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class _Counter:
    name: str
    value: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    states: list[Waiting]
    attempts: list[Waiting]
    backlog: Backlog
    counters: dict[str, int]


async def list_states(conn: Connection) -> list[Waiting]:
    return await _sql.many(conn, "list_states", Waiting)


async def list_attempts(conn: Connection) -> list[Waiting]:
    return await _sql.many(conn, "list_attempts", Waiting)


async def get_backlog(conn: Connection) -> Backlog:
    return await _sql.one(conn, "get_backlog", Backlog)


async def list_counters(conn: Connection) -> dict[str, int]:
    return {row.name: row.value for row in await _sql.many(conn, "list_counters", _Counter)}


async def get_numbers(conn: Connection) -> Numbers:
    """All of them, soon or with a TimeoutError."""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        return Numbers(
            states=await list_states(conn),
            attempts=await list_attempts(conn),
            backlog=await get_backlog(conn),
            counters=await list_counters(conn),
        )
