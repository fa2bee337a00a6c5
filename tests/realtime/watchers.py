"""Pages that follow pictures: each keeps to the rule of docs/live.md, and minds what it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tests.product import Json
from tests.realtime.lines import BROKEN, Ended, EventStream, Line, NothingNew, NothingThere

What = tuple[str, int] | Literal["gone"]  # status and progress
GONE: Literal["gone"] = "gone"
AFTER_FINAL = {"completed": {"completed"}, "failed": {"failed", "completed"}}  # late successes
MINE: Literal["mine"] = "mine"
Wish = UUID | Literal["mine"]
PASSES = ("database_unavailable", "too_busy")
AGAIN_S = 0.01
TYPES = {"completed": "generation:completed", "failed": "generation:failed"}


@dataclass(frozen=True)
class Seen:
    version: int
    what: What


@dataclass(frozen=True)
class Told:
    """Without a version, `after` is the one that was known of what is gone."""

    id: UUID
    version: int | None
    what: What
    after: int = 0


Open = Callable[[str], Awaitable[Line]]


class Over(Ended):
    """There is nothing more to tell, and no reason to come back."""


class Watcher:
    """`shown` is what is on the page; `asks` are the pictures it follows, or all that is theirs."""

    def __init__(
        self, name: str, open: Open, *, foreign: Collection[UUID], urls: list[str]
    ) -> None:
        self.name = name
        self.shown: dict[UUID, Seen] = {}
        self.told: list[Told] = []
        self.asks: set[Wish] = set()
        self.endings: list[int | None] = []
        self._open = open
        self._foreign = foreign
        self._urls = urls
        self._at = 0
        self._cursor: str | None = None
        self._line: Line | None = None
        self._abandoned: list[Line] = []
        self._unanswered: set[Wish] = set()
        self._to_say: asyncio.Queue[tuple[str, Wish]] = asyncio.Queue()
        self._newest: dict[UUID, int] = {}
        self._is_wanted = asyncio.Event()
        self._reads = asyncio.Event()
        self._stay: asyncio.Timeout | None = None
        self._vanishes = False

    def __repr__(self) -> str:
        return self.name

    @property
    def is_following(self) -> bool:
        """It is there, and has an answer to all that it asked."""
        return self._reads.is_set() and self._line is not None and not self._unanswered

    @property
    def is_expected(self) -> bool:
        """Whether it is to be there and to read."""
        return self._is_wanted.is_set() and self._reads.is_set()

    # What happens to it

    def come(self, at: int = 0) -> None:
        self._at = at % len(self._urls)
        self._reads.set()
        self._is_wanted.set()

    def cut(self, *, vanishes: bool = False) -> None:
        """`vanishes`: the other side is not told, and takes the old connection for alive."""
        self._is_wanted.clear()
        self._vanishes = vanishes
        if self._stay:
            self._stay.reschedule(0)
            self._stay = None

    def stall(self) -> None:
        """Asks for much and reads none of it."""
        self._reads.clear()
        for _ in range(6):
            if MINE in self.asks:
                self._ask(MINE)

    def read_on(self) -> None:
        self._reads.set()

    def join(self, wish: Wish) -> None:
        self.asks.add(wish)
        if self._line:
            self._ask(wish)

    def leave(self, wish: Wish) -> None:
        """What is told of it from here on may repeat what was told before."""
        self.asks.discard(wish)
        self._newest.clear()
        self._to_say.put_nowait(("leave", wish))

    def past_minute(self) -> None:
        """For the cursor, as the rows have grown older."""
        if self._cursor:
            self._cursor = str(int(self._cursor) - 60_000_000)

    # What it does

    async def run(self) -> None:
        """For ever; an AssertionError says what no page should have been told."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._speak())
                tasks.create_task(self._live())
        finally:
            for line in self._abandoned:
                await line.abort()

    async def _live(self) -> None:
        while True:
            await self._is_wanted.wait()
            try:
                async with asyncio.timeout(None) as self._stay:
                    await self._follow()
            except (TimeoutError, Over):
                pass  # it was cut, or came to its end, though it may be wanted again by now
            except BROKEN as error:
                if self._is_wanted.is_set():
                    self.endings.append(error.code if isinstance(error, Ended) else None)
            self._stay = None
            self._vanishes = False
            await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        line = await self._open(self._urls[self._at])
        self._newest.clear()
        self._unanswered.clear()
        self._line = line
        try:
            for wish in sorted(self.asks, key=str):
                self._ask(wish)
            while True:
                await self._reads.wait()
                await self._hear(await line.next())
        finally:
            self._line = None
            if self._vanishes:
                self._abandoned.append(line)
            else:
                await line.abort()

    def _ask(self, wish: Wish) -> None:
        self._unanswered.add(wish)
        self._to_say.put_nowait(("join", wish))

    async def _speak(self) -> None:
        """Beside reading: by polling, what is said may wait until what was told is read."""
        while True:
            name, wish = await self._to_say.get()
            since = self._cursor if name == "join" else None
            with suppress(*BROKEN):
                if not self._line:
                    continue  # whoever comes back says everything anew
                if wish == MINE:
                    await self._line.ask(f"{name}:mine", **({"since": since} if since else {}))
                else:
                    await self._line.ask(f"{name}:generation", generationId=wish)

    async def _hear(self, message: Json) -> None:
        match message["type"]:
            case "joined" if "mine" in message:
                self._hear_mine(message)
            case "joined":
                self._unanswered.discard(UUID(message["generationId"]))
                self._show(message["snapshot"])
            case "generation:deleted":
                self._take(UUID(message["generationId"]), message["version"], GONE)
            case "error":
                await self._be_refused(message)
            case name:
                assert name == TYPES.get(message["status"], "generation:progress")
                self._show({"id": message["generationId"], **message})

    def _hear_mine(self, message: Json) -> None:
        assert not message["hasMore"]
        self._cursor = message["cursor"]
        if not message.get("resync"):
            self._unanswered.discard(MINE)
        for snapshot in message["generations"]:
            self._show(snapshot)
        for generation_id in message["deleted"]:
            self._take_deleted(UUID(generation_id))

    async def _be_refused(self, message: Json) -> None:
        wish = UUID(message["generationId"]) if "generationId" in message else MINE
        self._unanswered.discard(wish)
        if message["code"] in PASSES:
            await asyncio.sleep(AGAIN_S)
            self._ask(wish)
        else:
            assert (message["code"], wish != MINE) == ("not_found", True), message
            assert isinstance(wish, UUID)
            self._take_deleted(wish)

    def _show(self, snapshot: Json) -> None:
        what = (snapshot["status"], snapshot["progress"])
        self._take(UUID(snapshot["id"]), snapshot["version"], what)

    def _take(self, id: UUID, version: int, what: What) -> None:
        assert id not in self._foreign, f"{self} hears of what is somebody else's"
        assert version >= self._newest.get(id, 0), f"{self}: {id} goes back to {version}, {what}"
        self._newest[id] = version
        self.told.append(Told(id, version, what))
        known = self.shown.get(id)
        if known and version <= known.version:
            return
        if known and known.what != GONE and what != GONE:  # noqa: PLR1714 - it narrows both
            before = known.what[0]
            assert what[0] in AFTER_FINAL.get(before, what), f"{self}: {id} {before}, then {what}"
        self.shown[id] = Seen(version, what)

    def _take_deleted(self, id: UUID) -> None:
        known = self.shown.get(id)
        if known and known.what != GONE:
            self.shown[id] = Seen(known.version, GONE)
            self.told.append(Told(id, None, GONE, after=known.version))


