"""PostgreSQL ends in immediate mode in the middle of everything, and comes back."""

import threading
from collections.abc import Generator
from pathlib import Path

import orjson
import pytest
from websockets.sync.client import ClientConnection

from madar.db import migrate
from madar.local import postgres
from tests.conftest import Start
from tests.product import Person, Product
from tests.simulator.harness import eventually

COUNT = 12
LIVE_WITHIN_S = 60


@pytest.fixture
def own_server(open_folder: Path) -> Generator[postgres.Server]:
    """Durable as in production, and nobody else's."""
    server = postgres.start(open_folder / "pg")
    yield server
    server.stop()


@pytest.mark.timeout(180)
def test_nothing_is_lost_and_all_comes_back_by_itself(
    start: Start, own_server: postgres.Server
) -> None:
    dsn = own_server.create_database("madar")
    migrate.up(dsn)
    product = start(dsn=dsn)
    amal = product.sign_in()
    with product.working(), product.socket(Authorization=f"Bearer {amal.token}") as live:
        ids = [amal.create(seed=seed, textPrompt="a cup [sim:slow]")["id"] for seed in range(COUNT)]
        live.send(orjson.dumps({"type": "join:generation", "generationId": ids[-1]}).decode())
        assert orjson.loads(live.recv(10))["type"] == "joined"

        with _watching(amal) as codes:
            own_server.restart(immediately=True)
            eventually(lambda: amal.get("/api/generations").status_code == 200 or None)
        later = amal.create(seed=99)["id"]
        eventually(lambda: _is_taken(product, later) or None, deadline_s=60)
        live.send(orjson.dumps({"type": "join:generation", "generationId": later}).decode())
        _wait_until_completed(live, later)

        finished = [amal.finished(each) for each in [*ids, later]]

    assert {one["status"] for one in finished} == {"completed"}
    assert set(codes) <= {200, 503}


class _watching:  # noqa: N801
    """Reads without pause meanwhile, and keeps the status codes."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._stop = threading.Event()
        self._codes: list[int] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> list[int]:
        self._thread.start()
        return self._codes

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._codes.append(self._person.get("/api/generations").status_code)


def _is_taken(product: Product, generation_id: str) -> bool:
    query = "SELECT state FROM attempts WHERE generation_id = %s AND state <> 'prepared'"
    return bool(product.rows(query, generation_id))


def _wait_until_completed(live: ClientConnection, generation_id: str) -> None:
    while True:
        event = orjson.loads(live.recv(LIVE_WITHIN_S))
        is_ours = event.get("generationId") == generation_id
        done = event["type"] == "generation:completed"
        shown = event.get("snapshot", {}).get("status") == "completed"
        if is_ours and (done or shown):
            return
