"""The cache, in this process and in Upstash: never older than it may be, never a failure."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madar.clients.cache import (
    ENTRY_BYTES,
    MAX_VALUE_BYTES,
    Cache,
    MemoryCache,
    styles_key,
    user_key,
)
from madar.clients.upstash import FAILURES
from madar.domain.rates import parse_rate
from tests.limits.asking import any_fault, asking, closed_port, hurried
from tests.limits.bridge import Bridge, Fault

KEY = "styles:all:ar"


def test_keys_name_ids_only() -> None:
    assert user_key(UUID(int=1)) == "user:00000000-0000-0000-0000-000000000001"
    assert styles_key("ar") == "styles:all:ar"


async def uses(cache: Cache) -> None:
    assert await cache.get(KEY) is None
    await cache.set(KEY, '{"a": "كوب"}'.encode(), 60)
    await cache.set("other", b"", 60)
    assert await cache.get(KEY) == '{"a": "كوب"}'.encode()
    assert await cache.get("other") == b""
    await cache.set(KEY, b"newer", 60)
    assert await cache.get(KEY) == b"newer"
    await cache.set(KEY, b"x" * (MAX_VALUE_BYTES + 1), 60)
    assert await cache.get(KEY) is None, "an older value is not kept in place of one too large"
    await cache.set(KEY, b"x" * MAX_VALUE_BYTES, 60)
    await cache.delete(KEY, "other", "unknown")
    await cache.delete()
    assert await cache.get(KEY) is None
    assert await cache.get("other") is None
    await cache.set(KEY, b"already over", 0)
    assert await cache.get(KEY) is None


def test_it_gives_back_what_was_stored_here() -> None:
    asyncio.run(uses(Cache(None)))


def test_it_gives_back_what_was_stored_in_upstash(bridge: Bridge) -> None:
    async def main() -> None:
        async with asking(bridge) as asked:
            await uses(asked.cache)
            assert asked.upstash.breaker.is_closed

    asyncio.run(main())


def test_any_bytes_come_back(bridge: Bridge) -> None:
    @settings(max_examples=30)
    @given(value=st.binary(max_size=200))
    def come_back(value: bytes) -> None:
        async def main() -> bytes | None:
            async with asking(bridge) as asked:
                await asked.cache.set(KEY, value, 60)
                return await asked.cache.get(KEY)

        assert asyncio.run(main()) == value

    come_back()


def test_a_value_ends_with_its_time() -> None:
    now = 1000.0
    cache = Cache(None, here=MemoryCache(clock=lambda: now))

    async def main() -> None:
        nonlocal now
        await cache.set(KEY, b"styles", 60)
        now += 59.9
        assert await cache.get(KEY) == b"styles"
        now += 0.1
        assert await cache.get(KEY) is None

    asyncio.run(main())


def test_upstash_is_told_when_a_value_ends(bridge: Bridge) -> None:
    async def main() -> None:
        async with asking(bridge) as asked:
            await asked.cache.set(KEY, b"styles", 2.5)

    asyncio.run(main())

    left: Any = bridge.redis.pttl(KEY)  # pyright: ignore[reportUnknownMemberType]
    assert left <= 2500


def test_memory_is_bounded_and_what_was_used_lately_stays() -> None:
    here = MemoryCache(max_bytes=20 * (ENTRY_BYTES + 100))
    cache = Cache(None, here=here)

    async def main() -> None:
        await cache.set("kept", b"x", 60)
        for number in range(1000):
            await cache.set(f"{number}", b"x" * 90, 60)
            assert here.bytes <= 20 * (ENTRY_BYTES + 100)
            assert await cache.get("kept") == b"x"
        assert await cache.get("999") is not None
        assert await cache.get("900") is None
        await cache.delete("kept", *(f"{number}" for number in range(1000)))
        assert here.bytes == 0

    asyncio.run(main())


def test_a_deletion_reaches_every_machine(bridge: Bridge) -> None:
    async def main() -> None:
        async with asking(bridge) as one, asking(bridge) as other:
            await one.cache.set(KEY, b"styles", 60)
            assert await other.cache.get(KEY) == b"styles"

            await other.cache.delete(KEY)

            assert await one.cache.get(KEY) is None

    asyncio.run(main())


@any_fault
def test_whatever_upstash_does_is_a_miss_and_it_is_soon_spared(
    bridge: Bridge, fault: Fault
) -> None:
    bridge.fault = fault

    async def main() -> None:
        async with hurried(bridge) as asked:
            for _ in range(20):
                assert await asked.cache.get(KEY) is None
            await asked.cache.set(KEY, b"styles", 60)
            await asked.cache.delete(KEY)

    asyncio.run(main())

    assert bridge.asked <= FAILURES


def test_writing_to_upstash_that_is_not_there_is_no_failure(bridge: Bridge) -> None:
    async def main() -> None:
        async with hurried(bridge, url=closed_port()) as asked:
            await asked.cache.set(KEY, b"styles", 60)
            await asked.cache.delete(KEY)
            assert await asked.cache.get(KEY) is None

    asyncio.run(main())


@pytest.mark.parametrize("value", ["not base64!", "é", "YQ=", "{}"])
def test_what_somebody_else_wrote_there_is_a_miss(bridge: Bridge, value: str) -> None:
    bridge.redis.set(KEY, value)  # pyright: ignore[reportUnknownMemberType]

    async def main() -> None:
        async with asking(bridge) as asked:
            assert await asked.cache.get(KEY) is None

    asyncio.run(main())


def test_a_key_of_another_type_is_a_miss(bridge: Bridge) -> None:
    bridge.redis.lpush(KEY, "x")  # pyright: ignore[reportUnknownMemberType]

    async def main() -> None:
        async with asking(bridge) as asked:
            assert await asked.cache.get(KEY) is None

    asyncio.run(main())


def test_limiter_and_cache_share_one_breaker(bridge: Bridge) -> None:
    bridge.fault = "html"

    async def main() -> None:
        async with asking(bridge) as asked:
            for _ in range(FAILURES):
                await asked.cache.get(KEY)
            await asked.limiter.take(policy="api", key="rate:api:amal", rate=parse_rate("5/1h"))
            assert asked.limiter.fallbacks == 1

    asyncio.run(main())

    assert bridge.asked == FAILURES
