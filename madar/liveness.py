"""Proof of life: each loop of a process beats; a part that falls silent, ends or fails begins anew.

A part is what is cancelled and started again together; it has one loop or several. A loop that
waits beats while it waits (`wait`, `sleep`), so silence means that something hangs. Time in which
the event loop itself stood still is nobody's silence: the parent process looks after that, by the
beats that `tell_parent` writes.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

log = logging.getLogger(__name__)

SILENCE_S = 30.0
# The queue's worker drains for 17 s when it is cancelled; the parent loses patience after 30.
STUBBORN_S = 20.0
RESTARTS = 5
STEADY_SILENCES = 10  # five minutes: hanging costs a silence, so failures come that seldom
FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 5.0
GAVE_UP = 70  # sysexits.h: a fault of the program itself


class Liveness:
    """One per process, on its event loop; `run` beside everything else.

    `on_give_up` is called once, when starting parts anew does not help: the process is to end.
    `on_lag` is told at each look how late it came, in seconds.
    """

    def __init__(
        self,
        silence_s: float = SILENCE_S,
        *,
        on_give_up: Callable[[], object] = lambda: None,
        on_lag: Callable[[float], object] = lambda _lag_s: None,
    ) -> None:
        self.silence_s = silence_s
        self.every_s = silence_s / 6
        self.gave_up = ""
        self.restarts: Counter[str] = Counter()  # of each part, since the start
        self._on_give_up = on_give_up
        self._on_lag = on_lag
        self._awake_s = 0.0
        self._beats: dict[str, float] = {}
        self._looked_at = time.monotonic()

    def beat(self, loop: str) -> None:
        self._beats[loop] = self._awake_s

    @property
    def ages(self) -> dict[str, float]:
        """Seconds since the last beat of each loop. May be asked from another thread."""
        return {loop: max(0.0, self._awake_s - at) for loop, at in self._beats.copy().items()}

    @property
    def standstill_s(self) -> float:
        """How long the event loop has been held by something. From another thread."""
        return max(0.0, time.monotonic() - self._looked_at - self.every_s / 5)

    def silent(self, loops: Sequence[str] | None = None) -> list[str]:
        """Those of these loops, or of all, that have not beaten for too long."""
        wanted = None if loops is None else set(loops)
        return [
            loop
            for loop, age in self.ages.items()
            if age > self.silence_s and (wanted is None or loop in wanted)
        ]

    def is_alive(self, loop: str) -> bool:
        return self.ages.get(loop, self.silence_s) < self.silence_s

    @contextlib.asynccontextmanager
    async def working(self, loop: str, *, at_most_s: float) -> AsyncGenerator[None]:
        """What may take so long before it is called silent; TimeoutError when it takes longer."""
        self._beats[loop] = self._awake_s + at_most_s
        try:
            async with asyncio.timeout(at_most_s):
                yield
        finally:
            self.beat(loop)

    async def sleep(self, loop: str, seconds: float) -> None:
        await self.wait(loop, asyncio.Event(), at_most_s=seconds)

    async def wait(
        self, loop: str, event: asyncio.Event, *, at_most_s: float = float("inf")
    ) -> bool:
        """Until the event, beating meanwhile; False when the time was over first."""
        until = time.monotonic() + at_most_s
        while True:
            self.beat(loop)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self.every_s, until - time.monotonic())):
                    await event.wait()
                self.beat(loop)
                return True
            if time.monotonic() >= until:
                self.beat(loop)
                return False

    async def run(self, parent: int | None = None) -> None:
        """The clock behind all ages; tells the parent as long as every loop lives."""
        told_at = float("-inf")
        self._looked_at = time.monotonic()
        while True:
            now = time.monotonic()
            self._awake_s += min(now - self._looked_at, self.every_s)
            self._looked_at = now
            is_well = self.gave_up or not self.silent()  # who gave up ends in time by itself
            if parent is not None and now - told_at >= self.every_s and is_well:
                _tell(parent)
                told_at = now
            await asyncio.sleep(self.every_s / 5)
            self._on_lag(max(0.0, time.monotonic() - now - self.every_s / 5))

    async def keep(
        self,
        part: str,
        run: Callable[[], Awaitable[None]],
        *,
        loops: Sequence[str] | None = None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        """Run it for ever, or until `stopping` is set and it ended. Cancelling it ends it too.

        Without `loops` its one loop bears its name.
        """
        failures = 0  # since it last lived for long
        while True:
            began_at = self._awake_s
            why = await self._live(part, run, (part,) if loops is None else loops)
            if stopping and stopping.is_set():
                return
            is_steady = self._awake_s - began_at >= STEADY_SILENCES * self.silence_s
            failures = 1 if is_steady else failures + 1
            self.restarts[part] += 1
            log.error("part.restarted", extra={"part": part, "why": why})
            if failures >= RESTARTS:
                await self._give_up(part, f"it failed {failures} times in a row")
            await asyncio.sleep(min(FIRST_PAUSE_S * 2**failures, MAX_PAUSE_S))

    async def _live(
        self, part: str, run: Callable[[], Awaitable[None]], loops: Sequence[str]
    ) -> str:
        """Until it ends or is ended; how that came."""
        for loop in loops:
            self.beat(loop)
        async with asyncio.TaskGroup() as tasks:
            life = tasks.create_task(_outcome(part, run))
            try:
                while not life.done():
                    await asyncio.wait({life}, timeout=self.every_s / 5)
                    if not life.done() and (silent := self.silent(loops)):
                        await self._end(part, life)
                        return f"silent: {', '.join(silent)}"
            finally:
                for loop in loops:
                    self._beats.pop(loop, None)
        return life.result()

    async def _end(self, part: str, life: asyncio.Task[str]) -> None:
        life.cancel()
        await asyncio.wait({life}, timeout=STUBBORN_S)
        if not life.done():
            await self._give_up(part, "it does not let itself be cancelled")

    async def _give_up(self, part: str, why: str) -> None:
        """Does not return: whatever ends the process cancels this too."""
        if not self.gave_up:
            self.gave_up = part
            log.critical("process.gives_up", extra={"part": part, "why": why})
            self._on_give_up()
        await asyncio.Event().wait()


async def _outcome(part: str, run: Callable[[], Awaitable[None]]) -> str:
    try:
        await run()
    except Exception as error:
        log.exception("part.failed", extra={"part": part})
        return type(error).__name__
    return "ended"


def _tell(parent: int) -> None:
    """A parent that is gone or does not read is no reason to fail."""
    with contextlib.suppress(OSError):
        os.write(parent, b".")


def end_within(seconds: float) -> None:
    """The last resort of a process that gave up: what hangs may not keep it from ending."""
    timer = threading.Timer(seconds, os._exit, (GAVE_UP,))
    timer.daemon = True
    timer.start()
