"""What requests leave behind, written in batches beside them: usage, sessions seen, servings.

Nothing here waits for a request or makes one wait. What finds no room is dropped and counted.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from uuid import UUID

from madar import metrics
from madar.actions.sessions import SESSION_IDLE_S
from madar.db import usage
from madar.db.pool import Pool, connection
from madar.db.sql import Connection
from madar.db.usage import Serving, UsageEntry
from madar.errors import TooBusy, Unavailable
from madar.liveness import Liveness

log = logging.getLogger(__name__)

USAGE = "usage"
FLUSH_EVERY_S = 2
FLUSH_AT = 200  # rows; a busy process does not wait for the clock
ROWS_AT_ONCE = 500  # preparing so many holds the event loop for about ten milliseconds
FLUSH_WAIT_S = 5
STOP_WAIT_S = 2
MAX_WAITING = 5_000  # of each kind


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """The dictionaries are sets that keep their order: what is told twice is still one."""

    entries: list[UsageEntry] = field(default_factory=list[UsageEntry])
    sessions: dict[UUID, None] = field(default_factory=dict[UUID, None])
    servings: dict[Serving, None] = field(default_factory=dict[Serving, None])

    @property
    def is_empty(self) -> bool:
        return not (self.entries or self.sessions or self.servings)


class UsageLog:
    """One per web process, on its event loop. `run` in a task group; `stop` lets it end."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._batch = _Batch()
        self._wake = asyncio.Event()
        self.stopped = asyncio.Event()
        self._is_away = False
        self.dropped = 0  # rows, since the start

    @property
    def waiting(self) -> int:
        return len(self._batch.entries)

    def record(self, entry: UsageEntry) -> None:
        if entry.session_id:
            self._see(entry.session_id)
        if self.waiting >= MAX_WAITING:
            self._drop(1)
            return
        self._batch.entries.append(entry)
        if self.waiting >= FLUSH_AT:
            self._wake.set()

    def count(self, serving: Serving) -> None:
        if len(self._batch.servings) < MAX_WAITING:
            self._batch.servings[serving] = None

    async def run(self, liveness: Liveness) -> None:
        """Until stopped; then what is left is written, in a moment or not at all."""
        is_last = False
        while not is_last:
            await liveness.wait(USAGE, self._wake, at_most_s=FLUSH_EVERY_S)
            self._wake.clear()
            is_last = self.stopped.is_set()
            await self._flush(STOP_WAIT_S if is_last else FLUSH_WAIT_S)

    def stop(self) -> None:
        self.stopped.set()
        self._wake.set()

    async def _flush(self, wait_s: float) -> None:
        batch, self._batch = self._batch, _Batch()
        if batch.is_empty:
            return
        try:
            async with asyncio.timeout(wait_s), connection(self._pool) as conn:
                await _write(conn, batch)
        except (TooBusy, Unavailable, TimeoutError) as error:
            self._give_up(batch, error)
        except Exception:
            self._drop(len(batch.entries))
            log.exception("usage.failed", extra={"rows": len(batch.entries)})
        else:
            self._tell_of_return()

    def _give_up(self, batch: _Batch, error: Exception) -> None:
        """Rows are lost; sessions and servings are few, and writing them twice is harmless."""
        self._drop(len(batch.entries))
        for session_id in batch.sessions:
            self._see(session_id)
        for serving in batch.servings:
            self.count(serving)
        if not self._is_away:
            log.warning("usage.interrupted", extra={"why": type(error).__name__})
        self._is_away = True

    def _drop(self, rows: int) -> None:
        self.dropped += rows
        metrics.usage_dropped.inc(rows)

    def _tell_of_return(self) -> None:
        if self._is_away:
            log.warning("usage.resumed", extra={"dropped": self.dropped})
        self._is_away = False

    def _see(self, session_id: UUID) -> None:
        if len(self._batch.sessions) < MAX_WAITING:
            self._batch.sessions[session_id] = None


async def _write(conn: Connection, batch: _Batch) -> None:
    """Statement by statement; what is written is taken out, so that the rest can be told apart."""
    if batch.servings:
        await usage.count_servings(conn, list(batch.servings))
        batch.servings.clear()
    if batch.sessions:
        await usage.touch_sessions(conn, ids=list(batch.sessions), idle_s=SESSION_IDLE_S)
        batch.sessions.clear()
    while batch.entries:
        await usage.insert_usage(conn, batch.entries[:ROWS_AT_ONCE])
        del batch.entries[:ROWS_AT_ONCE]
