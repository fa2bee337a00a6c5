"""Upstash's Redis over REST: optional, so it is never waited for and never trusted to answer."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import httpx

from madar import metrics
from madar.clients.tls import tls_context
from madar.settings import Settings

if TYPE_CHECKING:
    from upstash_redis.asyncio import Redis

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

BUDGET_S = 0.15
FAILURES = 5
FAILURES_WITHIN_S = 10
PAUSE_S = 15
PROBE_S = 1
# A new connection takes most of the budget, so one is kept longer than httpx's five seconds.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60)
_open = metrics.breaker_open.labels("upstash")


class Away(Exception):
    """No usable answer in time, or not asked because there was none lately."""


class Breaker:
    """Five failures in ten seconds: fifteen seconds of rest, then a probe a second until one works.

    Closed means calls go through, as in an electric circuit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=FAILURES)
        self._next_probe_at: float | None = None
        self._is_probing = False

    @property
    def is_closed(self) -> bool:
        return self._next_probe_at is None

    def admits(self) -> bool:
        """Each True is for one call, whose outcome is then reported."""
        if self._next_probe_at is None:
            return True
        now = self._clock()
        if now < self._next_probe_at:
            return False
        self._is_probing = True
        self._next_probe_at = now + PROBE_S  # should this one never report
        return True

    def failed(self) -> None:
        now = self._clock()
        self._failed_at.append(now)
        is_many = len(self._failed_at) == FAILURES
        if not self.is_closed:
            self._rest(now)
        elif is_many and now - self._failed_at[0] <= FAILURES_WITHIN_S:
            log.warning("upstash.away")
            _open.set(1)
            self._rest(now)

    def succeeded(self) -> None:
        """Only a probe closes it again; a late answer to an earlier call says little."""
        if self._is_probing:
            log.warning("upstash.back")
            _open.set(0)
            self._failed_at.clear()
            self._next_probe_at, self._is_probing = None, False

    def _rest(self, now: float) -> None:
        self._next_probe_at, self._is_probing = now + PAUSE_S, False


class Upstash:
    """One per process and event loop."""

    def __init__(
        self, redis: "Redis", *, budget_s: float = BUDGET_S, breaker: Breaker | None = None
    ) -> None:
        self._redis = redis
        self.budget_s = budget_s
        self.breaker = breaker or Breaker()

    async def ask(
        self,
        question: Callable[["Redis"], Awaitable[object]],
        read: Callable[[object], Answer],
    ) -> Answer:
        """One question, once; `read` raises ValueError for an answer of a strange shape.

        Raises Away, and nothing else.
        """
        if not self.breaker.admits():
            raise Away
        try:
            async with asyncio.timeout(self.budget_s):
                answer = read(await question(self._redis))
        except Exception as error:  # whatever an optional service says, the request goes on
            log.debug("upstash.failed", extra={"why": type(error).__name__})
            self.breaker.failed()
            raise Away from error
        self.breaker.succeeded()
        return answer


@asynccontextmanager
async def open_upstash(settings: Settings) -> AsyncGenerator[Upstash | None]:
    """None where it is not configured."""
    if not settings.upstash_redis_rest_url:
        yield None
        return
    async with connect(
        settings.upstash_redis_rest_url, str(settings.upstash_redis_rest_token)
    ) as redis:
        yield Upstash(redis)


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncGenerator["Redis"]:
    from upstash_redis.asyncio import Redis  # noqa: PLC0415 (100 ms, and rarely configured)

    async with (
        httpx.AsyncClient(timeout=None, limits=LIMITS, verify=tls_context()) as http,  # noqa: S113
        Redis(url, token, rest_retries=0, allow_telemetry=False) as redis,
    ):
        own, redis._http._client = redis._http._client, http  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        await own.aclose()
        yield redis
