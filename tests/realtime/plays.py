"""Playing one schedule: pages that stay, pages that are cut, and what all show at the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import UUID

from madar.realtime.endings import TRY_AGAIN
from tests.realtime import worlds
from tests.realtime.lines import Native, SocketIo
from tests.realtime.watchers import GONE, MINE, Open, Seen, StreamWatcher, Watcher
from tests.realtime.worlds import Ground, Rows, rows_of

RIGHT_WITHIN_S = 20
LOOK_EVERY_S = 0.01
FIRST = 3
BUSY = 503
STREAMED = 3  # so many are followed by event streams as well

Follows = Literal["mine", "ids", "both"]


@dataclass(frozen=True)
class Step:
    """`which` picks a row or a page; without its `bell` a change is not told of."""

    kind: str
    which: int = 0
    bell: bool = True
    pause_ms: int = 0


@dataclass(frozen=True)
class Schedule:
    steps: Sequence[Step]
    native: Follows = "mine"
    socketio: Follows = "mine"
    polls: bool = False
    lag_ms: int = 0


def play(ground: Ground, schedule: Schedule) -> None:
    """Raises AssertionError: a page was told what is not so, or never what is."""
    asyncio.run(_play(ground, schedule))


async def _play(ground: Ground, schedule: Schedule) -> None:
    ground.far.delay_s = schedule.lag_ms / 1000
    async with rows_of(ground.dsn) as rows, asyncio.TaskGroup() as tasks:
        stage = Stage(ground, rows, schedule, tasks)
        try:
            await stage.run()
        finally:
            stage.close()


class Stage:
    """Two pages of each kind, one of which is never cut, and a stranger."""

    def __init__(
        self, ground: Ground, rows: Rows, schedule: Schedule, tasks: asyncio.TaskGroup
    ) -> None:
        self._ground = ground
        self._rows = rows
        self._schedule = schedule
        self._tasks = tasks
        self._running: list[asyncio.Task[None]] = []
        self._stayed: list[Watcher] = []
        self._cut: list[Watcher] = []
        self._left: list[Watcher] = []
        self._streamed: list[UUID] = []
        self._stranger = self._page("stranger", partial(Native.open, token=ground.badr.token))
        self._is_lost = False

    async def run(self) -> None:
        self._open_pages()
        await self._create(FIRST)
        await self._change_other(0)
        await self._settle()
        for step in self._schedule.steps:
            await self._do(step)
            await asyncio.sleep(step.pause_ms / 1000)
        await self._end()

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    # Pages

    @property
    def _watchers(self) -> list[Watcher]:
        return [*self._stayed, *self._cut, self._stranger]

    def _page(self, name: str, opens: Open) -> Watcher:
        other_id = self._rows.amal if name == "stranger" else self._rows.badr
        return Watcher(name, opens, foreign=self._rows.owned[other_id], urls=self._ground.urls)

    def _open_pages(self) -> None:
        token, schedule = self._ground.amal.token, self._schedule
        native, socketio = (partial(one.open, token=token) for one in (Native, SocketIo))
        self._stayed = [self._page("native", native), self._page("socketio", socketio)]
        cut = partial(socketio, polls=schedule.polls)
        self._cut = [self._page("native, cut", native), self._page("socketio, cut", cut)]
        for pages in (self._stayed, self._cut):
            for page, follows in zip(pages, (schedule.native, schedule.socketio), strict=True):
                if follows != "ids":
                    page.asks.add(MINE)
        self._stranger.asks.add(MINE)
        for page in self._watchers:
            self._start(page)

    def _start(self, page: Watcher) -> None:
        page.come()
        self._running.append(self._tasks.create_task(page.run()))

    def _open_streams(self, id: UUID) -> None:
        self._streamed.append(id)
        for name, pages in (("stream", self._stayed), ("stream, cut", self._cut)):
            stream = StreamWatcher(
                name,
                id,
                self._ground.amal.token,
                foreign=self._rows.owned[self._rows.badr],
                urls=self._ground.urls,
            )
            pages.append(stream)
            self._start(stream)

    def _follows_ids(self, page: Watcher) -> bool:
        if isinstance(page, StreamWatcher):
            return False
        follows = self._schedule.native if "native" in page.name else self._schedule.socketio
        return follows != "mine"

    def _join_by_id(self, id: UUID) -> None:
        """As pages do that made or restored it, and a stranger who guessed it."""
        for page in self._watchers:
            if page is self._stranger or self._follows_ids(page):
                page.join(id)

    # Steps

    async def _do(self, step: Step) -> None:
        if change := self._changes.get(step.kind):
            await self._change(step, *change)
            return
        page = self._cut[step.which % len(self._cut)]
        match step.kind:
            case "create":
                await self._create(1 + step.which % 2, bell=step.bell)
            case "burst":
                ids = await self._rows.some(worlds.UNFINISHED)
                await self._rows.progress(*ids)
                await self._ring(step, *ids)
            case "other":
                await self._change_other(step.which)
            case "commit":
                await self._ring(step, *await self._rows.commit())
            case "deafen":
                await self._rows.deafen()
            case "lose":
                self._is_lost = True
                await self._rows.lose()
            case "settle":
                await self._settle()
            case "minute":
                await self._pass_minute()
            case "cut":
                page.cut()
            case "vanish":
                page.cut(vanishes=True)
            case "come":
                if not (isinstance(page, StreamWatcher) and page.has_ended):
                    page.come(step.which)
            case "stall":
                page.stall()
            case "read on":
                page.read_on()
            case "leave":
                self._leave(page)
            case "join":
                for wish in sorted(page.asks, key=str):
                    page.join(wish)
            case kind:
                raise AssertionError(kind)

    @property
    def _changes(self) -> dict[str, tuple[str, Callable[[UUID], Awaitable[None]]]]:
        rows = self._rows
        return {
            "progress": (worlds.UNFINISHED, rows.progress),
            "complete": (worlds.FINISHABLE, rows.complete),
            "fail": (worlds.FINISHABLE, rows.fail),
            "revive": (worlds.FAILED, rows.revive),
            "delete": (worlds.THERE, rows.delete),
            "restore": (worlds.IN_TRASH, self._restore),
            "forget": (worlds.IN_TRASH, rows.forget),
            "purge": (worlds.FORGOTTEN, rows.purge),
            "begin": (worlds.UNFINISHED, self._begin),
        }

    async def _change(
        self, step: Step, condition: str, change: Callable[[UUID], Awaitable[None]]
    ) -> None:
        if ids := await self._rows.some(condition):
            chosen = ids[step.which % len(ids)]
            await change(chosen)
            await self._ring(step, chosen)

    async def _ring(self, step: Step, *ids: UUID) -> None:
        if step.bell and ids:
            await self._rows.ring(*ids)

    async def _create(self, n: int, *, bell: bool = True) -> None:
        for created in await self._rows.create(n):
            if bell:
                await self._rows.ring(created)
            self._join_by_id(created)
            if len(self._streamed) < STREAMED:
                self._open_streams(created)

    async def _restore(self, id: UUID) -> None:
        await self._rows.restore(id)
        self._join_by_id(id)
        for page in self._watchers:
            if isinstance(page, StreamWatcher) and page.id == id and page.has_ended:
                page.come()

    async def _begin(self, id: UUID) -> None:
        await self._rows.ring(*await self._rows.commit())
        await self._rows.begin(id)

    async def _change_other(self, which: int) -> None:
        """Somebody else's: Amal's pages ask for it, and hear nothing."""
        ids = await self._rows.some(worlds.UNFINISHED, owner_id=self._rows.badr)
        if ids and which % 2:
            await self._rows.progress(*ids)
        else:
            ids = await self._rows.create(owner_id=self._rows.badr)
            for page in (*self._stayed[:2], *self._cut[:2]):
                page.join(ids[0])
        await self._rows.ring(*ids)

    def _leave(self, page: Watcher) -> None:
        if isinstance(page, StreamWatcher):
            return  # it has one thing to follow
        self._left.append(page)
        for wish in list(page.asks):
            page.leave(wish)

    async def _pass_minute(self) -> None:
        """Nobody who is there still waits for something after a minute."""
        await self._rows.ring(*await self._rows.commit())
        for page in self._cut:
            page.read_on()
        await self._settle()
        await self._rows.past_minute()
        for page in self._watchers:
            page.past_minute()

    # What has to be so

    async def _settle(self, *, is_end: bool = False) -> None:
        """Until whoever is there knows everything; at the end also whose stream has ended."""
        deadline = time.monotonic() + RIGHT_WITHIN_S
        while wrong := await self._wrong(is_end=is_end):
            assert time.monotonic() < deadline, f"not told: {wrong}"
            await asyncio.sleep(LOOK_EVERY_S)

    async def _wrong(self, *, is_end: bool) -> list[str]:
        truths = {
            owner_id: await self._rows.truth(owner_id)
            for owner_id in (self._rows.amal, self._rows.badr)
        }
        return [
            line
            for page in self._watchers
            if page.is_expected or is_end
            for line in self._faults(page, truths)
        ]

    def _faults(self, page: Watcher, truths: dict[UUID, dict[UUID, worlds.Truth]]) -> list[str]:
        if not page.is_following:
            return [f"{page} waits"]
        owner_id = self._rows.badr if page is self._stranger else self._rows.amal
        known = set(self._rows.owned[owner_id]) if MINE in page.asks else set[UUID]()
        return [
            f"{page} shows {one} as {page.shown.get(one)}, not {truths[owner_id].get(one)}"
            for one in known | {one for one in page.asks if one != MINE}
            if not _agrees(page.shown.get(one), truths[owner_id].get(one))
        ]

    async def _end(self) -> None:
        """Everybody is back; what has ended is opened once more."""
        await self._rows.ring(*await self._rows.commit())
        for n, page in enumerate(self._cut):
            if not page.is_expected:
                page.come(n)
        for page in self._left:
            self._follow_again(page)
        for page in self._stayed:
            if isinstance(page, StreamWatcher) and page.has_ended:
                page.come()
        await self._settle(is_end=True)
        for page in self._watchers:
            self._check(page)

    def _follow_again(self, page: Watcher) -> None:
        follows = self._schedule.native if "native" in page.name else self._schedule.socketio
        if follows != "ids":
            page.join(MINE)
        if follows != "mine":
            for one in self._rows.owned[self._rows.amal]:
                page.join(one)

    def _check(self, page: Watcher) -> None:
        self._rows.check(page.told)
        passing: set[int | None] = {BUSY, TRY_AGAIN.code}
        if page in self._cut or self._is_lost:
            passing.add(None)
        assert set(page.endings) <= passing, f"{page} was sent away: {page.endings}"


def _agrees(seen: Seen | None, truth: worlds.Truth | None) -> bool:
    """What is being revived has newer versions that nobody is told of."""
    if truth is None:
        return seen is None or seen.what == GONE
    if seen is None or seen.what != truth.seen.what:
        return False
    return seen.version == truth.seen.version or truth.is_revived
