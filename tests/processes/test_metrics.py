"""The numbers for the operator, at a port that is not the public one."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from madar import metrics
from madar.liveness import Liveness
from madar.local import postgres
from madar.metrics import LoopCollector, serving
from madar.settings import Settings
from tests.faults.worker_process import WorkerProcess
from tests.local.processes import free_port
from tests.processes.started import started
from tests.product import Product, settings_for
from tests.simulator.harness import Fal, eventually

Sample = tuple[str, frozenset[tuple[str, str]]]
Make = Callable[..., Settings]


@pytest.fixture
def make(dsn: str, fal: Fal, tmp_path: Path) -> Make:
    def make(**overrides: object) -> Settings:
        ports = {"port": free_port(), "metrics_port": free_port(), "log_level": "info"}
        given = {"dsn": dsn, "fal": fal, "storage": str(tmp_path / "files"), **ports}
        return settings_for(**{**given, **overrides})  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture
def own_server(open_folder: Path) -> Generator[postgres.Server]:
    server = postgres.start(open_folder / "pg", settings={"fsync": "off"})
    yield server
    server.stop()


def scraped(port: int) -> dict[Sample, float] | None:
    """Each sample by name and labels; None while nobody listens."""
    with contextlib.suppress(httpx.TransportError):
        answer = httpx.get(
            f"http://127.0.0.1:{port}/metrics", trust_env=False, verify=False, timeout=20
        )
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.text)
        samples = [sample for family in families for sample in family.samples]
        return {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    return None


def heard_its_loop(port: int) -> dict[Sample, float] | None:
    told = scraped(port)
    return told if told and told[of("event_loop_lag_seconds_count")] else None


def of(name: str, **labels: str) -> Sample:
    return f"madar_{name}", frozenset(labels.items())


def test_web_and_worker_tell_their_numbers_beside_each_other(make: Make) -> None:
    settings = make(reconcile_every_s=60)
    with started(settings) as running:
        running.wait_until_healthy()
        with httpx.Client(trust_env=False, verify=False) as http:
            public = http.get(f"{settings.app_url}/metrics").status_code
            http.request("PROPFIND", f"{settings.app_url}/api/styles")
        web = eventually(lambda: heard_its_loop(settings.metrics_port))
        worker = eventually(lambda: scraped(settings.worker_metrics_port))
        assert running.end() == 0

    assert public == 404
    assert {"realtime.listen", "realtime.deliver", "usage"} <= loops(web)
    assert {"reconciler", "leases", "queue.fetch", "queue.listener"} <= loops(worker)
    assert worker[of("database_up")] == 1
    assert worker[of("duplicate_paid_total")] == 0
    assert worker[of("gate_closed", reason="")] == 0
    assert worker[of("generations", state="queued")] == 0
    assert worker[of("active_users")] == 0
    assert worker[of("storage_bytes", kind="masters")] == 0
    assert of("database_up") not in web
    assert web[of("http_requests_total", method="GET", route="<unmatched>", status="404")] == 1
    assert web[of("http_response_seconds_count", method="other", route="/api/styles")] == 1
    assert web[of("live_connections")] == 0
    assert web[of("event_loop_lag_seconds_count")] > 0
    for told in (web, worker):
        assert told[of("pool_connections")] >= 1
        assert told[of("pool_refusals_total")] == 0
    assert ("process_resident_memory_bytes", frozenset[tuple[str, str]]()) in web


def loops(samples: dict[Sample, float]) -> set[str]:
    return {dict(labels)["loop"] for name, labels in samples if name == "madar_loop_age_seconds"}


def test_the_worker_tells_what_the_database_knows(
    make: Make, conn: psycopg.Connection, product: Product
) -> None:
    amal = product.sign_in()
    amal.create()
    amal.create()
    # Nobody will touch them: somebody else has the leases.
    conn.execute(
        "UPDATE generations SET lease_owner = 'x', lease_until = now() + interval '1 day',"
        " created_at = now() - interval '90 seconds'"
    )
    conn.execute("INSERT INTO counters VALUES ('duplicate_paid', 3)")
    conn.execute(
        "INSERT INTO purges (object_key, due_at, created_at)"
        " VALUES ('aa/x.png', now() + interval '1 day', now() - interval '700 seconds')"
    )
    conn.execute("UPDATE generations SET master_key = id, file_size_bytes = 1000")
    conn.execute(
        "UPDATE fal_gate SET failing_since = now(), reason = 'key_refused',"
        " closed_until = now() + interval '1 day'"
    )
    settings = make(storage_dir=product.settings.storage_dir)
    worker = WorkerProcess(settings)
    try:
        told = eventually(lambda: scraped(settings.worker_metrics_port))
    finally:
        worker.kill()

    assert told[of("generations", state="queued")] == 2
    assert told[of("generations_oldest_age_seconds", state="queued")] >= 90
    assert told[of("active_users")] == 1
    assert told[of("storage_bytes", kind="masters")] == 2000
    assert told[of("purges_oldest_age_seconds")] >= 700
    assert told[of("duplicate_paid_total")] == 3
    assert told[of("gate_closed", reason="key_refused")] == 1


def test_without_the_database_the_rest_is_told(make: Make, own_server: postgres.Server) -> None:
    settings = make(dsn=own_server.create_database("madar"))
    worker = WorkerProcess(settings)
    try:
        eventually(lambda: scraped(settings.worker_metrics_port))
        own_server.stop(immediately=True)

        told = eventually(lambda: without_database(settings), deadline_s=60)
    finally:
        worker.kill()

    assert "reconciler" in loops(told)


def without_database(settings: Settings) -> dict[Sample, float] | None:
    told = scraped(settings.worker_metrics_port)
    return told if told and told[of("database_up")] == 0 else None


def test_a_taken_port_costs_the_numbers_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        serving("127.0.0.1", taken.getsockname()[1]),
    ):
        pass

    assert [record.message for record in caplog.records] == ["metrics.unavailable"]


def test_what_is_counted_in_the_process_is_told() -> None:
    port = free_port()

    async def main() -> dict[Sample, float]:
        liveness = Liveness()
        liveness.beat("one")
        liveness.restarts["one"] += 1
        with serving("127.0.0.1", port, LoopCollector(liveness)):
            metrics.webhooks_refused.labels("signature").inc()
            metrics.eta_error.observe(7)
            return await asyncio.to_thread(lambda: scraped(port) or {})

    told = asyncio.run(main())

    assert told[of("loop_age_seconds", loop="one")] == 0
    assert told[of("part_restarts_total", part="one")] == 1
    assert told[of("webhooks_refused_total", reason="signature")] >= 1
    assert told[of("eta_error_seconds_count")] >= 1
