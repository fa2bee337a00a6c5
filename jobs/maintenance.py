"""What runs by the clock. The queue's listener only works while at least one such task exists."""

import asyncio
import logging

from procrastinate import App, JobContext

from jobs.generations import worker_of
from madar import queue
from madar.actions.maintenance import sweep
from madar.actions.purging import forget, purge
from madar.actions.work import Worker
from madar.errors import TooBusy, Unavailable

log = logging.getLogger(__name__)

PURGE_EVERY_S = 10


def register(app: App) -> None:
    @app.periodic(cron="*/5 * * * *")
    @app.task(name="maintenance.sweep", queue=queue.GENERATIONS_QUEUE, pass_context=True)
    async def sweep_old_rows(  # pyright: ignore[reportUnusedFunction]
        context: JobContext, timestamp: int
    ) -> None:
        resources = worker_of(context).resources
        try:
            await sweep(resources)
            await forget(resources)
        except (TooBusy, Unavailable) as error:
            log.warning("job.interrupted", extra={"tick": timestamp, "why": error.code})


async def keep_purging(worker: Worker) -> None:
    """Deleted objects are gone within a minute, so nobody waits for the queue's clock."""
    while True:
        try:
            await purge(worker.resources)
        except Unavailable as error:
            log.warning("purges.interrupted", extra={"why": error.code})
        except Exception:
            log.exception("purges.failed")
        await asyncio.sleep(PURGE_EVERY_S)
