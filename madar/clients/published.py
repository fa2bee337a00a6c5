"""A document that somebody publishes: kept as long as it says, at most a day."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from madar.errors import Unavailable

Document = TypeVar("Document")

MAX_LIFE_S = 24 * 3600
USUAL_LIFE_S = 3600
REFETCH_S = 60
REFRESH_TIMEOUT_S = 2  # while an older copy serves, nobody waits longer for a newer one
_NEVER = float("-inf")
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")


def life_of(cache_control: str) -> float:
    """Seconds for which an answer with this header may be used without asking (RFC 9111)."""
    header = cache_control.lower()
    if "no-store" in header or "no-cache" in header:
        return 0
    found = _MAX_AGE.search(header)
    return min(float(found[1]), MAX_LIFE_S) if found else USUAL_LIFE_S


class Published(Generic[Document]):
    """`fetch` gives the document and its life in seconds, or raises Unavailable.

    A copy older than that is asked for again, at most once a minute; while nobody answers it
    serves on, until it is a day old.
    """

    def __init__(self, fetch: Callable[[], Awaitable[tuple[Document, float]]]) -> None:
        self._fetch = fetch
        self._copy: Document | None = None
        self._asked_at = self._stale_at = self._ends_at = _NEVER

    async def get(self, *, is_outdated: bool = False) -> Document:
        """`is_outdated`: the caller saw something that the copy does not know."""
        now, copy = time.monotonic(), self._copy
        if copy is None or now >= self._ends_at:
            return await self._fetch_now()
        if (is_outdated or now >= self._stale_at) and now - self._asked_at >= REFETCH_S:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(REFRESH_TIMEOUT_S):
                    return await self._fetch_now()
        return copy

    async def _fetch_now(self) -> Document:
        self._asked_at = time.monotonic()
        copy, life_s = await self._fetch()
        now = time.monotonic()
        self._copy, self._stale_at, self._ends_at = copy, now + life_s, now + MAX_LIFE_S
        return copy
