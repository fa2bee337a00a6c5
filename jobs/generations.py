"""Wake-ups of generations."""

import logging
from typing import cast
from uuid import UUID

from procrastinate import App, JobContext

from madar import queue
from madar.actions.advance import advance_generation
from madar.actions.work import Worker
from madar.errors import Unavailable

log = logging.getLogger(__name__)


def register(app: App) -> None:
    @app.task(name=queue.ADVANCE, queue=queue.GENERATIONS_QUEUE, pass_context=True)
    async def advance(  # pyright: ignore[reportUnusedFunction]
        context: JobContext, *, generation_id: str
    ) -> None:
        """Only a wake-up: what it cannot do now, the reconciler does later."""
        try:
            await advance_generation(worker_of(context), UUID(generation_id))
        except Unavailable as error:
            log.warning("job.interrupted", extra={"job_id": context.job.id, "why": error.code})


def worker_of(context: JobContext) -> Worker:
    context_of_worker = cast("dict[str, Worker]", context.additional_context)  # pyright: ignore[reportUnknownMemberType]
    return context_of_worker["worker"]
