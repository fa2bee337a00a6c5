"""Inbox: what a connection hears, however fast or slow it is."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db.live import News
from madar.realtime import inbox as inboxes
from madar.realtime.endings import NOT_SIGNED_IN, SERVICE_RESTART
from madar.realtime.hub import Hub
from madar.realtime.inbox import MAX_REMEMBERED, MAX_WAITING, OVERFLOW, Inbox
from tests.realtime.told import A, B, deleted, news, opened, told, unfinished, waiting_in

IDS = [UUID(int=n) for n in range(1, 6)]


@pytest.fixture(autouse=True)
def _unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace has tests of its own."""
    monkeypatch.setattr(inboxes, "PROGRESS_EVERY_S", 0)


def inbox_of(
    *rows: News, joined: Sequence[UUID] = (A, B), mine: bool = False
) -> list[tuple[UUID, int]]:
    """What a socket that slept all the time finds."""

    async def run() -> list[tuple[UUID, int]]:
        inbox = opened(Hub(unfinished), *joined, mine=mine)
        for one in rows:
            inbox.put(told(one))
        return await waiting_in(inbox)

    return asyncio.run(run())


def test_the_newest_row_of_each_generation_wins() -> None:
    found = inbox_of(news(1), news(1, id=B), news(2), news(3), news(2, id=B))

    assert found == [(A, 3), (B, 2)]


def test_an_older_row_never_follows_a_newer_one() -> None:
    assert inbox_of(news(3), news(2), news(3)) == [(A, 3)]


def test_the_final_row_is_never_pushed_out() -> None:
    found = inbox_of(news(1), news(9, state="completed"), news(5), news(9))

    assert found == [(A, 9)]


def test_what_is_final_goes_before_what_is_not() -> None:
    found = inbox_of(news(1), news(2, id=B, state="completed"), news(3))

    assert found == [(B, 2), (A, 3)]


def test_a_deletion_that_was_taken_back_before_anybody_read_is_not_told() -> None:
    assert inbox_of(deleted(4), news(5)) == [(A, 5)]


changes = st.lists(
    st.one_of(
        st.none(),  # the socket reads
        st.tuples(st.sampled_from(IDS), st.integers(1, 30), st.booleans(), st.booleans()),
    ),
    max_size=80,
)


@given(changes, st.booleans())
def test_however_it_reads_versions_rise_and_the_last_of_each_arrives(
    steps: list[tuple[UUID, int, bool, bool] | None],
    mine: bool,  # noqa: FBT001
) -> None:
    async def run() -> list[tuple[UUID, int]]:
        hub, seen = Hub(unfinished), list[tuple[UUID, int]]()
        inbox = opened(hub, mine=True) if mine else opened(hub, *IDS)
        for step in steps:
            if step is None:
                seen += await waiting_in(inbox)
            else:
                one, version, is_final, is_snapshot = step
                if is_snapshot:  # as fresh as anything that was told
                    version = max(version, inbox.known(one))
                    inbox.show(one, version)
                    seen.append((one, version))
                else:
                    state = "completed" if is_final else "processing"
                    inbox.put(told(news(version, id=one, state=state)))
        return seen + await waiting_in(inbox)

    seen = asyncio.run(run())

    for generation_id in IDS:
        versions = [version for one, version in seen if one == generation_id]
        put = [step[1] for step in steps if step and step[0] == generation_id]
        assert versions == sorted(versions)
        assert versions[-1:] == ([max(put)] if put else [])


@given(st.lists(st.tuples(st.sampled_from(IDS), st.integers(1, 30)), max_size=60))
def test_a_slow_socket_holds_one_row_for_each_generation(changed: list[tuple[UUID, int]]) -> None:
    newest = dict(sorted(changed))

    found = inbox_of(*(news(version, id=one) for one, version in changed), joined=IDS)

    assert dict(found) == newest
    assert len(found) == len(newest)


def test_after_leaving_what_waited_is_gone() -> None:
    async def run() -> list[tuple[UUID, int]]:
        hub = Hub(unfinished)
        inbox = opened(hub, A, B)
        inbox.put(told(news(1)))
        inbox.put(told(news(1, id=B)))
        hub.leave(inbox, A)
        hub.leave(inbox, A)
        return await waiting_in(inbox)

    assert asyncio.run(run()) == [(B, 1)]


def test_what_is_heard_of_for_two_reasons_stays_when_one_goes() -> None:
    async def run() -> list[list[tuple[UUID, int]]]:
        hub = Hub(unfinished)
        all_left, one_left = opened(hub, A, mine=True), opened(hub, A, mine=True)
        for inbox in (all_left, one_left):
            inbox.put(told(news(1)))
            inbox.put(told(news(1, id=B)))
        hub.leave_mine(all_left)
        hub.leave(one_left, A)
        return [await waiting_in(inbox) for inbox in (all_left, one_left)]

    assert asyncio.run(run()) == [[(A, 1)], [(A, 1), (B, 1)]]


