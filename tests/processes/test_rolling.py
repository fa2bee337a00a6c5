"""Two web processes and two workers on one database, restarted one after the other."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from madar.settings import Settings
from tests.local.processes import free_port
from tests.processes.started import Started, started
from tests.product import ROCKET, Product, settings_for
from tests.simulator.harness import Fal, eventually

COUNT = 16
UNFINISHED = "SELECT 1 FROM generations WHERE state NOT IN ('completed', 'failed')"
# An attempt that Fal took and that another attempt of the same step then repeated.
REPEATED = """
    SELECT generation_id, step FROM attempts WHERE sent_at IS NOT NULL
     GROUP BY generation_id, step HAVING count(*) > 1
"""
HELD = "SELECT 1 FROM generations WHERE lease_until IS NOT NULL"

Conn = psycopg.Connection[Any]
Make = Callable[[], Settings]


@pytest.fixture
def make(dsn: str, fal: Fal, tmp_path: Path) -> Make:
    def make() -> Settings:
        storage = str(tmp_path / "files")
        given: dict[str, Any] = {"submit_unknown_after_s": 60, "reconcile_every_s": 5}
        return settings_for(dsn=dsn, fal=fal, port=free_port(), storage=storage, **given)

    return make


@pytest.mark.timeout(400)
def test_nothing_is_lost_or_made_twice_while_both_are_replaced(
    make: Make, fal: Fal, conn: Conn
) -> None:
    both = [make(), make()]
    with ExitStack() as stack:
        running = [stack.enter_context(started(settings)) for settings in both]
        for one in running:
            one.wait_until_healthy()
        products = [Product(settings=settings, fal=fal) for settings in both]
        for one in products:
            stack.enter_context(one.open)
        people = [one.sign_in() for one in products]
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(people[seed % 2].post, "/api/generations", json=wish(seed))
                for seed in range(COUNT)
            ]
        assert {one.result().status_code for one in asked} == {201}

        for number, settings in enumerate(both):
            assert running[number].end() == 0
            running[number] = stack.enter_context(started(settings))
            running[number].wait_until_healthy()
        eventually(lambda: not conn.execute(UNFINISHED).fetchone() or None, deadline_s=120)
        assert [one.end() for one in running] == [0, 0]

    states = Counter(state for (state,) in conn.execute("SELECT state FROM generations"))
    assert states == {"completed": COUNT}
    assert conn.execute(REPEATED).fetchall() == []
    assert conn.execute(HELD).fetchall() == []
    assert sum(len(one.submissions()) for one in products) == number_of_requests(conn)


def wish(seed: int) -> dict[str, Any]:
    return {**ROCKET, "seed": seed, "textPrompt": "a red rocket [sim:slow]"}


def number_of_requests(conn: Conn) -> int:
    row = conn.execute("SELECT count(*) FROM attempts WHERE request_id IS NOT NULL").fetchone()
    assert row
    return row[0]


def test_a_drain_takes_no_attempt_and_leaves_nothing_held(make: Make, fal: Fal, conn: Conn) -> None:
    """Told to stop at any moment of the work; the next one goes on at once."""
    settings = make()
    rounds: list[Started] = []
    with ExitStack() as stack:
        first = stack.enter_context(started(settings))
        first.wait_until_healthy()
        product = Product(settings=settings, fal=fal)
        stack.enter_context(product.open)
        amal = product.sign_in()
        for seed in range(8):
            amal.create(seed=seed)
        rounds.append(first)
        for _ in range(2):
            assert rounds[-1].end() == 0
            assert conn.execute(HELD).fetchall() == []
            rounds.append(stack.enter_context(started(settings)))
            rounds[-1].wait_until_healthy()
        eventually(lambda: not conn.execute(UNFINISHED).fetchone() or None, deadline_s=90)

    rows = conn.execute("SELECT state, crashes FROM generations").fetchall()
    assert set(rows) == {("completed", 0)}
    assert conn.execute(REPEATED).fetchall() == []
