"""A trap catches one thing on its way and keeps it until the trial says what becomes of it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

T = TypeVar("T")

# Where on its way something is caught. `unread`: the connection is taken and no byte of it read;
# `before`: all of it is read and nothing is passed on; `after`: it was carried out and the answer
# is kept; `half`: half of the answer's body is passed on.
Side = Literal["unread", "before", "after", "half"]
Fate = Literal["release", "drop"]

WAIT_S = 60.0


class Dropped(Exception):
    """What was held is to disappear, with its connection."""


@dataclass(eq=False, kw_only=True)
class Trap:
    """Catches the first thing that it matches; all others pass. Set from any thread.

    `matches` gets the text of a statement, or the first line of an HTTP request.
    """

    matches: Callable[[str], bool]
    side: Side
    caught: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    catcher: Any = None
    client_port: int | None = None
    backend_pid: int | None = None
    _is_taken: bool = False
    _fate: Fate | None = None
    _waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, text: str, *sides: Side) -> bool:
        """Whether this is the one; then no other is."""
        if self.side not in sides or self._is_taken or not self.matches(text):
            return False
        with self._lock:
            is_first, self._is_taken = not self._is_taken, True
        return is_first

    def let_slip(self) -> None:
        """It was not the one after all; wait for the next."""
        self._is_taken = False

    async def hold(
        self, catcher: object, *, backend_pid: int | None = None, client_port: int | None = None
    ) -> None:
        """Until it is released. Raises Dropped."""
        self.catcher, self.backend_pid, self.client_port = catcher, backend_pid, client_port
        decided = asyncio.Event()
        with self._lock:
            self._waiting = (asyncio.get_running_loop(), decided)
            if self._fate:
                decided.set()
        self.caught.set()
        try:
            await decided.wait()
        finally:
            self.gone.set()
        if self._fate == "drop":
            raise Dropped

    def wait(self, deadline_s: float = WAIT_S) -> None:
        assert self.caught.wait(deadline_s), "nothing went into the trap"

    def release(self) -> None:
        self._decide("release")

    def drop(self) -> None:
        self._decide("drop")

    def _decide(self, fate: Fate) -> None:
        with self._lock:
            self._fate = self._fate or fate
            if self._waiting:
                loop, decided = self._waiting
                with contextlib.suppress(RuntimeError):  # closed meanwhile
                    loop.call_soon_threadsafe(decided.set)


class Trapping:
    """Something that passes things on, with the traps that are set for them."""

    def __init__(self) -> None:
        self._traps: list[Trap] = []

    def set_trap(self, trap: Trap) -> None:
        self._traps = [*self._traps, trap]

    def clear_traps(self) -> None:
        for trap in self._traps:
            trap.drop()
        self._traps = []

    def trap_for(self, text: str, *sides: Side) -> Trap | None:
        return next((trap for trap in self._traps if trap.takes(text, *sides)), None)


class Loop:
    """An event loop in a thread of its own; all proxies live there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def call(self, act: Coroutine[Any, Any, T], deadline_s: float = WAIT_S) -> T:
        return asyncio.run_coroutine_threadsafe(act, self.loop).result(deadline_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def running(self) -> Generator["Loop"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.call(self._end_tasks())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(10)
            self.loop.close()
