"""Limits that hold across machines, counted in the transaction of what they limit."""

from dataclasses import dataclass

from madar.db.sql import Connection, Queries
from madar.domain.rates import Decision, Rate, describe

_sql = Queries("limits")


@dataclass(frozen=True, kw_only=True)
class Taken:
    is_allowed: bool
    ahead_us: int


async def take(conn: Connection, *, policy: str, key: str, rate: Rate, cost: int = 1) -> Decision:
    """Locks this key until the caller's transaction ends, so take before anything else.

    Rolled back, nothing was taken; on a connection without a transaction it counts at once.
    """
    taken = await _sql.one(
        conn,
        "take_rate",
        Taken,
        key=key,
        cost_us=rate.step_us * cost,
        burst_us=rate.burst_us,
    )
    return describe(
        rate, policy=policy, cost=cost, is_allowed=taken.is_allowed, ahead_us=taken.ahead_us
    )


async def delete_full_rates(conn: Connection) -> int:
    return await _sql.exec(conn, "delete_full_rates")
