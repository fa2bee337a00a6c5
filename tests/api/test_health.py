"""GET /api/health."""

from pathlib import Path

import madar
from tests.conftest import Start
from tests.product import Product


def test_a_process_that_reaches_its_database_is_well(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/health")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "status": "ok",
        "version": madar.__version__,
        "checks": {"database": "ok"},
    }


def test_without_its_database_it_says_so(start: Start, tmp_path: Path) -> None:
    product = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")

    with product.anonymous() as http:
        answer = http.get("/api/health")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {
        "status": "degraded",
        "version": madar.__version__,
        "checks": {"database": "unavailable"},
    }
