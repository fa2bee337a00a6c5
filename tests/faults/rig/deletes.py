"""Pictures deleted at random moments of their making; a minute later nothing is left of them."""

import random
import threading
from dataclasses import asdict

from tests.faults.rig.nemesis import opening_round
from tests.faults.rig.stage import Stage
from tests.faults.rig.trials import Round, settle
from tests.simulator.harness import Json

AT_ONCE = 12
LATEST_S = 4.0


def delete_at_random(stage: Stage, *, deletes: int, seed: int) -> Json:
    chance = random.Random(seed)
    moments = [chance.uniform(0, LATEST_S) for _ in range(deletes)]
    with opening_round(stage, threads=AT_ONCE) as round_:
        for one in [round_.pool.submit(_make_and_delete, round_, moment) for moment in moments]:
            one.result(120)
        violations = settle(round_, is_late=True)
    return {"deletes": deletes, "violations": [asdict(one) for one in violations]}


def _make_and_delete(round_: Round, moment: float) -> None:
    generation_id = round_.create_and_watch()
    threading.Event().wait(moment)
    round_.delete(generation_id)
