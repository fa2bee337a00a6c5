"""What the database knows, read when somebody asks for the worker's metrics; never often."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import CancelledError
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from madar.db import metrics
from madar.db.metrics import Backlog, Numbers, Totals, Waiting
from madar.db.pool import Pool, read
from madar.db.sql import Connection
from madar.errors import TooBusy, Unavailable

log = logging.getLogger(__name__)

Found = TypeVar("Found")

AGAIN_AFTER_S = 5
TOTALS_AGAIN_AFTER_S = 300
ANSWER_WITHIN_S = 5
UNFINISHED = ("queued", "processing", "finalizing", "reviving")
AT_FAL = ("sent", "unknown", "accepted")
DURABLE = ("duplicate_paid", "late_successes")


class DatabaseCollector(Collector):
    """Asked from the metrics' thread; the reading is done on the event loop."""

    def __init__(self, pool: Pool) -> None:
        self._numbers = _Reading(pool, metrics.get_numbers, again_after_s=AGAIN_AFTER_S)
        self._totals = _Reading(pool, metrics.get_totals, again_after_s=TOTALS_AGAIN_AFTER_S)
        self._one_at_a_time = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        with self._one_at_a_time:
            numbers = self._numbers.now()
            totals = self._totals.now() if numbers else None
        yield _gauge("madar_database_up", "Whether these numbers could be read.", bool(numbers))
        if numbers:
            yield from _families(numbers)
        if totals:
            yield from _total_families(totals)


class _Reading(Generic[Found]):
    """One question to the database, and its answer for a while."""

    def __init__(
        self,
        pool: Pool,
        question: Callable[[Connection], Awaitable[Found]],
        *,
        again_after_s: float,
    ) -> None:
        self._pool = pool
        self._question = question
        self._again_after_s = again_after_s
        self._loop = asyncio.get_running_loop()
        self._found: Found | None = None
        self._read_at = float("-inf")

    def now(self) -> Found | None:
        """What was not answered is asked again soon."""
        again_after_s = self._again_after_s if self._found else AGAIN_AFTER_S
        if time.monotonic() - self._read_at > again_after_s:
            self._found = self._ask()
            self._read_at = time.monotonic()
        return self._found

    def _ask(self) -> Found | None:
        async def ask() -> Found:
            return await read(self._pool, self._question)

        asked = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        try:
            return asked.result(ANSWER_WITHIN_S)
        except (CancelledError, TimeoutError, TooBusy, Unavailable):
            asked.cancel()
        except Exception:
            # The other numbers are told all the same.
            log.exception("metrics.failed")
        return None


def _families(numbers: Numbers) -> Iterable[Metric]:
    yield from _waiting("madar_generations", UNFINISHED, numbers.states)
    yield from _waiting("madar_attempts", AT_FAL, numbers.attempts)
    yield from _backlog(numbers.backlog)
    for name in sorted({*DURABLE, *numbers.counters}):
        value = numbers.counters.get(name, 0)
        yield CounterMetricFamily(f"madar_{name}", "Counted in the database.", value=value)


def _backlog(backlog: Backlog) -> Iterable[Metric]:
    yield _gauge("madar_reconciler_lag_seconds", "Of the longest due generation.", backlog.lag_s)
    yield _gauge("madar_purges", "Objects still to be removed.", backlog.purges)
    yield _gauge(
        "madar_purges_oldest_age_seconds",
        "Of the one that is to be removed for longest.",
        backlog.purges_oldest_s or 0,
    )
    yield _gauge("madar_fal_purges", "Requests still to be removed at Fal.", backlog.fal_purges)
    yield _gauge(
        "madar_fal_purges_oldest_age_seconds",
        "Of the one that is to be removed there for longest.",
        backlog.fal_purges_oldest_s or 0,
    )
    gate = GaugeMetricFamily(
        "madar_gate_closed", "Whether nothing may be submitted to Fal now.", labels=["reason"]
    )
    gate.add_metric([backlog.reason or ""], backlog.is_closed)
    yield gate


def _total_families(totals: Totals) -> Iterable[Metric]:
    yield _gauge(
        "madar_active_users", "People who were here in the last 15 minutes.", totals.active_users
    )
    storage = GaugeMetricFamily(
        "madar_storage_bytes",
        "Masters and uploads in storage, as the rows tell; renditions come on top.",
        labels=["kind"],
    )
    storage.add_metric(["masters"], totals.masters_bytes)
    storage.add_metric(["uploads"], totals.uploads_bytes)
    yield storage


def _waiting(name: str, states: Iterable[str], waiting: list[Waiting]) -> Iterable[Metric]:
    known = {one.state: one for one in waiting}
    counts = GaugeMetricFamily(name, "How many are in this state.", labels=["state"])
    ages = GaugeMetricFamily(
        f"{name}_oldest_age_seconds", "Of the oldest in this state.", labels=["state"]
    )
    for state in sorted({*states, *known}):
        one = known.get(state)
        counts.add_metric([state], one.count if one else 0)
        ages.add_metric([state], (one.oldest_s or 0) if one else 0)
    return counts, ages


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