def test_nothing_comes_out_while_a_snapshot_is_read_and_nothing_older_afterwards() -> None:
    async def run() -> list[list[tuple[UUID, int]]]:
        inbox = opened(Hub(unfinished), A, B)
        inbox.hold()
        inbox.put(told(news(2)))
        inbox.put(told(news(5, id=B, state="completed")))
        held = await waiting_in(inbox)
        inbox.show(A, 2)
        inbox.show(B, 4)
        inbox.go_on()
        return [held, await waiting_in(inbox)]

    assert asyncio.run(run()) == [[], [(B, 5)]]


def test_too_much_that_was_not_joined_is_dropped_and_has_to_be_looked_at_anew() -> None:
    async def run() -> list[object]:
        inbox = opened(Hub(unfinished), A, mine=True)
        inbox.put(told(news(1, state="completed")))
        for _ in range(MAX_WAITING):
            inbox.put(told(news(1, id=uuid4())))
        inbox.put(told(news(1, id=B)))
        first = await inbox.get()
        inbox.is_overflowed = False
        inbox.put(told(news(2, id=B)))
        return [first, *await waiting_in(inbox)]

    assert asyncio.run(run()) == [OVERFLOW, (A, 1), (B, 2)]


def test_a_hundred_that_were_joined_never_overflow() -> None:
    many = [uuid4() for _ in range(MAX_WAITING + 50)]

    assert len(inbox_of(*(news(1, id=one) for one in many), joined=many)) == len(many)


def test_it_remembers_only_so_many_versions_of_what_it_did_not_join() -> None:
    inbox = Inbox(uuid4(), user_id=uuid4())
    inbox.mine = {}
    ids = [uuid4() for _ in range(MAX_REMEMBERED + 1)]

    for one in ids:
        inbox.show(one, 7)
    inbox.show(ids[1], 8)

    assert len(inbox.mine) == MAX_REMEMBERED
    assert [inbox.known(one) for one in (ids[0], ids[1], ids[-1])] == [0, 8, 7]


# Pace


def heard_within(inbox: Inbox, seconds: float) -> list[float]:
    """When each piece of news came out, counted from the beginning."""

    async def run() -> list[float]:
        began_at, at = time.monotonic(), list[float]()

        async def change() -> None:
            for version in range(1, 10_000):
                inbox.put(told(news(version)))
                await asyncio.sleep(0.001)

        async def read() -> None:
            while True:
                await inbox.get()
                at.append(time.monotonic() - began_at)

        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(change())
                tasks.create_task(read())
        except TimeoutError:
            pass
        return at

    return asyncio.run(run())


def test_progress_comes_at_once_and_then_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inboxes, "PROGRESS_EVERY_S", 0.1)

    at = heard_within(opened(Hub(unfinished), A), 0.75)

    assert at[0] < 0.1
    assert 2 <= len(at) <= 8
    assert all(after - before > 0.09 for before, after in itertools.pairwise(at))


def test_what_is_final_waits_for_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "PROGRESS_EVERY_S", 3600)

    async def run() -> list[tuple[UUID, int]]:
        inbox = opened(Hub(unfinished), A, B)
        inbox.put(told(news(1)))
        first = await waiting_in(inbox)
        inbox.put(told(news(2)))
        inbox.put(told(news(3, id=B, state="completed")))
        inbox.put(told(deleted(4)))
        return first + await waiting_in(inbox)

    assert asyncio.run(run()) == [(A, 1), (B, 3), (A, 4)]


# Endings


def test_an_ended_inbox_wakes_its_reader_and_tells_the_first_reason() -> None:
    async def run() -> object:
        inbox = opened(Hub(unfinished), A)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(inbox.get())
            await asyncio.sleep(0)
            inbox.end(NOT_SIGNED_IN)
            inbox.end(SERVICE_RESTART)
            inbox.put(told(news(1)))
        return reading.result()

    assert asyncio.run(run()) == NOT_SIGNED_IN


def test_a_deletion_of_what_was_joined_by_its_id_is_told_whatever_else_is_dropped() -> None:
    """It is not joined any longer, so nobody else tells of it."""

    async def run(*, overflows: bool) -> list[tuple[UUID, int]]:
        hub = Hub(unfinished)
        inbox = opened(hub, A, mine=True)
        inbox.put(told(deleted(4)))
        inbox.part(A)
        if overflows:
            for n in range(MAX_WAITING + 1):
                inbox.put(told(news(1, id=UUID(int=n))))
            assert await inbox.get() == OVERFLOW
        hub.leave_mine(inbox)
        return await waiting_in(inbox)

    for overflows in (False, True):
        assert asyncio.run(run(overflows=overflows)) == [(A, 4)]
