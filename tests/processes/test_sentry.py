"""Sentry beside real processes: it hangs and nobody notices, it is back and hears the rest."""

import time
from collections.abc import Generator
from pathlib import Path

import httpx
import psycopg
import pytest

from madar.settings import Settings
from tests.local.processes import free_port
from tests.processes.started import started
from tests.product import settings_for
from tests.sentry_sink import Json, Sink, serving_sink
from tests.simulator.harness import Fal, eventually


@pytest.fixture
def sink() -> Generator[Sink]:
    with serving_sink() as sink:
        yield sink


@pytest.fixture
def settings(dsn: str, fal: Fal, tmp_path: Path, sink: Sink) -> Settings:
    return settings_for(
        dsn=dsn,
        fal=fal,
        port=free_port(),
        storage=str(tmp_path),
        sentry_dsn=sink.dsn,
        metrics_port=free_port(),
    )


def test_sentry_that_hangs_costs_nobody_anything_and_what_comes_last_still_arrives(
    settings: Settings, sink: Sink, conn: psycopg.Connection
) -> None:
    with started(settings) as running, httpx.Client(trust_env=False, verify=False) as http:
        running.wait_until_healthy()
        sink.go_on.clear()
        conn.execute("ALTER TABLE generation_styles RENAME title TO gone")
        conn.execute("ALTER TABLE generations RENAME next_action_at TO gone")

        began_at = time.monotonic()
        answers = [http.get(f"{settings.app_url}/api/styles") for _ in range(5)]
        took_s = time.monotonic() - began_at
        lost = eventually(lambda: lost_reports(http, settings))
        sink.go_on.set()
        of_worker = eventually(lambda: event_of(sink, "process", "worker"))
        conn.execute("ALTER TABLE generations RENAME gone TO next_action_at")
        last = http.get(f"{settings.app_url}/api/styles")
        code = running.end()

    assert code == 0
    assert {one.status_code for one in (*answers, last)} == {500}
    assert took_s < 1
    assert 'reason="network"' in lost
    assert of_worker["exception"]["values"][0]["type"] == "UndefinedColumn"
    of_last = event_of(sink, "request_id", last.headers["x-request-id"])
    assert of_last
    assert of_last["tags"]["process"] == "web"


def lost_reports(http: httpx.Client, settings: Settings) -> str | None:
    told = http.get(f"http://127.0.0.1:{settings.metrics_port}/metrics").text
    lines = [line for line in told.splitlines() if line.startswith("madar_sentry_dropped_total")]
    return "\n".join(lines) or None


def event_of(sink: Sink, tag: str, value: str) -> Json | None:
    """An error's; a busy machine may have others to tell of."""
    found = (event for event in sink.events if event["tags"].get(tag) == value)
    return next((event for event in found if "exception" in event), None)
