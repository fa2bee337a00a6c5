"""The limiter over Upstash: shared while it answers, of the same size here while it does not."""

import asyncio

from madar.clients.limits import Limiter, MemoryStore
from madar.clients.upstash import FAILURES
from madar.domain.rates import Decision, parse_rate
from tests.limits.asking import Asking, any_fault, asking, closed_port, hurried
from tests.limits.bridge import Bridge, Fault
from tests.limits.stores import PATIENT_S

FIVE = parse_rate("5/1h")


async def take(limiter: Limiter, key: str = "rate:api:amal") -> Decision:
    return await limiter.take(policy="api", key=key, rate=FIVE)


async def take_many(asked: Asking, times: int) -> list[bool]:
    return [(await take(asked.limiter)).is_allowed for _ in range(times)]


def test_without_upstash_it_counts_here() -> None:
    limiter = Limiter(None)

    async def main() -> list[bool]:
        return [(await take(limiter)).is_allowed for _ in range(7)]

    assert asyncio.run(main()) == [True] * 5 + [False] * 2
    assert limiter.fallbacks == 0


def test_two_machines_share_one_limit(bridge: Bridge) -> None:
    async def main() -> list[bool]:
        async with asking(bridge) as one, asking(bridge) as other:
            turns = [one, other] * 4
            answers = await asyncio.gather(*(take(asked.limiter) for asked in turns))
            assert one.limiter.fallbacks == other.limiter.fallbacks == 0
            return [answer.is_allowed for answer in answers]

    assert sum(asyncio.run(main())) == 5
    assert bridge.asked == 8


def test_its_keys_name_policy_and_subject_and_end_by_themselves(bridge: Bridge) -> None:
    async def main() -> None:
        async with asking(bridge) as asked:
            await take(asked.limiter)

    asyncio.run(main())

    assert bridge.redis.keys() == [b"rate:api:amal"]  # pyright: ignore[reportUnknownMemberType]
    assert 0 < bridge.redis.pttl("rate:api:amal") <= 720_001  # pyright: ignore[reportUnknownMemberType, reportOperatorIssue]


@any_fault
def test_whatever_upstash_does_the_limit_holds_and_it_is_soon_spared(
    bridge: Bridge, fault: Fault
) -> None:
    bridge.fault = fault

    async def main() -> None:
        async with hurried(bridge) as asked:
            assert await take_many(asked, 20) == [True] * 5 + [False] * 15
            assert asked.limiter.fallbacks == 20
            assert not asked.upstash.breaker.is_closed

    asyncio.run(main())

    assert bridge.asked <= FAILURES


def test_a_negative_answer_is_no_answer(bridge: Bridge) -> None:
    bridge.fault = "negative"

    async def main() -> None:
        async with asking(bridge) as asked:
            await take(asked.limiter)
            assert asked.limiter.fallbacks == 1

    asyncio.run(main())


def test_upstash_that_is_not_there_is_replaced(bridge: Bridge) -> None:
    async def main() -> None:
        async with hurried(bridge, url=closed_port()) as asked:
            assert await take_many(asked, 20) == [True] * 5 + [False] * 15
            assert not asked.upstash.breaker.is_closed

    asyncio.run(main())


def test_a_token_that_is_refused_is_the_same(bridge: Bridge) -> None:
    async def main() -> None:
        async with asking(bridge, token="another") as asked:
            assert await take_many(asked, 20) == [True] * 5 + [False] * 15
            assert not asked.upstash.breaker.is_closed

    asyncio.run(main())

    assert bridge.asked == 0


def test_a_key_of_another_type_is_the_same(bridge: Bridge) -> None:
    bridge.redis.lpush("rate:api:amal", "x")  # pyright: ignore[reportUnknownMemberType]

    async def main() -> None:
        async with asking(bridge) as asked:
            assert await take_many(asked, 7) == [True] * 5 + [False] * 2

    asyncio.run(main())


def test_many_cut_off_at_once_leave_no_connection_taken(bridge: Bridge) -> None:
    """More than there are connections; with the last pause over, it serves again."""

    async def main() -> None:
        async with hurried(bridge) as asked:
            bridge.fault = "hanging"
            answers = await asyncio.gather(*(take(asked.limiter) for _ in range(150)))
            assert sum(answer.is_allowed for answer in answers) == 5
            assert asked.limiter.fallbacks == 150
            bridge.fault = ""
            asked.pause()
            asked.upstash.budget_s = PATIENT_S
            await take(asked.limiter, "rate:api:badr")
            assert asked.limiter.fallbacks == 150

    asyncio.run(main())


@any_fault
def test_after_the_pause_one_probe_finds_it_still_away(bridge: Bridge, fault: Fault) -> None:
    bridge.fault = fault

    async def main() -> None:
        async with hurried(bridge) as asked:
            await take_many(asked, 20)
            asked.pause()
            await take_many(asked, 20)

    asyncio.run(main())

    assert bridge.asked <= FAILURES + 1


def test_after_the_pause_one_probe_brings_it_back(bridge: Bridge) -> None:
    async def main() -> None:
        async with asking(bridge) as asked:
            bridge.fault = "html"
            await take_many(asked, 8)
            bridge.fault = ""
            asked.pause()
            assert await take_many(asked, 6) == [True] * 5 + [False]
            assert asked.upstash.breaker.is_closed
            assert asked.limiter.fallbacks == 8

    asyncio.run(main())

    assert bridge.asked == FAILURES + 6


def test_somebody_who_leaves_is_no_failure_of_upstash(bridge: Bridge) -> None:
    bridge.fault = "hanging"

    async def main() -> None:
        async with asking(bridge) as asked:
            for _ in range(FAILURES + 1):
                leaving = asyncio.timeout(0.01)
                try:
                    async with leaving:
                        await take(asked.limiter)
                except TimeoutError:
                    assert leaving.expired()
            assert asked.upstash.breaker.is_closed
            assert asked.limiter.fallbacks == 0

    asyncio.run(main())


def test_memory_is_bounded_and_whoever_used_most_is_remembered() -> None:
    now_ns = 10**15
    store = MemoryStore(max_keys=100, clock_ns=lambda: now_ns)
    limiter = Limiter(None, here=store)

    async def main() -> None:
        for _ in range(5):
            await take(limiter, "greedy")
        for number in range(5000):
            await take(limiter, f"passer-by {number}")
            assert store.size <= 100
        assert not (await take(limiter, "greedy")).is_allowed

    asyncio.run(main())


def test_keys_that_say_nothing_any_more_go_first() -> None:
    now_ns = 10**15
    store = MemoryStore(max_keys=100, clock_ns=lambda: now_ns)

    async def main() -> None:
        nonlocal now_ns
        for number in range(100):
            await take(Limiter(None, here=store), f"past {number}")
        now_ns += 3600 * 10**9
        await take(Limiter(None, here=store), "new")
        assert store.size == 1

    asyncio.run(main())
