"""Who wants to hear of which generation, and what each socket still has to send.

The hub reads changed rows once per tick, whoever wants them, and never waits for a socket.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from madar.db.generations import Announcement

TICK_S = 0.05
MAX_SOCKETS = 10  # of one person, in this process

ReadRows = Callable[[Sequence[UUID]], Awaitable[list[Announcement]]]


@dataclass(eq=False, kw_only=True)
class Inbox:
    """One socket's unsent news: the newest row of each generation, in order of arrival.

    Newer progress replaces older, so a slow reader costs one row per joined generation, and a
    final row can never be pushed out.
    """

    session_id: UUID
    user_id: UUID
    joined: dict[UUID, int] = field(default_factory=dict[UUID, int])
    _waiting: dict[UUID, Announcement] = field(default_factory=dict[UUID, Announcement])
    _order: deque[UUID] = field(default_factory=deque[UUID])
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    is_ended: bool = False

    def put(self, row: Announcement) -> None:
        """Ignored when the socket left, or has seen this version or a newer one."""
        if row.version <= self.joined.get(row.id, row.version):
            return
        self.joined[row.id] = row.version
        if row.id not in self._waiting:
            self._order.append(row.id)
        self._waiting[row.id] = row
        self._filled.set()

    async def get(self) -> Announcement | None:
        """The next row; None when the session behind this socket has ended."""
        while not self._order and not self.is_ended:
            self._filled.clear()
            await self._filled.wait()
        if self.is_ended:
            return None
        return self._waiting.pop(self._order.popleft())

    def forget(self, generation_id: UUID) -> None:
        self.joined.pop(generation_id, None)
        if self._waiting.pop(generation_id, None):
            self._order.remove(generation_id)

    def end(self) -> None:
        self.is_ended = True
        self._filled.set()


class Hub:
    """One per process. Everything here runs on one event loop and holds no lock."""

    def __init__(self) -> None:
        self._inboxes: set[Inbox] = set()
        self._sockets: Counter[UUID] = Counter()
        self._wanted: defaultdict[UUID, set[Inbox]] = defaultdict(set)
        self._changed: set[UUID] = set()
        self._rung = asyncio.Event()

    def open(self, session_id: UUID, *, user_id: UUID) -> Inbox | None:
        """None: this person has as many sockets as one may have."""
        if self._sockets[user_id] >= MAX_SOCKETS:
            return None
        self._sockets[user_id] += 1
        inbox = Inbox(session_id=session_id, user_id=user_id)
        self._inboxes.add(inbox)
        return inbox

    def close(self, inbox: Inbox) -> None:
        for generation_id in list(inbox.joined):
            self.leave(inbox, generation_id)
        self._inboxes.discard(inbox)
        self._sockets[inbox.user_id] -= 1
        if not self._sockets[inbox.user_id]:
            del self._sockets[inbox.user_id]

    def join(self, inbox: Inbox, generation_id: UUID) -> None:
        """Register before reading the snapshot, so that nothing falls between the two."""
        inbox.joined.setdefault(generation_id, 0)
        self._wanted[generation_id].add(inbox)

    def leave(self, inbox: Inbox, generation_id: UUID) -> None:
        inbox.forget(generation_id)
        self._wanted[generation_id].discard(inbox)
        if not self._wanted[generation_id]:
            del self._wanted[generation_id]

    def ring(self, generation_ids: Iterable[UUID]) -> None:
        """These changed, or may have; what nobody joined is not read."""
        self._changed |= self._wanted.keys() & set(generation_ids)
        if self._changed:
            self._rung.set()

    def ring_all(self) -> None:
        """After silence of unknown length: read everything that anybody waits for."""
        self.ring(list(self._wanted))

    @property
    def session_ids(self) -> list[UUID]:
        return list({inbox.session_id for inbox in self._inboxes})

    def end_sessions(self, session_ids: Iterable[UUID]) -> None:
        ended = set(session_ids)
        for inbox in self._inboxes:
            if inbox.session_id in ended:
                inbox.end()

    @property
    def rung(self) -> asyncio.Event:
        """Set while there is something to deliver."""
        return self._rung

    async def deliver(self, read_rows: ReadRows) -> None:
        """One tick: wait for a bell, let others ring too, read once, fill inboxes."""
        await self._rung.wait()
        await asyncio.sleep(TICK_S)
        self._rung.clear()
        changed, self._changed = self._changed, set()
        try:
            rows = await read_rows(list(changed))
        except BaseException:
            self._changed |= changed
            self._rung.set()
            raise
        for row in rows:
            for inbox in self._wanted.get(row.id, ()):
                inbox.put(row)
