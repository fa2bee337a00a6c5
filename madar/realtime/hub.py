"""Who wants to hear of which generation, or of everything that is theirs.

The hub reads changed rows once per tick, whoever wants them, and never waits for a connection.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from madar.db.live import Changed, News
from madar.realtime.endings import NOT_SIGNED_IN, Ending
from madar.realtime.inbox import Inbox
from madar.realtime.messages import Finish, Told

log = logging.getLogger(__name__)

TICK_S = 0.01
MAX_SOCKETS = 10  # of one person, in this process
# Read in one tick, of what rang and of what may have changed unheard: more would hold the event
# loop. The latter waits for nobody, so it takes many short ticks rather than a few long ones.
MAX_READ, MAX_UNSURE_READ = 1000, 250

ReadNews = Callable[[Mapping[UUID, int]], Awaitable[Sequence[News]]]


@dataclass(frozen=True, kw_only=True)
class _Bell:
    """What was heard of a change; version 0: only that there may be one."""

    version: int
    owner_id: UUID | None


_UNHEARD = _Bell(version=0, owner_id=None)


class Hub:
    """One per process. Everything here runs on one event loop and holds no lock."""

    def __init__(self, finish: Finish) -> None:
        self._finish = finish
        self._inboxes: set[Inbox] = set()
        self._by_session: defaultdict[UUID, set[Inbox]] = defaultdict(set)
        self._sockets: Counter[UUID] = Counter()
        self._wanted: defaultdict[UUID, set[Inbox]] = defaultdict(set)
        self._followed: defaultdict[UUID, set[Inbox]] = defaultdict(set)
        self._changed: dict[UUID, _Bell] = {}
        self._unsure: list[UUID] = []
        self._is_unsure_anew = False
        self._versions_found: dict[UUID, int] = {}
        self._rung = asyncio.Event()
        self._read_at = 0.0
        self._ending: Ending | None = None

    def open(self, session_id: UUID, *, user_id: UUID) -> Inbox | None:
        """None: this person has as many sockets as one may have."""
        if self._sockets[user_id] >= MAX_SOCKETS:
            return None
        self._sockets[user_id] += 1
        inbox = Inbox(session_id, user_id=user_id)
        self._inboxes.add(inbox)
        self._by_session[session_id].add(inbox)
        if self._ending:
            inbox.end(self._ending)
        return inbox

    def close(self, inbox: Inbox) -> None:
        for generation_id in list(inbox.joined):
            self.leave(inbox, generation_id)
        self.leave_mine(inbox)
        self._inboxes.discard(inbox)
        _discard(self._by_session, inbox.session_id, inbox)
        self._sockets[inbox.user_id] -= 1
        if not self._sockets[inbox.user_id]:
            del self._sockets[inbox.user_id]

    def has(self, inbox: Inbox) -> bool:
        """Not once it is closed, though somebody may still be answering what it asked."""
        return inbox in self._inboxes

    def join(self, inbox: Inbox, generation_id: UUID) -> None:
        """Register before reading the snapshot, so that nothing falls between the two."""
        if self.has(inbox):
            inbox.joined.setdefault(generation_id, 0)
            self._wanted[generation_id].add(inbox)

    def leave(self, inbox: Inbox, generation_id: UUID) -> None:
        inbox.forget(generation_id)
        _discard(self._wanted, generation_id, inbox)

    def join_mine(self, inbox: Inbox) -> None:
        """The same for all that is the person's, and will be."""
        if self.has(inbox):
            inbox.mine = inbox.mine or {}
            self._followed[inbox.user_id].add(inbox)

    def leave_mine(self, inbox: Inbox) -> None:
        inbox.forget_mine()
        _discard(self._followed, inbox.user_id, inbox)

    def show_deletion(self, inbox: Inbox, generation_id: UUID, version: int) -> None:
        """An answer tells of it."""
        inbox.show(generation_id, version)
        self._part(inbox, generation_id, version)

    def ring(self, generation_id: UUID, *, version: int = 0, owner_id: UUID | None = None) -> None:
        """It changed, or may have; what nobody wants to hear of is not read."""
        if generation_id in self._wanted or owner_id in self._followed:
            self._note(generation_id, _Bell(version=version, owner_id=owner_id))

    def ring_all(self) -> None:
        """After silence of unknown length: read everything that anybody joined, by and by.

        What is being read so is read to its end before that begins anew, or the last would wait for
        ever.
        """
        if self._unsure:
            self._is_unsure_anew = True
        else:
            self._unsure = list(self._wanted)
        if self._unsure:
            self._rung.set()

    def ring_changed(self, rows: Iterable[Changed]) -> None:
        """Those of which a follower of their owner has not heard in this version.

        Inboxes do not remember everything that they were told, so what was found before in this
        version rings only for those who are known to have an older one.
        """
        found = {row.id: row.version for row in rows}
        for row in rows:
            oldest = 1 if self._versions_found.get(row.id, 0) >= row.version else 0
            followers = self._followed.get(row.user_id, ())
            if any(oldest <= inbox.known(row.id) < row.version for inbox in followers):
                self.ring(row.id, version=row.version, owner_id=row.user_id)
        self._versions_found = found

    @property
    def followed_ids(self) -> list[UUID]:
        """Those whose every generation somebody wants to hear of."""
        return list(self._followed)

    @property
    def connections(self) -> int:
        """How many are open. May be asked from another thread."""
        return len(self._inboxes)

    @property
    def sessions(self) -> dict[UUID, UUID]:
        """Whose session each is that has a connection here."""
        return {one: next(iter(those)).user_id for one, those in self._by_session.items()}

    def end_sessions(self, session_ids: Iterable[UUID], ending: Ending = NOT_SIGNED_IN) -> None:
        for session_id in session_ids:
            for inbox in self._by_session.get(session_id, ()):
                inbox.end(ending)

    def end_all(self, ending: Ending) -> None:
        """Whoever comes after this is told the same."""
        self._ending = ending
        for inbox in self._inboxes:
            inbox.end(ending)

    @property
    def rung(self) -> asyncio.Event:
        """Set while there is something to deliver."""
        return self._rung

    async def deliver(self, read_news: ReadNews) -> None:
        """One tick: wait for a bell, read once what changed, fill inboxes.

        The first bell after a silence is answered at once, those that follow are gathered.
        """
        await self._rung.wait()
        await asyncio.sleep(self._read_at + TICK_S - time.monotonic())
        self._read_at = time.monotonic()
        self._rung.clear()
        changed = self._taken()
        if not changed:
            return
        try:
            found = await read_news({one: self._known(one, bell) for one, bell in changed.items()})
        except BaseException:
            for generation_id, bell in changed.items():
                self._note(generation_id, bell)
            raise
        for news in found:
            try:
                self._tell(news, changed[news.id])
            except Exception:  # what a later release writes may be unknown here
                log.exception("realtime.untold", extra={"generation_id": str(news.id)})

    def _note(self, generation_id: UUID, bell: _Bell) -> None:
        """Beside what is noted of it already."""
        noted = self._changed.get(generation_id, _UNHEARD)
        version = max(bell.version, noted.version)
        owner_id = bell.owner_id or noted.owner_id
        self._changed[generation_id] = _Bell(version=version, owner_id=owner_id)
        self._rung.set()

    def _taken(self) -> dict[UUID, _Bell]:
        """What rang, and some of what may have changed unheard."""
        taken = {one: self._changed.pop(one) for one in list(islice(self._changed, MAX_READ))}
        for _ in range(min(MAX_UNSURE_READ, len(self._unsure))):
            generation_id = self._unsure.pop()
            if generation_id in self._wanted:
                taken.setdefault(generation_id, _UNHEARD)
        if not self._unsure and self._is_unsure_anew:
            self._unsure, self._is_unsure_anew = list(self._wanted), False
        if self._changed or self._unsure:
            self._rung.set()
        return taken

    def _known(self, generation_id: UUID, bell: _Bell) -> int:
        """The oldest of the versions that those who hear of it know."""
        hearing = self._hearing(generation_id, bell.owner_id)
        return min((inbox.known(generation_id) for inbox in hearing), default=0)

    def _tell(self, news: News, bell: _Bell) -> None:
        owner_id = news.user_id or bell.owner_id
        hearing = self._entitled(news.id, owner_id)
        version = news.version
        if news.user_id is None:
            # A row that is gone has no version any more, and this has to be newer than all of them.
            known = max((inbox.known(news.id) for inbox in hearing), default=0)
            version = max(known + 1, bell.version)
        told = Told(news, self._finish, version=version)
        for inbox in hearing:
            inbox.put(told)
            if told.is_deleted:
                self._part(inbox, news.id, version)

    def _entitled(self, generation_id: UUID, owner_id: UUID | None) -> list[Inbox]:
        """Who has only asked for it may be a stranger, whom the snapshot is about to refuse."""
        return [
            inbox
            for inbox in self._hearing(generation_id, owner_id)
            if inbox.user_id == owner_id or (owner_id is None and inbox.known(generation_id))
        ]

    def _part(self, inbox: Inbox, generation_id: UUID, version: int) -> None:
        """Nobody can join what is deleted, so nobody stays joined; that it is so is still told.

        One that was shown it in a newer version joined it after it was restored.
        """
        if inbox.known(generation_id) <= version:
            inbox.part(generation_id)
            _discard(self._wanted, generation_id, inbox)

    def _hearing(self, generation_id: UUID, owner_id: UUID | None) -> set[Inbox]:
        wanting = self._wanted.get(generation_id, set[Inbox]())
        following = self._followed.get(owner_id, set[Inbox]()) if owner_id else set[Inbox]()
        return wanting | following


def _discard(those: defaultdict[UUID, set[Inbox]], of: UUID, inbox: Inbox) -> None:
    """`of` itself goes with the last of them."""
    inboxes = those.get(of, set[Inbox]())
    inboxes.discard(inbox)
    if not inboxes:
        those.pop(of, None)
