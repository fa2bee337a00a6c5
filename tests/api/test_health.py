"""GET /api/health."""

from pathlib import Path

import httpx

import madar
from tests.conftest import Start
from tests.product import Json, Product
from tests.simulator.harness import eventually

WELL = {"database": "ok", "live": "ok", "worker": "ok"}
CUT_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def seen(http: httpx.Client, checks: Json) -> httpx.Response | None:
    answer = http.get("/api/health")
    return answer if answer.json()["checks"] == checks else None


def test_a_process_that_reaches_its_database_hears_bells_and_has_a_worker_is_well(
    product: Product,
) -> None:
    with product.anonymous() as http, product.working():
        answer = eventually(lambda: seen(http, WELL))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"status": "ok", "version": madar.__version__, "checks": WELL}


def test_without_a_worker_it_serves_all_the_same_and_says_so(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["checks"] == {**WELL, "worker": "unavailable"}


def test_a_worker_that_fell_silent_is_missed(product: Product) -> None:
    product.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    with product.anonymous() as http:
        assert http.get("/api/health").json()["checks"] == WELL
        product.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'"
        )

        assert http.get("/api/health").json()["checks"] == {**WELL, "worker": "unavailable"}


def test_a_listener_that_was_cut_off_hears_again(product: Product) -> None:
    with product.anonymous() as http:
        for _ in range(5):
            product.execute(CUT_ALL)
            eventually(lambda: seen(http, {**WELL, "worker": "unavailable"}))


def test_without_its_database_it_says_so(start: Start, tmp_path: Path) -> None:
    product = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")

    with product.anonymous() as http:
        answer = http.get("/api/health")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {
        "status": "degraded",
        "version": madar.__version__,
        "checks": dict.fromkeys(WELL, "unavailable"),
    }
