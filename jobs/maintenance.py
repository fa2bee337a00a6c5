"""What runs by the clock. The queue's listener only works while at least one such task exists."""

import logging

from procrastinate import App, JobContext

from jobs.generations import worker_of
from madar import queue
from madar.actions.maintenance import sweep
from madar.errors import Unavailable

log = logging.getLogger(__name__)


def register(app: App) -> None:
    @app.periodic(cron="*/5 * * * *")
    @app.task(name="maintenance.sweep", queue=queue.GENERATIONS_QUEUE, pass_context=True)
    async def sweep_old_rows(  # pyright: ignore[reportUnusedFunction]
        context: JobContext, timestamp: int
    ) -> None:
        try:
            await sweep(worker_of(context).resources)
        except Unavailable as error:
            log.warning("job.interrupted", extra={"tick": timestamp, "why": error.code})
