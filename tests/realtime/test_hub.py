"""Hub: who hears of what, and what is read for it."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from uuid import UUID, uuid4

import pytest

from madar.db.live import Changed, News
from madar.domain.generations import State
from madar.realtime import hub as hubs
from madar.realtime import inbox as inboxes
from madar.realtime.endings import FORBIDDEN, NOT_SIGNED_IN, SERVICE_RESTART
from madar.realtime.hub import MAX_SOCKETS, Hub
from madar.realtime.inbox import Inbox
from madar.realtime.messages import Told
from tests.realtime.told import (
    AMAL,
    BADR,
    A,
    B,
    deleted,
    gone,
    news,
    opened,
    unfinished,
    waiting_in,
)


@pytest.fixture(autouse=True)
def _unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "PROGRESS_EVERY_S", 0)


class Table:
    """What the hub reads from, and what it said it knew."""

    def __init__(self, *rows: News) -> None:
        self.rows = {one.id: one for one in rows}
        self.asked: list[dict[UUID, int]] = []
        self.failures = 0

    async def read(self, known: Mapping[UUID, int]) -> list[News]:
        self.asked.append(dict(known))
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        rows = [self.rows[one] for one in known if one in self.rows]
        return [one for one in rows if one.version > known[one.id]]


Act = Callable[[Hub, Table], Awaitable[None]]
Open = Callable[[Hub], Inbox]


def delivered(act: Act, table: Table, *opens: Open) -> list[set[tuple[UUID, int]]]:
    """What each inbox holds after `act`."""

    async def run() -> list[set[tuple[UUID, int]]]:
        hub = Hub(unfinished)
        inboxes = [one(hub) for one in opens]
        await act(hub, table)
        return [set(await waiting_in(inbox)) for inbox in inboxes]

    return asyncio.run(run())


def joined(*ids: UUID) -> Open:
    return lambda hub: opened(hub, *ids)


def following(owner_id: UUID) -> Open:
    return lambda hub: opened(hub, mine=True, owner_id=owner_id)


def test_many_bells_cost_one_reading_and_reach_everybody_who_joined() -> None:
    table = Table(news(3), news(4, id=B))

    async def act(hub: Hub, table: Table) -> None:
        for _ in range(50):
            hub.ring(A, version=3)
        hub.ring(B)
        hub.ring(uuid4())
        await hub.deliver(table.read)

    found = delivered(act, table, joined(A), joined(A, B), joined())

    assert found == [{(A, 3)}, {(A, 3), (B, 4)}, set()]
    assert table.asked == [{A: 0, B: 0}]


def test_whoever_follows_a_person_hears_of_what_nobody_knew_yet() -> None:
    hers, his = news(1), news(1, id=B, owner_id=BADR)

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A, version=1, owner_id=AMAL)
        hub.ring(B, version=1, owner_id=BADR)
        await hub.deliver(table.read)

    found = delivered(act, Table(hers, his), following(AMAL), following(BADR))

    assert found == [{(A, 1)}, {(B, 1)}]


def test_a_stranger_hears_nothing_before_the_refusal() -> None:
    """Joining registers first and looks then whose it is."""

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A, version=1, owner_id=AMAL)
        hub.ring(B)
        await hub.deliver(table.read)

    def stranger(hub: Hub) -> Inbox:
        return opened(hub, A, B, owner_id=BADR)

    assert delivered(act, Table(news(1), gone(1, id=B)), joined(A), stranger) == [{(A, 1)}, set()]


def test_the_row_says_whose_it_is_not_the_bell() -> None:
    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A, version=1, owner_id=BADR)
        await hub.deliver(table.read)

    found = delivered(act, Table(news(1, owner_id=AMAL)), following(AMAL), following(BADR))

    assert found == [{(A, 1)}, set()]


def test_only_what_is_newer_than_the_least_informed_knows_is_read() -> None:
    table = Table(news(5))

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A)
        await hub.deliver(table.read)
        late = opened(hub, A)
        late.show(A, 3)
        hub.ring(A)
        await hub.deliver(table.read)
        hub.ring(A)
        await hub.deliver(table.read)

    delivered(act, table, joined(A))

    assert table.asked == [{A: 0}, {A: 3}, {A: 5}]


def test_everybody_hears_the_same_message_made_once() -> None:
    async def run() -> list[object]:
        hub, table = Hub(unfinished), Table(news(1))
        inboxes = [opened(hub, A) for _ in range(3)]
        hub.ring(A)
        await hub.deliver(table.read)
        heard = [await inbox.get() for inbox in inboxes]
        return [one.in_language("en") for one in heard if isinstance(one, Told)]

    messages = asyncio.run(run())

    assert len(messages) == 3
    assert len({id(one) for one in messages}) == 1


def test_the_first_bell_is_answered_at_once_and_the_next_after_a_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "TICK_S", 0.2)

    async def run() -> list[float]:
        hub, table, took = Hub(unfinished), Table(news(1)), list[float]()
        opened(hub, A)
        for _ in range(2):
            hub.ring(A)
            began_at = time.monotonic()
            await hub.deliver(table.read)
            took.append(time.monotonic() - began_at)
        return took

    first, second = asyncio.run(run())

    assert first < 0.1 < second


def test_nobody_waits_so_nothing_is_read() -> None:
    async def act(hub: Hub, _: Table) -> None:
        hub.ring(A, owner_id=AMAL)
        hub.ring_all()
        hub.ring_changed([Changed(id=A, user_id=AMAL, version=1)])
        assert not hub.rung.is_set()

    assert delivered(act, Table(news(1)), joined()) == [set()]


def test_a_reading_that_failed_is_repeated_without_another_bell() -> None:
    table = Table(news(2), news(5, id=B))
    table.failures = 1

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A)
        with pytest.raises(ConnectionError):
            await hub.deliver(table.read)
        await hub.deliver(table.read)

    assert delivered(act, table, joined(A, B)) == [{(A, 2)}]
    assert table.asked == [{A: 0}, {A: 0}]


def test_after_a_silence_everything_joined_is_read_again() -> None:
    table = Table(news(2), news(5, id=B))

    async def act(hub: Hub, table: Table) -> None:
        hub.ring_all()
        await hub.deliver(table.read)

    delivered(act, table, joined(A), joined(B))

    assert table.asked == [{A: 0, B: 0}]


def test_everything_is_read_by_and_by_and_what_rings_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "MAX_UNSURE_READ", 2)
    many, table = [uuid4() for _ in range(5)], Table()

    async def act(hub: Hub, table: Table) -> None:
        left = opened(hub, B)
        hub.ring_all()
        hub.leave(left, B)
        hub.ring(A)
        while hub.rung.is_set():
            await hub.deliver(table.read)

    delivered(act, table, joined(A, *many))

    assert A in table.asked[0]
    assert max(len(known) for known in table.asked) <= 3
    assert {one for known in table.asked for one in known} == {A, *many}


def test_after_a_silence_only_what_followers_have_not_heard_is_read() -> None:
    table = Table(news(2), news(5, id=B))
    changed = [
        Changed(id=A, user_id=AMAL, version=2),
        Changed(id=B, user_id=AMAL, version=5),
        Changed(id=uuid4(), user_id=BADR, version=1),
    ]

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A, version=2, owner_id=AMAL)
        await hub.deliver(table.read)
        hub.ring_changed(changed)
        await hub.deliver(table.read)
        hub.ring_changed(changed)
        assert not hub.rung.is_set()

    found = delivered(act, table, following(AMAL))

    assert found == [{(A, 2), (B, 5)}]
    assert table.asked == [{A: 0}, {B: 0}]


# Deletions


def test_a_second_silence_does_not_begin_the_reading_of_the_first_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last would wait for ever; but what was read before it is read once more."""
    monkeypatch.setattr(hubs, "MAX_UNSURE_READ", 2)
    many, table = [uuid4() for _ in range(6)], Table()

    async def act(hub: Hub, table: Table) -> None:
        for _ in range(3):
            hub.ring_all()
            await hub.deliver(table.read)
        assert {one for known in table.asked for one in known} == set(many)
        while hub.rung.is_set():
            await hub.deliver(table.read)

    delivered(act, table, joined(*many))

    assert Counter(one for known in table.asked for one in known) == dict.fromkeys(many, 2)


