"""A process that is told to stop while it works, and the one that follows it."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from madar.settings import Settings
from tests.local.processes import free_port
from tests.processes.started import Started, started
from tests.product import Product, settings_for
from tests.simulator.harness import Fal, eventually

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