class StreamWatcher(Watcher):
    """One picture, as `EventSource` follows it: to its end, and not beyond."""

    def __init__(
        self, name: str, id: UUID, token: str, *, foreign: Collection[UUID], urls: list[str]
    ) -> None:
        super().__init__(name, self._open_stream, foreign=foreign, urls=urls)
        self.asks.add(id)
        self.id = id
        self.has_ended = False
        self._token = token
        self._last_event_id = ""

    @property
    def is_following(self) -> bool:
        """One that shows an end has to end, too."""
        return self.has_ended or (self._line is not None and not self._shows_end)

    @property
    def is_expected(self) -> bool:
        return not self.has_ended and super().is_expected

    def come(self, at: int = 0) -> None:
        """As when the page is opened again."""
        self.has_ended = False
        super().come(at)

    def _ask(self, wish: Wish) -> None:
        """The address says it."""

    async def _open_stream(self, url: str) -> Line:
        try:
            return await EventStream.open(url, self._token, self.id, self._last_event_id)
        except NothingThere:
            self._take_deleted(self.id)
            self._end()
        except NothingNew:
            self._end()
        raise Over

    async def _hear(self, message: Json) -> None:
        self._last_event_id = message["lastEventId"]
        assert int(self._last_event_id) == message["version"]
        await super()._hear(message)
        if self._shows_end:
            assert self._line
            with suppress(*BROKEN):
                await self._line.next()
                raise AssertionError("a stream goes on after its end")
            self._end()
            raise Over

    @property
    def _shows_end(self) -> bool:
        what = self.shown[self.id].what if self.id in self.shown else GONE
        return what == GONE or what[0] in AFTER_FINAL

    def _end(self) -> None:
        assert self._shows_end, f"{self} ends while {self.shown[self.id]}"
        self.has_ended = True
        self._is_wanted.clear()
