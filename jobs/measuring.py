"""What the database knows, read when somebody asks for the worker's metrics; never often."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from madar.db import metrics
from madar.db.metrics import Numbers, Waiting
from madar.db.pool import Pool, read
from madar.errors import TooBusy, Unavailable

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 5
ANSWER_WITHIN_S = 5
UNFINISHED = ("queued", "processing", "finalizing", "reviving")
AT_FAL = ("sent", "unknown", "accepted")
DURABLE = ("duplicate_paid",)


class DatabaseCollector(Collector):
    """Asked from the metrics' thread; the reading is done on the event loop."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._one_at_a_time = threading.Lock()
        self._numbers: Numbers | None = None
        self._read_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        with self._one_at_a_time:
            if time.monotonic() - self._read_at > AGAIN_AFTER_S:
                self._numbers = self._ask(lambda: read(self._pool, metrics.get_numbers))
                self._read_at = time.monotonic()
            numbers = self._numbers
        yield _gauge("madar_database_up", "Whether these numbers could be read.", bool(numbers))
        if numbers:
            yield from _families(numbers)

    def _ask(self, question: Callable[[], Awaitable[Numbers]]) -> Numbers | None:
        async def ask() -> Numbers:
            return await question()

        asked = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        try:
            return asked.result(ANSWER_WITHIN_S)
        except (TimeoutError, TooBusy, Unavailable):
            asked.cancel()
        except Exception:
            # The other numbers are told all the same.
            log.exception("metrics.failed")
        return None


def _families(numbers: Numbers) -> Iterable[Metric]:
    yield from _waiting("madar_generations", UNFINISHED, numbers.states)
    yield from _waiting("madar_attempts", AT_FAL, numbers.attempts)
    backlog = numbers.backlog
    yield _gauge("madar_reconciler_lag_seconds", "Of the longest due generation.", backlog.lag_s)
    yield _gauge("madar_purges", "Objects still to be removed.", backlog.purges)
    yield _gauge("madar_fal_purges", "Requests still to be removed at Fal.", backlog.fal_purges)
    gate = GaugeMetricFamily(
        "madar_gate_closed", "Whether nothing may be submitted to Fal now.", labels=["reason"]
    )
    gate.add_metric([backlog.reason or ""], backlog.is_closed)
    yield gate
    for name in sorted({*DURABLE, *numbers.counters}):
        value = numbers.counters.get(name, 0)
        yield CounterMetricFamily(f"madar_{name}", "Counted in the database.", value=value)


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
