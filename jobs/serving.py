"""The queue's worker: the library's, with bounds, proofs of life and care for other releases.

The library ends its worker, with or without an error, when the database goes away; then it is begun
again here. A job that this release does not know, by its task or by an argument, is another
release's: it is put back, until a worker that knows it comes by.
"""

import asyncio
import inspect
import logging
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.manager import JobManager

from jobs import generations, maintenance
from madar import queue
from madar.actions.work import Worker
from madar.db.connector import LISTENER, Connector
from madar.liveness import Liveness

log = logging.getLogger(__name__)

FETCH, HEARTBEAT = "queue.fetch", "queue.heartbeat"
LOOPS = (FETCH, HEARTBEAT, LISTENER)
QUEUE_POLL_S = 1.0
HEARTBEAT_S = 10.0
DRAIN_S = 17  # after it jobs are cancelled; all of it has to fit into 25 seconds
STEADY_S = 10.0
MAX_PAUSE_S = 10.0
PUT_BACK_S, MAX_PUT_BACK_S = 3.0, 60.0
MAX_PUT_BACKS = 2_000  # more than a day: no release that knows it will come
WRITE_TRIES = 3


class App(procrastinate.App):
    """A fresh one for each start of the worker: it never forgets a pool it was given."""

    def __init__(self, url: str, liveness: Liveness, *, concurrency: int) -> None:
        super().__init__(connector=Connector(url, liveness))  # pyright: ignore[reportUnknownMemberType]
        self.job_manager = Manager(self, liveness, concurrency=concurrency)
        generations.register(self)
        maintenance.register(self)


class Manager(JobManager):
    """What the library's worker reads and writes, seen by us."""

    def __init__(self, app: App, liveness: Liveness, *, concurrency: int) -> None:
        super().__init__(app.connector)
        self._app = app
        self._liveness = liveness
        self._concurrency = concurrency
        self._running = 0

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        while job := await super().fetch_job(queues, worker_id):
            self._liveness.beat(FETCH)
            if self._knows(job):
                self._running += 1
                return job
            await self._put_back(job)
        self._liveness.beat(FETCH)
        return None

    async def update_heartbeat(self, worker_id: int) -> None:
        await super().update_heartbeat(worker_id)
        self._liveness.beat(HEARTBEAT)
        if self._running >= self._concurrency:
            self._liveness.beat(FETCH)  # hands are full, so nothing is to be fetched

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - the library's
        """A row whose end cannot be written is swept away later; it was only a wake-up."""
        self._running -= 1
        for left in reversed(range(WRITE_TRIES)):
            try:
                await super().finish_job(job, status, delete_job)
            except ConnectorException as error:
                if not left:
                    extra = {"job_id": job.id, "why": type(error.__cause__).__name__}
                    log.warning("job.left_behind", extra=extra)
            else:
                return

    def _knows(self, job: Job) -> bool:
        tasks: dict[str, Any] = vars(self._app)["tasks"]
        task = tasks.get(job.task_name)
        if task is None:
            return False
        context = [None] if task.pass_context else []
        try:
            inspect.signature(task.func).bind(*context, **job.task_kwargs)
        except TypeError:
            return False
        return True

    async def _put_back(self, job: Job) -> None:
        facts = {"job_id": job.id, "task": job.task_name, "arguments": sorted(job.task_kwargs)}
        if job.attempts >= MAX_PUT_BACKS:
            log.error("job.nobody_knows", extra=facts)
            await super().finish_job(job, Status.FAILED, delete_job=False)
            return
        log.info("job.put_back", extra=facts)
        wait_s = min(PUT_BACK_S * (1 + job.attempts), MAX_PUT_BACK_S)
        due = datetime.now(UTC) + timedelta(seconds=wait_s * random.uniform(0.8, 1.2))  # noqa: S311
        try:
            await self.retry_job(job, retry_at=due)
        except UniqueViolation:  # another that says the same waits already
            await super().finish_job(job, Status.SUCCEEDED, delete_job=True)


async def serve_queue(worker: Worker, liveness: Liveness, *, concurrency: int) -> None:
    """Until cancelled, once; a second time would leave its jobs running."""
    failures = 0
    while True:
        for loop in LOOPS:
            liveness.beat(loop)
        began_at = time.monotonic()
        try:
            await _serve(worker, liveness, concurrency)
            log.warning("queue.ended")
        except ConnectorException as error:
            if _is_cancelled():  # its own end failed, too
                raise asyncio.CancelledError from error
            log.warning("queue.interrupted", extra={"why": str(error.__cause__)})
        except Exception:
            log.exception("queue.failed")
        failures = 0 if time.monotonic() - began_at > STEADY_S else failures + 1
        pause_s = min(MAX_PAUSE_S, 0.25 * 2 ** min(failures, 10))
        await asyncio.gather(*(liveness.sleep(loop, pause_s) for loop in LOOPS))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return bool(task and task.cancelling())


async def _serve(worker: Worker, liveness: Liveness, concurrency: int) -> None:
    # One wide worker, one LISTEN connection: our tasks use neither locks nor the queue's
    # retries, which would wait for the next poll in a wide worker.
    url = worker.resources.settings.direct_url
    app = App(url, liveness, concurrency=concurrency)
    await app.open_async(worker.resources.pool)
    await app.run_worker_async(
        queues=[queue.GENERATIONS_QUEUE],
        concurrency=concurrency,
        fetch_job_polling_interval=min(QUEUE_POLL_S, liveness.every_s),
        update_heartbeat_interval=min(HEARTBEAT_S, liveness.every_s),
        shutdown_graceful_timeout=DRAIN_S,
        delete_jobs=DeleteJobCondition.SUCCESSFUL,
        install_signal_handlers=False,
        additional_context={"worker": worker},
    )
