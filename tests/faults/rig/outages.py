"""Storage goes away while pictures are finished, and comes back."""

import threading
from dataclasses import asdict

from tests.faults.rig.nemesis import opening_round
from tests.faults.rig.stage import Stage
from tests.faults.rig.trials import settle
from tests.simulator.harness import Json, eventually

END_WITHIN_S = 600.0


def lose_storage(stage: Stage, *, seconds: float, completions: int) -> Json:
    """All pictures are ready to be stored before it comes back."""
    with opening_round(stage) as round_:
        lane = round_.lane
        lane.bucket.proxy.is_away = True
        for n in range(completions):
            round_.create_and_watch(seed=n)
        threading.Event().wait(seconds)
        query = "SELECT count(*)::int AS n FROM generations WHERE state = 'finalizing'"
        eventually(lambda: lane.rows(query)[0]["n"] == completions or None, deadline_s=END_WITHIN_S)
        lane.bucket.proxy.is_away = False
        violations = settle(round_, end_within_s=END_WITHIN_S)
    return {
        "seconds": seconds,
        "completions": completions,
        "violations": [asdict(one) for one in violations],
    }
