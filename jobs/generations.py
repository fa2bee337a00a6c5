"""Wake-ups of generations."""

import asyncio
import logging
from typing import cast
from uuid import UUID

from procrastinate import App, JobContext

from madar import queue
from madar.actions.advance import advance_generation
from madar.actions.work import Worker
from madar.errors import TooBusy, Unavailable
from madar.log import about

log = logging.getLogger(__name__)

# Longer than anything that one generation may need in one go; what hangs is driven anew.
DRIVE_S = 600


def register(app: App) -> None:
    @app.task(name=queue.ADVANCE, queue=queue.GENERATIONS_QUEUE, pass_context=True)
    async def advance(  # pyright: ignore[reportUnusedFunction]
        context: JobContext, *, generation_id: str
    ) -> None:
        """Only a wake-up: what it cannot do now, the reconciler does later."""
        try:
            with about(job_id=context.job.id):
                async with asyncio.timeout(DRIVE_S):
                    await advance_generation(
                        worker_of(context), UUID(generation_id), may_be_suspect=False
                    )
        except (TooBusy, Unavailable, TimeoutError) as error:
            extra = {"job_id": context.job.id, "why": type(error).__name__}
            log.warning("job.interrupted", extra=extra)


def worker_of(context: JobContext) -> Worker:
    context_of_worker = cast("dict[str, Worker]", context.additional_context)  # pyright: ignore[reportUnknownMemberType]
    return context_of_worker["worker"]
