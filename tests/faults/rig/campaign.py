"""Many trials on several lanes side by side; each outcome is told as soon as there is one."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from tests.faults.rig.invariants import check
from tests.faults.rig.lane import Lane, opening_lane
from tests.faults.rig.points import POINTS, Point
from tests.faults.rig.stage import Stage
from tests.faults.rig.trials import Mode, Outcome, ask_witnesses, run_trial
from tests.faults.rig.watching import Watcher
from tests.simulator.harness import Json

Plan = Iterable[tuple[Point, Mode]]
# A lane is taken down after so many, so that nothing of the run depends on one that is long-lived.
TRIALS_PER_LANE = 60


def run_trials(stage: Stage, plan: Plan, *, lanes: int, tell: Callable[[Outcome], None]) -> None:
    """`tell` is called from one thread at a time."""
    waiting: queue.SimpleQueue[tuple[Point, Mode]] = queue.SimpleQueue()
    for one in plan:
        waiting.put(one)
    lock = threading.Lock()

    def tell_in_turn(outcome: Outcome) -> None:
        with lock:
            tell(outcome)

    with ThreadPoolExecutor(lanes) as pool:
        for done in [pool.submit(_run_lanes, stage, waiting, tell_in_turn) for _ in range(lanes)]:
            done.result()


def _run_lanes(
    stage: Stage,
    waiting: "queue.SimpleQueue[tuple[Point, Mode]]",
    tell: Callable[[Outcome], None],
) -> None:
    while not waiting.empty():
        with (
            opening_lane(stage) as lane,
            Watcher(lane.product.sign_in(), lane.edge.url) as watcher,
        ):
            for _ in range(TRIALS_PER_LANE):
                try:
                    point, mode = waiting.get_nowait()
                except queue.Empty:
                    break
                tell(_run_one(lane, watcher, point, mode))
            tell(_look_back(lane, watcher))


def _run_one(lane: Lane, watcher: Watcher, point: Point, mode: Mode) -> Outcome:
    """A trial in which the harness itself fails is a broken one, and the others go on."""
    started = time.monotonic()
    try:
        return run_trial(lane, watcher, point, mode)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told
        lane.accepted |= {row["id"] for row in lane.rows("SELECT id::text FROM generations")}
        fault = _broken(f"{type(error).__name__}: {error}; {_unfinished(lane)}")
        seconds = round(time.monotonic() - started, 2)
        return Outcome(point=point.name, mode=mode, seconds=seconds, violations=[fault])


def _look_back(lane: Lane, watcher: Watcher) -> Outcome:
    """At the end all of a lane's generations are looked at once more: a late effect shows here."""
    ids = [row["id"] for row in lane.rows("SELECT id::text FROM generations")]
    deleted = {
        row["id"]
        for row in lane.rows("SELECT id::text FROM generations WHERE deleted_at IS NOT NULL")
    }
    told = ask_witnesses(lane, watcher, ids, deleted=deleted)
    told.acknowledged = {each: each for each in lane.accepted}
    violations = [asdict(one) for one in check(told)]
    return Outcome(point=LOOK_BACK, mode="", seconds=0, violations=violations)


def _unfinished(lane: Lane) -> list[Json]:
    """What a failure of the harness may have to do with."""
    return lane.rows(
        "SELECT state, step, crashes, next_action_at - now() AS due_in, lease_owner,"
        "       lease_until - now() AS lease_left,"
        "       (SELECT jsonb_agg(a.state || ' ' || coalesce(a.granted_at::text, 'no turn'))"
        "          FROM attempts a WHERE generation_id = g.id) AS attempts,"
        "       (SELECT row_to_json(fal_gate) FROM fal_gate) AS gate"
        "  FROM generations g WHERE state NOT IN ('completed', 'failed') AND deleted_at IS NULL"
    )


def _broken(what: str) -> Json:
    return {"kind": "broken", "invariant": "harness", "what": what}


LOOK_BACK = "all of a lane, looked at again"


def rotated() -> list[tuple[Point, Mode]]:
    """Every point once, the modes in turn."""
    modes: tuple[Mode, ...] = ("kill", "terminate", "overtake")
    return [(point, modes[number % len(modes)]) for number, point in enumerate(POINTS)]
