"""What runs by the clock. The queue's worker only notices its own end while such a task exists."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from procrastinate import App, JobContext

from jobs.generations import worker_of
from madar import queue
from madar.actions.fal_purging import purge_at_fal
from madar.actions.maintenance import sweep
from madar.actions.orphans import reconcile_folder
from madar.actions.purging import forget, purge
from madar.actions.trash import clear_trash
from madar.actions.work import Worker
from madar.errors import TooBusy, Unavailable
from madar.liveness import Liveness
from madar.resources import Resources

log = logging.getLogger(__name__)

PURGES, FAL_PURGES = "purges", "fal_purges"
PURGE_EVERY_S = 10
SWEEP_EVERY_S = 300  # as its cron says
TURN_S = 120  # the rest is for the next turn


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
            await reconcile_folder(resources, turn=timestamp // SWEEP_EVERY_S)
        except (TooBusy, Unavailable) as error:
            log.warning("job.interrupted", extra={"tick": timestamp, "why": error.code})


async def keep_purging(worker: Worker, liveness: Liveness) -> None:
    """Deleted objects are gone within a minute, so nobody waits for the queue's clock."""
    await _keep(PURGES, (clear_trash, purge), worker, liveness)


async def keep_purging_at_fal(worker: Worker, liveness: Liveness) -> None:
    """Beside the objects: while Fal is away those go on leaving."""
    await _keep(FAL_PURGES, (purge_at_fal,), worker, liveness)


async def _keep(
    loop: str,
    actions: Sequence[Callable[[Resources], Awaitable[None]]],
    worker: Worker,
    liveness: Liveness,
) -> None:
    while True:
        try:
            async with liveness.working(loop, at_most_s=TURN_S):
                for action in actions:
                    await action(worker.resources)
        except (Unavailable, TimeoutError) as error:
            log.warning("purging.interrupted", extra={"loop": loop, "why": type(error).__name__})
        except Exception:
            log.exception("purging.failed", extra={"loop": loop})
        await liveness.sleep(loop, PURGE_EVERY_S)
