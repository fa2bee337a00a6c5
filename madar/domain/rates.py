"""How often somebody may do something: one GCRA, the same whatever remembers its state.

The state is one number, the theoretical arrival time (`tat`): by then, all that was taken is
earned back. Times are whole microseconds, so that no store rounds differently from another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from madar.errors import RateLimited
from madar.rate import Rate, parse_rate

__all__ = [
    "Decision",
    "LimitReached",
    "Rate",
    "Store",
    "decide",
    "describe",
    "headers",
    "parse_rate",
]

_SECOND_US = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether it may happen, and what is left afterwards.

    `reset_us` is when there is one more than `remaining`, `wait_us` when a refused one may happen.
    """

    policy: str
    is_allowed: bool
    limit: int
    window_s: int
    remaining: int
    reset_us: int
    wait_us: int

    @property
    def reset_s(self) -> int:
        return math.ceil(self.reset_us / _SECOND_US)

    @property
    def retry_after_s(self) -> int:
        """Whole seconds, never a moment too early; 0 when allowed."""
        return math.ceil(self.wait_us / _SECOND_US)


class LimitReached(RateLimited):
    """The answer's headers tell of this decision."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(policy=decision.policy, retry_after_s=decision.retry_after_s)
        self.decision = decision


class Store(Protocol):
    """What remembers arrival times; `cost` is from 1 to the limit, `key` is the whole name."""

    async def take(self, *, policy: str, key: str, rate: Rate, cost: int = 1) -> Decision: ...


def decide(rate: Rate, *, policy: str, cost: int, tat_us: int, now_us: int) -> tuple[int, Decision]:
    """The next arrival time to remember, and the answer."""
    ahead_us = max(tat_us - now_us, 0)
    is_allowed = ahead_us + rate.step_us * cost <= rate.burst_us
    if is_allowed:
        ahead_us += rate.step_us * cost
    decision = describe(rate, policy=policy, cost=cost, is_allowed=is_allowed, ahead_us=ahead_us)
    return now_us + ahead_us, decision


def describe(rate: Rate, *, policy: str, cost: int, is_allowed: bool, ahead_us: int) -> Decision:
    """`ahead_us` is how far the arrival time lies ahead once it is decided."""
    assert 1 <= cost <= rate.limit, "more than the limit would never be allowed"
    free_us = rate.burst_us - ahead_us  # below zero when the rate was lowered meanwhile
    remaining = max(free_us // rate.step_us, 0)
    return Decision(
        policy=policy,
        is_allowed=is_allowed,
        limit=rate.limit,
        window_s=rate.window_s,
        remaining=remaining,
        reset_us=rate.step_us * (remaining + 1) - free_us,
        wait_us=0 if is_allowed else rate.step_us * cost - free_us,
    )


def headers(decisions: Sequence[Decision]) -> dict[str, str]:
    """What an answer says about its limits (draft-ietf-httpapi-ratelimit-headers-10)."""
    told = {
        "RateLimit-Policy": ", ".join(
            f'"{one.policy}";q={one.limit};w={one.window_s}' for one in decisions
        ),
        "RateLimit": ", ".join(
            f'"{one.policy}";r={one.remaining};t={one.reset_s}' for one in decisions
        ),
    }
    waits_s = [one.retry_after_s for one in decisions if not one.is_allowed]
    return {**told, "Retry-After": str(max(waits_s))} if waits_s else told
