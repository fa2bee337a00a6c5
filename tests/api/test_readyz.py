"""GET /livez and GET /readyz."""

from pathlib import Path

from starlette.testclient import TestClient

from madar.app import create_app
from madar.clients.storage import Storage
from madar.liveness import Liveness
from tests.conftest import Start
from tests.product import Json, Product
from tests.simulator.harness import eventually

ALL = ("process", "database", "live", "worker", "fal", "storage", "google", "cache")
NOWHERE = "http://127.0.0.1:1"


def readiness(product: Product) -> tuple[int, str, set[str]]:
    """Status twice, and what is away."""
    with product.anonymous() as http:
        answer = http.get("/readyz")
    assert answer.headers["cache-control"] == "no-store"
    body: Json = answer.json()
    assert tuple(body["checks"]) == ALL
    away = {name for name, word in body["checks"].items() if word != "ok"}
    return answer.status_code, body["status"], away


def test_with_a_worker_beside_it_it_is_ready(product: Product) -> None:
    product.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")

    assert readiness(product) == (200, "ok", set())


def test_without_all_but_its_database_it_serves_and_names_what_is_away(start: Start) -> None:
    product = start(
        google_issuer=NOWHERE,
        upstash_redis_rest_url=NOWHERE,
        upstash_redis_rest_token="a made-up token",
        storage_provider="aws-s3",
        aws_endpoint_url=NOWHERE,
        aws_bucket_name="pictures",
        aws_region="eu-central-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up too",
    )
    product.execute("UPDATE fal_gate SET closed_until = now() + interval '1 minute'")
    link = Storage(product.settings).sign(f"aa/{'0' * 32}.png")
    with product.anonymous() as http:
        assert http.get("/api/auth/google/url").status_code == 503
        assert {http.get("/api/styles").status_code for _ in range(3)} == {200}
        assert http.get(link).status_code == 503

    assert readiness(product) == (200, "degraded", {"worker", "fal", "storage", "google", "cache"})


def test_without_its_database_it_is_not_ready_and_lives(start: Start, tmp_path: Path) -> None:
    product = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")

    status, word, away = readiness(product)
    with product.anonymous() as http:
        alive = http.get("/livez")

    assert (status, word) == (503, "unavailable")
    assert {"database", "worker", "live"} <= away
    assert (alive.status_code, alive.json()) == (200, {"status": "ok", "silent": []})


def test_a_loop_that_hangs_is_named_by_livez(product: Product) -> None:
    liveness = Liveness(0.3)
    liveness.beat("stuck")
    with TestClient(create_app(product.settings, liveness)) as http:
        answer = eventually(lambda: _failing(http))

    assert answer == {"status": "failing", "silent": ["stuck"]}


def _failing(http: TestClient) -> Json | None:
    answer = http.get("/livez")
    return answer.json() if answer.status_code == 503 else None
