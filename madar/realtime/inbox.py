"""What one connection still has to be told, however slowly it reads."""

import asyncio
import time
from typing import Final, Literal, TypeVar
from uuid import UUID

from madar import metrics
from madar.realtime.endings import Ending
from madar.realtime.messages import Told

Key = TypeVar("Key")
Value = TypeVar("Value")

MAX_WAITING = 256
MAX_REMEMBERED = 500  # versions of what is heard of without having been joined
PROGRESS_EVERY_S = 0.1
OVERFLOW: Final = "overflow"


class Inbox:
    """The newest row of each generation: finals at once, progress at a pace that a person sees.

    Newer rows replace older ones. `joined` has the newest version that is known of each, and `mine`
    the same of whatever is the person's, if they want to hear of all that. The former are few; when
    too many of the latter wait they are dropped, and the reader has to look at them anew. `_parted`
    are former ones whose deletion waits: nobody else tells their reader of it.
    """

    __slots__ = (
        "_finals",
        "_holds",
        "_parted",
        "_progress",
        "_progress_at",
        "_waiter",
        "ending",
        "is_overflowed",
        "joined",
        "mine",
        "session_id",
        "user_id",
    )

    def __init__(self, session_id: UUID, *, user_id: UUID) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.joined: dict[UUID, int] = {}
        self.mine: dict[UUID, int] | None = None
        self.is_overflowed = False
        self.ending: Ending | None = None
        self._parted: set[UUID] = set()
        self._finals: dict[UUID, Told] = {}
        self._progress: dict[UUID, Told] = {}
        self._progress_at = 0.0
        self._holds = 0
        self._waiter: asyncio.Future[None] | None = None

    def known(self, generation_id: UUID) -> int:
        """The newest version that was put here or shown; 0 is older than all."""
        known = self.joined.get(generation_id, 0)
        return known if self.mine is None else max(known, self.mine.get(generation_id, 0))

    def put(self, told: Told) -> None:
        """Ignored when this version is known, or a newer one."""
        if told.version <= self.known(told.id):
            return
        self._remember(told.id, told.version)
        if self.is_overflowed and told.id not in self.joined:
            return
        self._place(told)
        if self.mine is not None and len(self._finals) + len(self._progress) > MAX_WAITING:
            self.is_overflowed = True
            metrics.live_overflows.inc()
            metrics.live_dropped.inc(self._drop_unjoined())
        self._wake()

    def show(self, generation_id: UUID, version: int) -> None:
        """What waits and is not newer than this would lead a reader back."""
        if version > self.known(generation_id):
            self._remember(generation_id, version)
        for waiting in (self._finals, self._progress):
            if generation_id in waiting and waiting[generation_id].version <= version:
                del waiting[generation_id]
        self._parted.intersection_update(self._finals)

    async def get(self) -> Told | Literal["overflow"] | Ending:
        """The next one, for a single reader."""
        while (found := self._take()) is None:
            await self._rest()
        return found

    def hold(self) -> None:
        """Nothing comes out until `go_on`, though it may come in."""
        self._holds += 1

    def go_on(self) -> None:
        self._holds -= 1
        self._wake()

    def part(self, generation_id: UUID) -> None:
        """It is deleted, so it is not joined any longer; that it is so is told whatever happens."""
        if self.joined.pop(generation_id, None) is not None and generation_id in self._finals:
            self._parted.add(generation_id)

    def forget(self, generation_id: UUID) -> None:
        """What waits of it is dropped, unless it is heard of for another reason."""
        self.joined.pop(generation_id, None)
        self._parted.discard(generation_id)
        if self.mine is None:
            self._finals.pop(generation_id, None)
            self._progress.pop(generation_id, None)

    def forget_mine(self) -> None:
        self.mine = None
        self.is_overflowed = False
        self._drop_unjoined()

    def end(self, ending: Ending) -> None:
        """The first reason is the one that is told."""
        self.ending = self.ending or ending
        self._wake()

    def _place(self, told: Told) -> None:
        place, other = self._progress, self._finals
        if told.is_final:
            place, other = other, place
        other.pop(told.id, None)
        place[told.id] = told

    def _drop_unjoined(self) -> int:
        """How many these were."""
        dropped = 0
        for waiting in (self._finals, self._progress):
            for generation_id in waiting.keys() - self.joined.keys() - self._parted:
                del waiting[generation_id]
                dropped += 1
        return dropped

    def _take(self) -> Told | Literal["overflow"] | Ending | None:
        if self.ending:
            return self.ending
        if self._holds:
            return None
        if self.is_overflowed:
            return OVERFLOW
        if self._finals:
            told = _first(self._finals)
            self._parted.discard(told.id)
            return told
        if not self._progress or time.monotonic() < self._progress_at:
            return None
        self._progress_at = time.monotonic() + PROGRESS_EVERY_S
        return _first(self._progress)

    async def _rest(self) -> None:
        """Until something comes, or until progress may be told again."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None
        if self._progress and not self._holds:
            timer = loop.call_later(self._progress_at - time.monotonic(), self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _remember(self, generation_id: UUID, version: int) -> None:
        if generation_id in self.joined:
            self.joined[generation_id] = version
        if self.mine is not None:
            self.mine.pop(generation_id, None)
            self.mine[generation_id] = version
            if len(self.mine) > MAX_REMEMBERED:
                _first(self.mine)


def _first(waiting: dict[Key, Value]) -> Value:
    """The oldest, taken out."""
    return waiting.pop(next(iter(waiting)))
