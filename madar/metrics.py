"""What this process counts, and the port where it is read, which is never the public one.

Counters are moved where it happens: `metrics.webhooks_refused.labels(reason).inc()`. What the
database knows is read when somebody asks, by the worker alone (jobs/measuring.py).
"""

import contextlib
import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from madar.liveness import Liveness

log = logging.getLogger(__name__)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

requests = Counter(
    "madar_http_requests",
    "Answered requests; the errors are those whose status begins with 5.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
response_seconds = Histogram(
    "madar_http_response_seconds",
    "From a request's head to its answer; of a stream, to its first byte.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 10),
    registry=REGISTRY,
)
generations_started = Counter(
    "madar_generations_started",
    "Pictures that were asked for.",
    ["style", "input_type"],
    registry=REGISTRY,
)
generations_completed = Counter(
    "madar_generations_completed", "Pictures that were made.", ["style"], registry=REGISTRY
)
generations_failed = Counter(
    "madar_generations_failed",
    "Pictures that will not be made, by the code that their people see.",
    ["code"],
    registry=REGISTRY,
)
generations_failed.labels("internal")  # a rise from 0 is seen by alerts, a beginning with 1 is not
generation_seconds = Histogram(
    "madar_generation_seconds",
    "From asking for a picture to having it.",
    ["style"],
    buckets=(5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600, 1800),
    registry=REGISTRY,
)
eta_error = Histogram(
    "madar_eta_error_seconds",
    "How much later than first estimated a picture was done; less than 0: earlier.",
    buckets=(-120, -60, -30, -10, -5, 0, 5, 10, 30, 60, 120, 300),
    registry=REGISTRY,
)
webhooks_refused = Counter(
    "madar_webhooks_refused",
    "Webhooks that were refused, by what was wrong with them.",
    ["reason"],
    registry=REGISTRY,
)
storage_failures = Counter(
    "madar_storage_failures",
    "Calls to the storage that gave nothing: away, refused, or altered what was put there.",
    ["reason"],
    registry=REGISTRY,
)
for _reason in ("away", "refused", "altered"):
    storage_failures.labels(_reason)
objects_missing = Counter(
    "madar_objects_missing",
    "Objects of completed pictures that the storage does not have.",
    registry=REGISTRY,
)
breaker_open = Gauge(
    "madar_breaker_open",
    "Whether a dependency is not asked for a while, because it failed.",
    ["dependency"],
    registry=REGISTRY,
)
limit_fallbacks = Counter(
    "madar_limit_fallbacks",
    "Requests that this process counted by itself, because Upstash did not answer.",
    registry=REGISTRY,
)
live_overflows = Counter(
    "madar_live_overflows",
    "Connections that read so slowly that what waited for them was dropped: they look anew.",
    registry=REGISTRY,
)
live_dropped = Counter("madar_live_dropped", "Messages that were dropped so.", registry=REGISTRY)
usage_dropped = Counter(
    "madar_usage_dropped", "Rows of the usage log that could not be written.", registry=REGISTRY
)
sentry_dropped = Counter(
    "madar_sentry_dropped",
    "Reports that Sentry did not get: it was away, slow, or there were too many.",
    ["reason"],
    registry=REGISTRY,
)
event_loop_lag = Histogram(
    "madar_event_loop_lag_seconds",
    "How late the event loop came to what was due; looked at once a second.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10),
    registry=REGISTRY,
)


class Measured(Protocol):
    """A pool of connections, as psycopg's tells of itself."""

    def get_stats(self) -> dict[str, int]: ...


class PoolCollector(Collector):
    """Who waits for a connection to the database, and for how long."""

    _GAUGES: Mapping[str, tuple[str, str]] = {
        "pool_size": ("madar_pool_connections", "Connections that there are."),
        "pool_available": ("madar_pool_idle_connections", "Those that nobody uses now."),
        "pool_max": ("madar_pool_max_connections", "As many as there may be."),
        "requests_waiting": ("madar_pool_waiting", "Who waits for a connection now."),
    }
    _COUNTERS: Mapping[str, tuple[str, str]] = {
        "requests_num": ("madar_pool_requests", "Connections asked for."),
        "requests_queued": ("madar_pool_waits", "Those that had to be waited for."),
        "requests_errors": ("madar_pool_refusals", "Those that did not come in time."),
        "connections_lost": ("madar_pool_connections_lost", "Connections found broken."),
    }

    def __init__(self, pool: Measured) -> None:
        self._pool = pool

    def collect(self) -> Iterable[Metric]:
        stats = self._pool.get_stats()
        for name, (metric, documentation) in self._GAUGES.items():
            yield GaugeMetricFamily(metric, documentation, value=stats.get(name, 0))
        for name, (metric, documentation) in self._COUNTERS.items():
            yield CounterMetricFamily(metric, documentation, value=stats.get(name, 0))
        waited_s = stats.get("requests_wait_ms", 0) / 1000
        yield CounterMetricFamily("madar_pool_wait_seconds", "All waits together.", value=waited_s)


class LiveCollector(Collector):
    def __init__(self, connections: Callable[[], int]) -> None:
        self._connections = connections

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "madar_live_connections", "Sockets and streams that are open.", self._connections()
        )


class LoopCollector(Collector):
    """How long ago each loop of the process gave a sign of life."""

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness

    def collect(self) -> Iterable[Metric]:
        ages = GaugeMetricFamily(
            "madar_loop_age_seconds", "Since the last sign of life.", labels=["loop"]
        )
        for loop, age in sorted(self._liveness.ages.items()):
            ages.add_metric([loop], age)
        restarts = CounterMetricFamily(
            "madar_part_restarts", "Parts of the process begun anew.", labels=["part"]
        )
        for part, count in sorted(self._liveness.restarts.copy().items()):
            restarts.add_metric([part], count)
        still = GaugeMetricFamily(
            "madar_event_loop_standstill_seconds",
            "For how long the event loop has been held by something.",
            value=self._liveness.standstill_s,
        )
        return ages, restarts, still


@contextmanager
def telling(*collectors: Collector) -> Generator[None]:
    """As long as there is what they tell of."""
    with contextlib.ExitStack() as stack:
        for collector in collectors:
            REGISTRY.register(collector)
            stack.callback(REGISTRY.unregister, collector)
        yield


@contextmanager
def serving(host: str, port: int, *collectors: Collector) -> Generator[None]:
    """At `/metrics` of this port, from a thread of its own; 0 is nowhere.

    A port that is taken costs the numbers, not the process.
    """
    with telling(*collectors), contextlib.ExitStack() as stack:
        if port:
            _serve(stack, host, port)
        yield


def _serve(stack: contextlib.ExitStack, host: str, port: int) -> None:
    try:
        server, thread = start_http_server(port, host, registry=REGISTRY)
    except OSError as error:
        log.warning("metrics.unavailable", extra={"port": port, "why": error.strerror})
        return
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
