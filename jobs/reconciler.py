"""The loop that drives whatever is due, without the queue: the guarantee behind the wake-ups."""

import asyncio
import logging
from uuid import UUID

from madar.actions.advance import advance_generation
from madar.actions.work import Worker
from madar.db import generations
from madar.db.pool import read
from madar.errors import Unavailable

log = logging.getLogger(__name__)

BATCH = 50
SHORTEST_PAUSE_S = 0.05


class Reconciler:
    """Wakes at the next due time it knows of, and at least every `RECONCILE_EVERY_S`."""

    def __init__(self, worker: Worker, *, concurrency: int) -> None:
        self._worker = worker
        self._pool = worker.resources.pool
        self._slots = asyncio.Semaphore(concurrency)
        self._busy: set[UUID] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Ends when `stopping` is set and what it began is done."""
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                try:
                    await self._turn(tasks)
                except Unavailable as error:
                    log.warning("reconciler.interrupted", extra={"why": error.code})
                    await asyncio.sleep(1)
                except Exception:
                    # Everything unfinished depends on this loop.
                    log.exception("reconciler.failed")
                    await asyncio.sleep(1)

    async def _turn(self, tasks: asyncio.TaskGroup) -> None:
        due = await read(self._pool, lambda conn: generations.list_due_generations(conn, n=BATCH))
        for generation_id in due:
            if generation_id not in self._busy:
                await self._slots.acquire()
                self._busy.add(generation_id)
                tasks.create_task(self._advance(generation_id))
        await self._pause()

    async def _advance(self, generation_id: UUID) -> None:
        try:
            await advance_generation(self._worker, generation_id)
        except Unavailable as error:
            log.warning("reconciler.interrupted", extra={"why": error.code})
        except Exception:
            # One generation must not stop the loop that every other depends on.
            log.exception("reconciler.failed", extra={"generation_id": str(generation_id)})
        finally:
            self._busy.discard(generation_id)
            self._slots.release()

    async def _pause(self) -> None:
        longest = self._worker.resources.settings.reconcile_every_s
        until_due = await read(self._pool, generations.get_seconds_until_due)
        pause = longest if until_due is None else min(max(until_due, SHORTEST_PAUSE_S), longest)
        try:
            async with asyncio.timeout(pause):
                await self._worker.changed.wait()
        except TimeoutError:
            return
        self._worker.changed.clear()
        await asyncio.sleep(SHORTEST_PAUSE_S)
