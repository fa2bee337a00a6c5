"""SIGTERM: what is in hand is finished or handed over, and nothing waits for a dead lease."""

from tests.conftest import Start
from tests.faults.worker_process import WorkerProcess
from tests.simulator.harness import eventually

HELD = "SELECT 1 FROM generations WHERE lease_until IS NOT NULL"


def test_a_stopped_worker_leaves_no_lease_behind(start: Start) -> None:
    product = start(lease_s=600)
    amal = product.sign_in()
    ids = [amal.create(seed=seed)["id"] for seed in range(8)]
    first = WorkerProcess(product.settings)
    eventually(lambda: product.rows("SELECT 1 FROM attempts WHERE state <> 'prepared'") or None)

    assert first.stop() == 0
    assert product.rows(HELD) == []

    second = WorkerProcess(product.settings)
    done = [amal.finished(each)["status"] for each in ids]
    assert second.stop() == 0
    assert done == ["completed"] * 8
