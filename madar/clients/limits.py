"""The general limiter: in Upstash where there is one, else and meanwhile in this process."""

import heapq
import time
from collections.abc import Callable

from madar import metrics
from madar.clients.upstash import Away, Upstash
from madar.domain.rates import Decision, Rate, Store, decide, describe

MAX_KEYS = 20_000

# GCRA as in madar/domain/rates.py; a double holds the microseconds of an epoch exactly.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local cost, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local ahead = math.max(tonumber(redis.call('GET', KEYS[1]) or now) - now, 0)
if ahead + cost > burst then return {0, ahead} end
ahead = ahead + cost
redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
return {1, ahead}
"""


class MemoryStore:
    """For one process and its event loop; bounded, whoever comes with however many keys."""

    def __init__(
        self, *, max_keys: int = MAX_KEYS, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._tats: dict[str, int] = {}
        self._max_keys = max_keys
        self._clock_ns = clock_ns

    @property
    def size(self) -> int:
        return len(self._tats)

    async def take(self, *, policy: str, key: str, rate: Rate, cost: int = 1) -> Decision:
        now_us = self._clock_ns() // 1000
        tat_us, decision = decide(
            rate, policy=policy, cost=cost, tat_us=self._tats.get(key, 0), now_us=now_us
        )
        self._tats[key] = tat_us
        if self.size > self._max_keys:
            self._prune(now_us)
        return decision

    def _prune(self, now_us: int) -> None:
        """Who has used up most stays longest; half of the room is free again afterwards."""
        live = [(tat_us, key) for key, tat_us in self._tats.items() if tat_us > now_us]
        kept = heapq.nlargest(self._max_keys // 2, live)
        self._tats = {key: tat_us for tat_us, key in kept}


class UpstashStore:
    """For all machines. Raises Away."""

    def __init__(self, upstash: Upstash) -> None:
        self._upstash = upstash

    async def take(self, *, policy: str, key: str, rate: Rate, cost: int = 1) -> Decision:
        arguments = [str(rate.step_us * cost), str(rate.burst_us)]
        is_allowed, ahead_us = await self._upstash.ask(
            lambda redis: redis.eval(_TAKE, keys=[key], args=arguments),
            _read_taken,
        )
        return describe(rate, policy=policy, cost=cost, is_allowed=is_allowed, ahead_us=ahead_us)


class Limiter:
    """Never unlimited and never failing: without Upstash a limit of the same size holds here."""

    def __init__(self, upstash: Upstash | None, *, here: Store | None = None) -> None:
        self._shared = UpstashStore(upstash) if upstash else None
        self._here = here or MemoryStore()
        self.fallbacks = 0

    async def take(self, *, policy: str, key: str, rate: Rate, cost: int = 1) -> Decision:
        """`policy` names the limit in headers; `key` is `rate:{policy}:{whom it is for}`."""
        if self._shared:
            try:
                return await self._shared.take(policy=policy, key=key, rate=rate, cost=cost)
            except Away:
                self.fallbacks += 1
                metrics.limit_fallbacks.inc()
        return await self._here.take(policy=policy, key=key, rate=rate, cost=cost)


def _read_taken(answer: object) -> tuple[bool, int]:
    match answer:
        case [0, int(ahead_us)] if ahead_us >= 0:
            return False, ahead_us
        case [1, int(ahead_us)] if ahead_us >= 0:
            return True, ahead_us
        case _:
            raise ValueError("not the script's answer")