def test_what_many_rang_at_once_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_READ", 2)
    many = [uuid4() for _ in range(5)]
    table = Table(*(news(1, id=one) for one in many))

    async def act(hub: Hub, table: Table) -> None:
        for one in many:
            hub.ring(one)
        while hub.rung.is_set():
            await hub.deliver(table.read)

    found = delivered(act, table, joined(*many))

    assert found == [{(one, 1) for one in many}]
    assert [len(known) for known in table.asked] == [2, 2, 1]


def test_what_was_found_once_is_not_told_again_though_it_was_forgotten() -> None:
    """More changed than an inbox remembers; every re-reading finds all of it for half a minute."""
    many = [uuid4() for _ in range(inboxes.MAX_REMEMBERED + 50)]
    table = Table(*(news(1, id=one) for one in many))
    changed = [Changed(id=one, user_id=AMAL, version=1) for one in many]

    async def run() -> None:
        hub = Hub(unfinished)
        opened(hub, mine=True)
        for _ in range(3):
            hub.ring_changed(changed)
            while hub.rung.is_set():
                await hub.deliver(table.read)

    asyncio.run(run())

    assert Counter(one for known in table.asked for one in known) == dict.fromkeys(many, 1)


def test_a_row_that_cannot_be_told_takes_nothing_from_the_others() -> None:
    """As of a state that only a later release knows."""
    odd = cast("State", "dreaming")

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A)
        hub.ring(B)
        await hub.deliver(table.read)

    assert delivered(act, Table(news(2, state=odd), news(3, id=B)), joined(A, B)) == [{(B, 3)}]


