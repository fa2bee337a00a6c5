"""Sixteen generations while one worker after the other is killed; `make faults` kills more."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from madar.actions.advance import MAX_CRASHES
from tests.conftest import Start
from tests.faults.worker_process import WorkerProcess
from tests.product import Product
from tests.simulator.harness import eventually

COUNT = 16
# Of the six or more steps that a picture takes, each of them is let do two on the average.
KILLS, KILL_AFTER_STEPS = 2, 2 * COUNT
# Longer than a request of a killed worker can lie unread before a busy simulator: only what comes
# later than this may be sent again.
UNKNOWN_AFTER_S = 30
# Nothing fails at Fal here, so a step that was acknowledged needs no second request.
ACKNOWLEDGED_TWICE = """
    SELECT generation_id, step FROM attempts WHERE request_id IS NOT NULL
     GROUP BY generation_id, step HAVING count(*) > 1
"""
IN_HAND_FOR_THE_LAST_TIME = """
    SELECT id FROM generations WHERE lease_until IS NOT NULL AND crashes >= %s
"""


@pytest.mark.timeout(300)
def test_all_complete_and_none_is_sent_twice(start: Start) -> None:
    product = start(lease_s=2, submit_unknown_after_s=UNKNOWN_AFTER_S, worker_concurrency=8)
    amal = product.sign_in()
    with ThreadPoolExecutor(16) as pool:
        ids = [
            made.result()["id"] for made in [pool.submit(amal.create, seed=n) for n in range(COUNT)]
        ]
    seen: dict[str, int] = {}

    kills = _kill_workers(product, seen)

    ends = Counter(
        (row["state"], row["error_code"], row["fal_error"])
        for row in product.rows("SELECT state, error_code, fal_error FROM generations")
    )
    assert ends == {("completed", None, None): COUNT}
    assert set(seen) == set(ids)
    assert kills == KILLS
    assert _sent_twice(product) == []
    assert product.rows(ACKNOWLEDGED_TWICE) == []


def _kill_workers(product: Product, seen: dict[str, int]) -> int:
    """How many were killed; `seen` gets the newest version of each generation."""
    kills = 0
    while True:
        _unfinished(product, seen)
        kill_at = sum(seen.values()) + KILL_AFTER_STEPS if kills < KILLS else math.inf
        worker = WorkerProcess(product.settings)

        def look(worker: WorkerProcess = worker, kill_at: float = kill_at) -> str | None:
            assert worker.is_running
            if _unfinished(product, seen) == 0:
                return "done"
            is_time = sum(seen.values()) >= kill_at
            return "kill" if is_time and _is_bearable(product, worker) else None

        outcome = eventually(look, deadline_s=2 * UNKNOWN_AFTER_S)
        if outcome == "done":
            assert worker.stop() == 0
            return kills
        worker.kill()
        kills += 1


def _is_bearable(product: Product, worker: WorkerProcess) -> bool:
    """Frozen, unless what it holds would be given up, and rightly, as the cause of its death."""
    worker.freeze()
    if product.rows(IN_HAND_FOR_THE_LAST_TIME, MAX_CRASHES - 1):
        worker.go_on()
        return False
    return True


def _unfinished(product: Product, seen: dict[str, int]) -> int:
    rows = product.rows("SELECT id::text, version, state FROM generations")
    for row in rows:
        assert row["version"] >= seen.get(row["id"], 0), "a version went back"
        seen[row["id"]] = row["version"]
    return sum(row["state"] not in {"completed", "failed"} for row in rows)


def _sent_twice(product: Product) -> list[Any]:
    """Requests at Fal beyond the attempts that we know were never taken."""
    known = {row["request_id"] for row in product.rows("SELECT request_id FROM attempts")}
    return [one for one in product.submissions() if one["requestId"] not in known]
