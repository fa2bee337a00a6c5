"""What this process counts, and the port where it is read, which is never the public one.

Counters are moved where it happens: `metrics.webhooks_refused.labels(reason).inc()`. What the
database knows is read when somebody asks, by the worker alone (jobs/measuring.py).
"""

import contextlib
import logging
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
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

webhooks_refused = Counter(
    "madar_webhooks_refused",
    "Webhooks that were refused, by what was wrong with them.",
    ["reason"],
    registry=REGISTRY,
)
eta_error = Histogram(
    "madar_eta_error_seconds",
    "How much later than first estimated a picture was done; less than 0: earlier.",
    buckets=(-120, -60, -30, -10, -5, 0, 5, 10, 30, 60, 120, 300),
    registry=REGISTRY,
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
def serving(host: str, port: int, *collectors: Collector) -> Generator[None]:
    """At `/metrics` of this port, from a thread of its own; 0 is nowhere.

    A port that is taken costs the numbers, not the process.
    """
    with contextlib.ExitStack() as stack:
        for collector in collectors:
            REGISTRY.register(collector)
            stack.callback(REGISTRY.unregister, collector)
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
