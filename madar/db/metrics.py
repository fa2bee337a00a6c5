"""Numbers that the database knows, for the operator's dashboards."""

import asyncio
from dataclasses import dataclass

from madar.db.sql import Connection, Queries

_sql = Queries("metrics")

ANSWER_WITHIN_S = 3
ACTIVE_WITHIN_S = 15 * 60
SAMPLED_ROWS = 20_000


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
    purges_oldest_s: float | None
    fal_purges: int
    fal_purges_oldest_s: float | None
    is_closed: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Rows; -1 where nobody counted yet."""

    generations: float
    uploads: float


@dataclass(frozen=True, kw_only=True)
class Totals:
    active_users: int
    masters_bytes: float
    uploads_bytes: float


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


async def get_totals(conn: Connection) -> Totals:
    """Soon or with a TimeoutError. Bytes are an estimate where there is much."""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        sizes = await get_sizes(conn)
        return Totals(
            active_users=await count_active_users(conn, within_s=ACTIVE_WITHIN_S),
            masters_bytes=await get_masters_bytes(conn, percent=_share(sizes.generations)),
            uploads_bytes=await get_uploads_bytes(conn, percent=_share(sizes.uploads)),
        )


async def count_active_users(conn: Connection, *, within_s: float) -> int:
    return await _sql.value(conn, "count_active_users", within_s=within_s)


async def get_sizes(conn: Connection) -> Sizes:
    return await _sql.one(conn, "get_sizes", Sizes)


async def get_masters_bytes(conn: Connection, *, percent: float) -> float:
    return await _sql.value(conn, "get_masters_bytes", percent=percent)


async def get_uploads_bytes(conn: Connection, *, percent: float) -> float:
    return await _sql.value(conn, "get_uploads_bytes", percent=percent)


def _share(rows: float) -> float:
    """So that about so many are read of a large table, and all of a small one."""
    return min(100.0, 100.0 * SAMPLED_ROWS / max(rows, 1.0))


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
