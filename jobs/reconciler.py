"""The loop that drives whatever is due, without the queue: the guarantee behind the wake-ups."""

import asyncio
import contextlib
import logging
from uuid import UUID

from jobs.generations import DRIVE_S
from madar.actions.advance import advance_generation
from madar.actions.turns import give_turns
from madar.actions.work import Worker
from madar.db import generations
from madar.db.pool import read
from madar.errors import TooBusy, Unavailable
from madar.liveness import Liveness

log = logging.getLogger(__name__)

RECONCILER = "reconciler"
BATCH = 50
RETRY_S = 1.0
SHORTEST_PAUSE_S = 0.05
SUSPECT_PAUSE_S = 0.5  # while one waits for another; the end of that one wakes the loop before


class Reconciler:
    """Wakes at the next due time it knows of, and at least every `RECONCILE_EVERY_S`."""

    def __init__(self, worker: Worker, liveness: Liveness, *, concurrency: int) -> None:
        self._worker = worker
        self._liveness = liveness
        self._pool = worker.resources.pool
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._busy: set[UUID] = set()
        # At most one: a worker that dies of it shall not have had others beside it in its hands.
        self._suspects: set[UUID] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Ends when `stopping` is set and what it began is done. May be run again after its end."""
        self._slots = asyncio.Semaphore(self._concurrency)
        self._busy, self._suspects = set(), set()
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                try:
                    await self._turn(tasks)
                except Unavailable as error:
                    log.warning("reconciler.interrupted", extra={"why": error.code})
                    await self._liveness.sleep(RECONCILER, RETRY_S)
                except Exception:
                    # Everything unfinished depends on this loop.
                    log.exception("reconciler.failed")
                    await self._liveness.sleep(RECONCILER, RETRY_S)
            while self._busy:
                await self._liveness.sleep(RECONCILER, SHORTEST_PAUSE_S)

    async def _turn(self, tasks: asyncio.TaskGroup) -> None:
        self._liveness.beat(RECONCILER)
        with contextlib.suppress(TooBusy):  # somebody else gives them at this moment
            await give_turns(self._worker.resources)
        due = await read(self._pool, lambda conn: generations.list_due_generations(conn, n=BATCH))
        shortest_s = SHORTEST_PAUSE_S
        for one in due:
            if one.id in self._busy or one.id in self._worker.held:
                continue
            if one.is_suspect and self._suspects:
                shortest_s = SUSPECT_PAUSE_S
                continue
            await self._take_slot()
            self._busy.add(one.id)
            if one.is_suspect:
                self._suspects.add(one.id)
            tasks.create_task(self._advance(one.id))
        await self._pause(shortest_s)

    async def _take_slot(self) -> None:
        """All of them being taken for long is no fault of this loop."""
        while True:
            self._liveness.beat(RECONCILER)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._liveness.every_s):
                    await self._slots.acquire()
                    return

    async def _advance(self, generation_id: UUID) -> None:
        try:
            async with asyncio.timeout(DRIVE_S):
                await advance_generation(self._worker, generation_id)
        except Unavailable as error:
            log.warning("reconciler.interrupted", extra={"why": error.code})
        except Exception:
            # One generation must not stop the loop that every other depends on.
            log.exception("reconciler.failed", extra={"generation_id": str(generation_id)})
        finally:
            self._busy.discard(generation_id)
            self._suspects.discard(generation_id)
            self._slots.release()

    async def _pause(self, shortest_s: float) -> None:
        longest = self._worker.resources.settings.reconcile_every_s
        until_due = await read(self._pool, generations.get_seconds_until_due)
        pause = longest if until_due is None else min(max(until_due, shortest_s), longest)
        if await self._liveness.wait(RECONCILER, self._worker.changed, at_most_s=pause):
            self._worker.changed.clear()
            await asyncio.sleep(SHORTEST_PAUSE_S)
