"""What may be a little old: in Upstash where there is one, else in this process.

With Upstash only Upstash is asked, so that a deletion reaches every machine. Without it a deletion
reaches this process alone, and elsewhere a value lives to the end of its time. Nothing cached
decides what somebody may do.
"""

import base64
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from madar.clients.upstash import Away, Upstash

USER_TTL_S = 300
STYLES_TTL_S = 3600
MAX_VALUE_BYTES = 256 * 1024
MAX_BYTES = 16 * 1024 * 1024
ENTRY_BYTES = 200  # what Python needs beside key and value, roughly


def user_key(user_id: UUID) -> str:
    return f"user:{user_id}"


def styles_key(language: str) -> str:
    return f"styles:all:{language}"


class MemoryCache:
    """The entry unused longest makes room."""

    def __init__(
        self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._max_bytes = max_bytes
        self._clock = clock
        self.bytes = 0

    def get(self, key: str) -> bytes | None:
        ends_at, value = self._entries.get(key, (0.0, None))
        if value is None or ends_at <= self._clock():
            self.delete(key)
            return None
        self._entries.move_to_end(key)
        return value

    def set(self, key: str, value: bytes, ttl_s: float) -> None:
        self.delete(key)
        self._entries[key] = (self._clock() + ttl_s, value)
        self.bytes += _size(key, value)
        while self.bytes > self._max_bytes:
            self.delete(next(iter(self._entries)))

    def delete(self, key: str) -> None:
        if entry := self._entries.pop(key, None):
            self.bytes -= _size(key, entry[1])


class Cache:
    """Never fails: what cannot be had is a miss, what cannot be stored is not."""

    def __init__(self, upstash: Upstash | None, *, here: MemoryCache | None = None) -> None:
        self._upstash = upstash
        self._here = here or MemoryCache()

    @property
    def answers(self) -> bool:
        """False while Upstash is not asked because it failed."""
        return self._upstash is None or self._upstash.breaker.is_closed

    async def get(self, key: str) -> bytes | None:
        if self._upstash is None:
            return self._here.get(key)
        with suppress(Away):
            return await self._upstash.ask(lambda redis: redis.get(key), _read_value)
        return None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """A value above 256 kB is not kept."""
        if len(value) > MAX_VALUE_BYTES:
            await self.delete(key)
        elif self._upstash is None:
            self._here.set(key, value, ttl_s)
        else:
            text, ttl_ms = base64.b64encode(value).decode(), round(ttl_s * 1000)
            with suppress(Away):
                await self._upstash.ask(lambda redis: redis.set(key, text, px=ttl_ms), _anything)

    async def delete(self, *keys: str) -> None:
        if self._upstash is None:
            for key in keys:
                self._here.delete(key)
        elif keys:
            with suppress(Away):
                await self._upstash.ask(lambda redis: redis.delete(*keys), _anything)


def _read_value(answer: object) -> bytes | None:
    """JSON cannot carry bytes, so a value travels as base64."""
    if answer is None:
        return None
    if not isinstance(answer, str):
        raise ValueError("not a value")  # noqa: TRY004 - the answer is wrong, not the program
    return base64.b64decode(answer, validate=True)


def _anything(answer: object) -> object:
    return answer


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
