"""The three stores behind one face: take, take together, and let time pass without waiting."""

import asyncio
import itertools
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
from anyio.from_thread import BlockingPortal, start_blocking_portal

from madar.clients.limits import MemoryStore, UpstashStore
from madar.clients.upstash import Upstash, connect
from madar.db import limits
from madar.db.pool import Pool, connection, open_pool
from madar.domain.rates import Decision, Rate, Store
from tests.limits.bridge import Bridge

POLICY = "generations"
PATIENT_S = 30  # these tests ask whether stores agree, not whether this machine is busy
CONNECTIONS = 8
_numbers = itertools.count()


def fresh_key() -> str:
    return f"rate:{POLICY}:{next(_numbers)}"


class Passing(Protocol):
    def __call__(self, seconds: float) -> None: ...


class Tried:
    """A store and its event loop, for tests that are not asynchronous."""

    def __init__(self, portal: BlockingPortal, store: Store, wait: Passing) -> None:
        self._portal = portal
        self._store = store
        self.wait = wait

    def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        return self.together(key, rate, [cost])[0]

    def together(self, key: str, rate: Rate, costs: list[int]) -> list[Decision]:
        """All at once, on as many connections as there are."""

        async def take_all() -> list[Decision]:
            wishes = (
                self._store.take(policy=POLICY, key=key, rate=rate, cost=cost) for cost in costs
            )
            return await asyncio.gather(*wishes)

        return self._portal.call(take_all)


class _Database:
    """`madar.db.limits` is called with the caller's connection; here each take has its own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(CONNECTIONS)

    async def take(self, *, policy: str, key: str, rate: Rate, cost: int = 1) -> Decision:
        async with self._free, connection(self._pool) as conn:
            return await limits.take(conn, policy=policy, key=key, rate=rate, cost=cost)


@contextmanager
def memory() -> Generator[Tried]:
    now_ns = 10**15

    def wait(seconds: float) -> None:
        nonlocal now_ns
        now_ns += round(seconds * 1e9)

    with start_blocking_portal() as portal:
        yield Tried(portal, MemoryStore(clock_ns=lambda: now_ns), wait)


@contextmanager
def database(dsn: str) -> Generator[Tried]:
    def wait(seconds: float) -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("UPDATE rate_limits SET tat = tat - make_interval(secs => %s)", [seconds])

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_pool(dsn, max_size=CONNECTIONS)) as pool,
    ):
        yield Tried(portal, _Database(pool), wait)


@contextmanager
def upstash(bridge: Bridge) -> Generator[Tried]:
    def wait(seconds: float) -> None:
        server: Any = bridge.redis
        for key in server.keys("rate:*"):
            server.set(key, int(server.get(key)) - round(seconds * 1e6), keepttl=True)

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(connect(bridge.url, bridge.token)) as redis,
    ):
        store = UpstashStore(Upstash(redis, budget_s=PATIENT_S))
        yield Tried(portal, store, wait)
        bridge.redis.flushall()  # pyright: ignore[reportUnknownMemberType]
