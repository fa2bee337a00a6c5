"""Hub and inbox: what a socket hears, however fast or slow it is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db.generations import Announcement
from madar.domain.generations import State
from madar.realtime.hub import Hub, Inbox

A, B = uuid4(), uuid4()


def row(version: int, *, id: UUID = A, state: State = "processing") -> Announcement:
    return Announcement(id=id, version=version, state=state, document="{}")


def opened(hub: Hub, *joined: UUID) -> Inbox:
    inbox = hub.open(uuid4(), user_id=uuid4())
    assert inbox
    for generation_id in joined:
        hub.join(inbox, generation_id)
    return inbox


async def waiting_in(inbox: Inbox) -> list[Announcement]:
    """All that is there without waiting."""
    found: list[Announcement] = []
    while True:
        try:
            async with asyncio.timeout(0):
                news = await inbox.get()
        except TimeoutError:
            return found
        assert news is not None
        found.append(news)


def inbox_of(*rows: Announcement, joined: Sequence[UUID] = (A, B)) -> list[Announcement]:
    """What a socket that slept all the time finds."""

    async def run() -> list[Announcement]:
        inbox = opened(Hub(), *joined)
        for one in rows:
            inbox.put(one)
        return await waiting_in(inbox)

    return asyncio.run(run())


def test_the_newest_row_of_each_generation_wins() -> None:
    found = inbox_of(row(1), row(1, id=B), row(2), row(3), row(2, id=B))

    assert found == [row(3), row(2, id=B)]


def test_an_older_row_never_follows_a_newer_one() -> None:
    assert inbox_of(row(3), row(2), row(3)) == [row(3)]


def test_rows_of_what_was_not_joined_are_ignored() -> None:
    assert inbox_of(row(1), row(1, id=B), joined=[B]) == [row(1, id=B)]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), max_size=60))
def test_a_slow_socket_holds_one_row_for_each_generation_and_the_last_of_it(
    news: list[tuple[int, int]],
) -> None:
    ids = [UUID(int=n) for n in range(5)]
    newest = {ids[n]: max(v for m, v in news if m == n) for n, _ in news}

    found = inbox_of(*(row(v, id=ids[n]) for n, v in news), joined=ids)

    assert {one.id: one.version for one in found} == newest
    assert len(found) == len(newest)


@given(st.lists(st.one_of(st.integers(1, 30), st.none()), max_size=60))
def test_whenever_it_reads_versions_only_rise_and_the_last_arrives(
    steps: list[int | None],
) -> None:
    async def run() -> list[int]:
        inbox, seen = opened(Hub(), A), list[int]()
        for version in steps:
            if version is None:
                seen += [one.version for one in await waiting_in(inbox)]
            else:
                inbox.put(row(version))
        return seen + [one.version for one in await waiting_in(inbox)]

    seen = asyncio.run(run())

    assert seen == sorted(set(seen))
    put = [version for version in steps if version is not None]
    assert seen[-1:] == ([max(put)] if put else [])


def test_the_final_row_is_never_pushed_out() -> None:
    found = inbox_of(row(1), row(9, state="completed"), row(5), row(9))

    assert found == [row(9, state="completed")]


def test_after_leaving_what_waited_is_gone() -> None:
    async def run() -> list[Announcement]:
        hub = Hub()
        inbox = opened(hub, A, B)
        inbox.put(row(1))
        inbox.put(row(1, id=B))
        hub.leave(inbox, A)
        hub.leave(inbox, A)
        inbox.put(row(2))
        return await waiting_in(inbox)

    assert asyncio.run(run()) == [row(1, id=B)]


def test_an_ended_session_wakes_a_waiting_reader_with_nothing() -> None:
    async def run() -> list[Announcement | None]:
        hub = Hub()
        mine, other = opened(hub, A), opened(hub, A)
        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(one.get()) for one in (mine, other)]
            await asyncio.sleep(0)
            hub.end_sessions([mine.session_id])
            await asyncio.sleep(0)
            other.put(row(1))
        return [reader.result() for reader in reading]

    assert asyncio.run(run()) == [None, row(1)]


class Table:
    """What the hub reads from, and which ids it asked for."""

    def __init__(self, *rows: Announcement) -> None:
        self.rows = {one.id: one for one in rows}
        self.asked: list[set[UUID]] = []
        self.failures = 0

    async def read(self, ids: Sequence[UUID]) -> list[Announcement]:
        self.asked.append(set(ids))
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        return [self.rows[one] for one in ids if one in self.rows]


def delivered(
    act: Callable[[Hub, Table], Awaitable[None]], table: Table, *joins: Sequence[UUID]
) -> list[list[Announcement]]:
    """What each inbox holds after `act`."""

    async def run() -> list[list[Announcement]]:
        hub = Hub()
        inboxes = [opened(hub, *ids) for ids in joins]
        await act(hub, table)
        return [await waiting_in(inbox) for inbox in inboxes]

    return asyncio.run(run())


def test_many_bells_cost_one_reading_and_reach_everybody_who_joined() -> None:
    table = Table(row(3), row(4, id=B))

    async def act(hub: Hub, table: Table) -> None:
        for _ in range(50):
            hub.ring([A])
        hub.ring([B, uuid4()])
        await hub.deliver(table.read)

    found = delivered(act, table, [A], [A, B], [])

    assert found == [[row(3)], [row(3), row(4, id=B)], []] or found == [
        [row(3)],
        [row(4, id=B), row(3)],
        [],
    ]
    assert table.asked == [{A, B}]


def test_nobody_waits_so_nothing_is_read() -> None:
    async def act(hub: Hub, table: Table) -> None:
        hub.ring([A])
        hub.ring_all()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hub.deliver(table.read)

    assert delivered(act, Table(row(1)), []) == [[]]


def test_a_reading_that_failed_is_repeated_without_another_bell() -> None:
    table = Table(row(2), row(5, id=B))
    table.failures = 1

    async def act(hub: Hub, table: Table) -> None:
        hub.ring([A])
        with pytest.raises(ConnectionError):
            await hub.deliver(table.read)
        await hub.deliver(table.read)

    assert delivered(act, table, [A, B]) == [[row(2)]]
    assert table.asked == [{A}, {A}]


def test_after_a_silence_everything_joined_is_read_again() -> None:
    table = Table(row(2), row(5, id=B))

    async def act(hub: Hub, table: Table) -> None:
        hub.ring_all()
        await hub.deliver(table.read)

    delivered(act, table, [A], [B])

    assert table.asked == [{A, B}]


def test_a_closed_inbox_leaves_nothing_behind() -> None:
    async def act(hub: Hub, table: Table) -> None:
        inbox = opened(hub, A, B)
        hub.close(inbox)
        assert hub.session_ids == []
        hub.ring_all()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hub.deliver(table.read)

    delivered(act, Table(row(1)))


def test_one_person_has_ten_sockets_and_gets_an_eleventh_when_one_goes() -> None:
    hub, person = Hub(), uuid4()
    ten = [hub.open(uuid4(), user_id=person) for _ in range(10)]

    assert hub.open(uuid4(), user_id=person) is None
    assert hub.open(uuid4(), user_id=uuid4())

    assert ten[0]
    hub.close(ten[0])
    assert hub.open(uuid4(), user_id=person)
