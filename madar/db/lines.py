"""Standing in line here, so that nobody stands in line with a connection or a picture in hand.

Each process has its own lines. What must hold for all of them is decided in PostgreSQL; a line
only sees to it that one person's hundred requests occupy one connection there, not the whole pool.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from madar.errors import Conflict, MadarError, RateLimited, TooBusy


class Line:
    """For each key `places` at a time; some wait for `wait_s`, and who comes beyond is refused."""

    def __init__(
        self, *, places: int, waiting: int, wait_s: float, refusal: Callable[[], MadarError]
    ) -> None:
        self._places = places
        self._waiting = waiting
        self._wait_s = wait_s
        self._refusal = refusal
        self._keys: dict[Hashable, _Key] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncGenerator[None]:
        """Raises what this line refuses with."""
        one = self._keys.setdefault(key, _Key(places=asyncio.Semaphore(self._places)))
        if one.people >= self._places + self._waiting:
            raise self._refusal()
        one.people += 1
        try:
            await self._wait(one.places)
            try:
                yield
            finally:
                one.places.release()
        finally:
            one.people -= 1
            if not one.people:
                del self._keys[key]

    async def _wait(self, places: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await places.acquire()
        except TimeoutError as error:
            raise self._refusal() from error


@dataclass(kw_only=True)
class _Key:
    places: asyncio.Semaphore
    people: int = 0


def _keys() -> Line:
    """The first with an Idempotency-Key works, the others wait for its answer."""
    return Line(
        places=1,
        waiting=100,
        wait_s=2,
        refusal=lambda: Conflict("idempotency_in_flight", retry_after_s=1),
    )


def _creations() -> Line:
    """Before the row that a person's creations are counted in."""
    return Line(
        places=1,
        waiting=300,
        wait_s=10,
        refusal=lambda: RateLimited(policy="generations", retry_after_s=1),
    )


def _pictures_of_one() -> Line:
    """Before the body of a form is read: what waits there stays in the client's hands."""
    return Line(
        places=2,
        waiting=20,
        wait_s=10,
        refusal=lambda: RateLimited(policy="uploads", retry_after_s=1),
    )


def _pictures_of_all() -> Line:
    """Sixteen forms of ten megabytes are what this process may hold."""
    return Line(places=16, waiting=64, wait_s=5, refusal=lambda: TooBusy(retry_after_s=2))


@dataclass(frozen=True, kw_only=True)
class Lines:
    """All lines of a process; whoever needs several turns takes them from the top down."""

    pictures_of_one: Line = field(default_factory=_pictures_of_one)
    pictures_of_all: Line = field(default_factory=_pictures_of_all)
    keys: Line = field(default_factory=_keys)
    creations: Line = field(default_factory=_creations)
