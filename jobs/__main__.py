"""The worker process: the queue's workers, the reconciler, and the keeper of leases."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time

from procrastinate.exceptions import ConnectorException

from jobs import generations, maintenance
from jobs.reconciler import Reconciler
from madar import log as logs
from madar import queue
from madar.actions.work import Worker
from madar.errors import Unavailable
from madar.resources import open_resources
from madar.settings import Settings, load_settings

log = logging.getLogger(__name__)

DRAIN_S = 20
QUEUE_POLL_S = 1.0
RESTART_MAX_S = 10


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then finish what is in hand within 20 s."""
    logs.configure(settings.log_level, as_json=settings.is_production)
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await work(settings, stopping)


async def work(settings: Settings, stopping: asyncio.Event) -> None:
    """The worker without its process; ends when `stopping` is set and hands are empty."""
    concurrency = settings.worker_concurrency
    size = 2 * concurrency + 6
    async with open_resources(settings, url=settings.direct_url, pool_size=size) as resources:
        name = f"{socket.gethostname()}:{os.getpid()}"
        worker = Worker(resources=resources, name=name)
        reconciler = Reconciler(worker, concurrency=concurrency)
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(reconciler.run(stopping)),
                tasks.create_task(_run_queue(worker, concurrency, stopping)),
                tasks.create_task(_keep_leases(worker)),
                tasks.create_task(maintenance.keep_purging(worker)),
            ]
            log.info("worker.ready", extra={"worker": name})
            await stopping.wait()
            await _drain(worker, *loops)
        with contextlib.suppress(Unavailable):
            await worker.release_leases()


async def _drain(
    worker: Worker,
    reconciling: asyncio.Task[None],
    queueing: asyncio.Task[None],
    *keeping: asyncio.Task[None],
) -> None:
    """Take nothing more, finish what is in hand; leases are kept until the end."""
    worker.changed.set()
    queueing.cancel()  # again only at the end: a second time leaves its jobs running
    _, unfinished = await asyncio.wait({reconciling, queueing}, timeout=DRAIN_S)
    for loop in (*unfinished, *keeping):
        loop.cancel()


async def _run_queue(worker: Worker, concurrency: int, stopping: asyncio.Event) -> None:
    """The library ends its loop, with or without an error, when the database goes away."""
    failures = 0
    while not stopping.is_set():
        started = time.monotonic()
        try:
            await _serve_jobs(worker, concurrency)
            log.warning("queue.ended")
        except ConnectorException as error:
            log.warning("queue.interrupted", extra={"why": str(error.__cause__)})
        except Exception:
            log.exception("queue.failed")
        failures = 0 if time.monotonic() - started > RESTART_MAX_S else failures + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(RESTART_MAX_S, 0.25 * 2 ** min(failures, 10))):
                await stopping.wait()


async def _serve_jobs(worker: Worker, concurrency: int) -> None:
    # One wide worker, one LISTEN connection: our tasks use neither locks nor the queue's
    # retries, which would wait for the next poll in a wide worker.
    app = queue.make_app()
    generations.register(app)
    maintenance.register(app)
    await app.open_async(worker.resources.pool)
    await app.run_worker_async(
        queues=[queue.GENERATIONS_QUEUE],
        concurrency=concurrency,
        fetch_job_polling_interval=QUEUE_POLL_S,
        shutdown_graceful_timeout=DRAIN_S,
        delete_jobs="successful",
        install_signal_handlers=False,
        additional_context={"worker": worker},
    )


async def _keep_leases(worker: Worker) -> None:
    while True:
        await asyncio.sleep(worker.resources.settings.lease_s / 3)
        try:
            await worker.extend_leases()
        except Unavailable as error:
            log.warning("leases.interrupted", extra={"why": error.code})
        except Exception:
            log.exception("leases.failed")


if __name__ == "__main__":
    run(load_settings())
