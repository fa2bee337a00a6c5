"""How long a dead worker's pictures stand still, with the lease that production has."""

import time
from dataclasses import asdict

from tests.faults.rig.nemesis import opening_round
from tests.faults.rig.points import DOWNLOAD
from tests.faults.rig.stage import Stage
from tests.faults.rig.traps import Trap
from tests.faults.rig.trials import Round, settle
from tests.simulator.harness import Json, eventually

LEASE_S = 30.0
RECONCILE_EVERY_S = 15.0
AT_ONCE = 8
RESUMED_WITHIN_S = 90.0


def kill_workers(stage: Stage, *, kills: int) -> Json:
    seconds: list[float] = []
    with opening_round(
        stage,
        web=1,
        workers=1,
        lease_s=LEASE_S,
        reconcile_every_s=RECONCILE_EVERY_S,
        worker_concurrency=AT_ONCE,
    ) as round_:
        for _ in range(kills):
            seconds += _kill_one(round_)
        violations = settle(round_)
    return {
        "kills": kills,
        "seconds": sorted(round(one, 2) for one in seconds),
        "violations": [asdict(one) for one in violations],
    }


def _kill_one(round_: Round) -> list[float]:
    lane = round_.lane
    traps = [
        Trap(matches=lambda line: line.startswith(DOWNLOAD), side="half") for _ in range(AT_ONCE)
    ]
    for trap in traps:
        lane.fal.set_trap(trap)
    ids = [round_.create_and_watch() for _ in range(AT_ONCE)]
    for trap in traps:
        trap.wait(60)
    epochs = _epochs(round_, ids)
    slot = lane.slots["worker"][0]
    assert slot.process
    slot.process.kill()
    killed = time.monotonic()
    lane.clear_traps()
    lane.start_missing()
    resumed: dict[str, float] = {}

    def look() -> bool | None:
        for each, epoch in _epochs(round_, ids).items():
            if epoch > epochs[each]:
                resumed.setdefault(each, time.monotonic() - killed)
        return len(resumed) == len(ids) or None

    eventually(look, deadline_s=RESUMED_WITHIN_S)
    return list(resumed.values())


def _epochs(round_: Round, ids: list[str]) -> dict[str, int]:
    query = "SELECT id::text, lease_epoch FROM generations WHERE id = ANY (%s::uuid[])"
    return {row["id"]: row["lease_epoch"] for row in round_.lane.rows(query, ids)}
