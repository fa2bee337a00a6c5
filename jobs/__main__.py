"""The worker process: the queue's worker, the reconciler, the keeper of leases, the purges."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys

from jobs.leases import LEASES, keep_leases
from jobs.maintenance import FAL_PURGES, PURGES, keep_purging, keep_purging_at_fal
from jobs.measuring import DatabaseCollector
from jobs.reconciler import RECONCILER, Reconciler
from jobs.serving import DRAIN_S, LOOPS, serve_queue
from jobs.waiting import NUMBERS, keep_numbers
from madar import log as logs
from madar import metrics, sentry
from madar.actions.work import Worker
from madar.clients.storage import NOBODY_WAITS
from madar.errors import Unavailable
from madar.liveness import GAVE_UP, Liveness, end_within
from madar.metrics import LoopCollector, PoolCollector
from madar.redaction import hide
from madar.resources import open_resources, worker_pool
from madar.settings import Settings, load_settings

log = logging.getLogger(__name__)

CLOSING_S = 8


def run(settings: Settings, *, beats_to: int | None = None) -> int:
    """Work until SIGTERM or SIGINT, then finish what is in hand; the exit code."""
    logs.configure(settings.log_level, as_json=settings.is_production)
    hide(settings.secrets)
    sentry.configure(settings, process="worker")
    try:
        return asyncio.run(_main(settings, beats_to))
    except Exception:
        log.exception("worker.failed")
        raise
    finally:
        sentry.flush()


async def _main(settings: Settings, beats_to: int | None) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    def give_up() -> None:
        stopping.set()
        end_within(DRAIN_S + CLOSING_S)

    liveness = Liveness(
        settings.loop_silence_s, on_give_up=give_up, on_lag=metrics.event_loop_lag.observe
    )
    await work(settings, stopping, liveness, beats_to=beats_to)
    return GAVE_UP if liveness.gave_up else 0


async def work(
    settings: Settings,
    stopping: asyncio.Event,
    liveness: Liveness | None = None,
    *,
    beats_to: int | None = None,
) -> None:
    """The worker without its process; ends when `stopping` is set and hands are empty."""
    liveness = liveness or Liveness(settings.loop_silence_s, on_give_up=stopping.set)
    concurrency = settings.worker_concurrency
    async with (
        open_resources(
            settings,
            url=settings.direct_url,
            pool_size=worker_pool(settings),
            patience=NOBODY_WAITS,
        ) as resources,
        contextlib.AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        worker = Worker(resources=resources, name=_name())
        pool = resources.pool
        collectors = (LoopCollector(liveness), PoolCollector(pool), DatabaseCollector(pool))
        stack.enter_context(
            metrics.serving(settings.host, settings.worker_metrics_port, *collectors)
        )
        reconciler = Reconciler(worker, liveness, concurrency=concurrency)
        clock = tasks.create_task(liveness.run(beats_to))
        reconciling = tasks.create_task(
            liveness.keep(RECONCILER, lambda: reconciler.run(stopping), stopping=stopping)
        )
        queueing = tasks.create_task(
            liveness.keep(
                "queue",
                lambda: serve_queue(worker, liveness, concurrency=concurrency),
                loops=LOOPS,
            )
        )
        keeping = [
            tasks.create_task(liveness.keep(LEASES, lambda: keep_leases(worker, liveness))),
            tasks.create_task(liveness.keep(PURGES, lambda: keep_purging(worker, liveness))),
            tasks.create_task(
                liveness.keep(FAL_PURGES, lambda: keep_purging_at_fal(worker, liveness))
            ),
            tasks.create_task(liveness.keep(NUMBERS, lambda: keep_numbers(worker, liveness))),
        ]
        log.info("worker.ready", extra={"worker": worker.name})
        await stopping.wait()
        await _drain(worker, reconciling, queueing)
        with contextlib.suppress(Unavailable):
            await worker.release_leases()
        for loop in (reconciling, *keeping, clock):
            loop.cancel()


async def _drain(
    worker: Worker, reconciling: asyncio.Task[None], queueing: asyncio.Task[None]
) -> None:
    """Take nothing more, finish what is in hand; leases are kept until the end."""
    worker.changed.set()
    queueing.cancel()  # only once: a second time leaves its jobs running
    _, unfinished = await asyncio.wait({reconciling, queueing}, timeout=DRAIN_S)
    if reconciling in unfinished:
        reconciling.cancel()
    await asyncio.wait({reconciling, queueing}, timeout=CLOSING_S / 2)


def _name() -> str:
    """No process had it before, also where a new container's is as the old one's was."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


if __name__ == "__main__":
    sys.exit(run(load_settings()))