def test_an_answer_that_tells_of_a_deletion_ends_the_joining() -> None:
    async def act(hub: Hub, table: Table) -> None:
        inbox = opened(hub, A, B)
        hub.show_deletion(inbox, A, 3)
        inbox.show(B, 5)
        hub.show_deletion(inbox, B, 4)
        assert inbox.joined == {B: 5}
        del table

    delivered(act, Table())


def test_what_is_deleted_is_told_once_and_joined_no_more() -> None:
    table = Table(deleted(4))

    async def act(hub: Hub, table: Table) -> None:
        hub.ring(A, version=4, owner_id=AMAL)
        await hub.deliver(table.read)
        hub.ring_all()
        assert not hub.rung.is_set()

    assert delivered(act, table, joined(A), following(AMAL)) == [{(A, 4)}, {(A, 4)}]


def test_a_row_that_is_gone_is_told_in_a_version_newer_than_anybody_knows() -> None:
    async def act(hub: Hub, table: Table) -> None:
        informed, late = opened(hub, A), opened(hub, A)
        informed.show(A, 9)
        late.show(A, 3)
        hub.ring_all()
        await hub.deliver(table.read)
        assert await waiting_in(informed) == await waiting_in(late) == [(A, 10)]

    delivered(act, Table(gone(4)))


def test_a_follower_believes_the_bell_about_the_version_of_what_is_gone() -> None:
    changed = [Changed(id=A, user_id=AMAL, version=8)]

    async def act(hub: Hub, table: Table) -> None:
        hub.ring_changed(changed)
        await hub.deliver(table.read)
        hub.ring_changed(changed)
        assert not hub.rung.is_set()

    assert delivered(act, Table(gone(1)), following(AMAL)) == [{(A, 8)}]


def test_who_joins_what_was_restored_while_its_deletion_was_read_stays_joined() -> None:
    async def run() -> list[tuple[UUID, int]]:
        hub, table = Hub(unfinished), Table(news(6))
        inbox = opened(hub, A)

        async def read(_: Mapping[UUID, int]) -> list[News]:
            inbox.show(A, 5)
            return [deleted(4)]

        hub.ring(A)
        await hub.deliver(read)
        hub.ring(A)
        await hub.deliver(table.read)
        return await waiting_in(inbox)

    assert asyncio.run(run()) == [(A, 6)]


def test_a_deletion_says_so_and_nothing_else() -> None:
    message = Told(deleted(4), unfinished).in_language("en")

    assert message.text == f'{{"type":"generation:deleted","generationId":"{A}","version":4}}'
    assert message.is_final


# Who is there


def test_a_closed_inbox_leaves_nothing_behind() -> None:
    async def act(hub: Hub, _: Table) -> None:
        inbox = opened(hub, A, B, mine=True)
        hub.close(inbox)
        hub.join(inbox, A)  # for one whose packet was still being answered
        hub.join_mine(inbox)
        assert hub.sessions == {}
        assert hub.followed_ids == []
        hub.ring_all()
        hub.ring(A, owner_id=AMAL)
        assert not hub.rung.is_set()

    delivered(act, Table(news(1)))


def test_one_person_has_ten_sockets_and_gets_an_eleventh_when_one_goes() -> None:
    hub, person = Hub(unfinished), uuid4()
    ten = [hub.open(uuid4(), user_id=person) for _ in range(MAX_SOCKETS)]

    assert hub.open(uuid4(), user_id=person) is None
    assert hub.open(uuid4(), user_id=uuid4())

    assert ten[0]
    hub.close(ten[0])
    assert hub.open(uuid4(), user_id=person)


def test_a_session_ends_its_own_and_the_process_everybody_who_comes() -> None:
    async def run() -> list[object]:
        hub = Hub(unfinished)
        hers, his = opened(hub), opened(hub, owner_id=BADR)
        hub.end_sessions([hers.session_id])
        hub.end_all(SERVICE_RESTART)
        late = opened(hub)
        hub.end_sessions([late.session_id], FORBIDDEN)
        return [await inbox.get() for inbox in (hers, his, late)]

    assert asyncio.run(run()) == [NOT_SIGNED_IN, SERVICE_RESTART, SERVICE_RESTART]
