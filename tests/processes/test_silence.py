"""Connections that are cut, and connections that are silent: every loop finds its way back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from madar.settings import Settings
from tests.conftest import Start
from tests.processes.proxy import Proxy, proxied
from tests.product import ROCKET, Person, Product, running_worker, settings_for
from tests.simulator.harness import Fal, eventually

NOTICED_WITHIN_S = 90
CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

Elsewhere = Callable[[str, int], Settings]


@pytest.fixture
def elsewhere(fal: Fal, tmp_path: Path) -> Elsewhere:
    """The settings of a worker that reaches the same database by another address."""

    def elsewhere(dsn: str, port: int) -> Settings:
        storage = str(tmp_path / "files")
        return settings_for(dsn=dsn, fal=fal, port=port, storage=storage, lease_s=5)

    return elsewhere


def hole(proxy: Proxy, *, at_least: int) -> None:
    """For a moment everything is silent; what spoke then gets no answer any more."""
    before = proxy.swallowed
    proxy.swallow()
    eventually(lambda: proxy.swallowed >= before + at_least or None)
    proxy.heal()


@pytest.mark.timeout(240)
def test_a_worker_whose_database_falls_silent_works_again(
    product: Product, dsn: str, elsewhere: Elsewhere
) -> None:
    amal = product.sign_in()
    port = product.settings.port
    with proxied(dsn) as (proxy, address), running_worker(elsewhere(address, port)):
        assert amal.finished(amal.create()["id"])["status"] == "completed"

        hole(proxy, at_least=3)
        ids = [amal.create(seed=seed)["id"] for seed in range(4)]

        done = [amal.finished(each, deadline_s=NOTICED_WITHIN_S)["status"] for each in ids]

    assert done == ["completed"] * 4


@pytest.mark.timeout(240)
def test_a_listener_whose_database_falls_silent_hears_again(start: Start, dsn: str) -> None:
    with proxied(dsn) as (proxy, address):
        product = start(database_direct_url=address)
        with product.anonymous() as http:

            def live() -> str:
                return http.get("/api/health").json()["checks"]["live"]

            assert live() == "ok"

            hole(proxy, at_least=1)

            eventually(lambda: proxy.connections > 1 or None, deadline_s=NOTICED_WITHIN_S)
            eventually(lambda: live() == "ok" or None, deadline_s=NOTICED_WITHIN_S)
            product.open.close()


@pytest.mark.timeout(240)
def test_a_worker_that_is_cut_off_again_and_again_works_on(product: Product) -> None:
    amal = product.sign_in()
    with product.working():
        for seed in range(4):
            created = eventually(partial(created_by, amal, seed))
            product.execute(CUT_OTHERS)

            completed = partial(is_completed, product, created)
            eventually(completed, deadline_s=NOTICED_WITHIN_S)


def created_by(person: Person, seed: int) -> str | None:
    """Its id; None while the web process has not noticed that its connections are gone."""
    answer = person.post("/api/generations", json={**ROCKET, "seed": seed})
    return answer.json()["id"] if answer.status_code == 201 else None


def is_completed(product: Product, generation_id: str) -> bool | None:
    """Asked of the database itself: the web process is cut off, too."""
    query = "SELECT 1 FROM generations WHERE id = %s AND state = 'completed'"
    return bool(product.rows(query, generation_id)) or None
