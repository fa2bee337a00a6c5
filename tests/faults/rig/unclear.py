"""Fal takes a submission and its answer is lost, in eight ways."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from tests.faults.rig.http_proxy import Request, answered
from tests.faults.rig.nemesis import opening_round
from tests.faults.rig.points import SUBMIT
from tests.faults.rig.stage import Stage
from tests.faults.rig.traps import Dropped
from tests.faults.rig.trials import settle
from tests.simulator.harness import Json

AT_ONCE = 4
END_WITHIN_S = 300.0
# Nothing here is ever called dead, so a second submission would be one too early.
UNKNOWN_AFTER_S = 600.0


def _dropped(_: bytes) -> bytes:
    raise Dropped


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "connection reset": _dropped,
    "closed without a word": lambda _: b"",
    "cut off in the middle": lambda answer: answer[: len(answer) // 2],
    "500": lambda _: answered(500, b'{"detail": "Internal Server Error"}'),
    "502 in HTML": lambda _: answered(502, b"<html>Bad Gateway</html>"),
    "408": lambda _: answered(408, b"{}"),
    "409": lambda _: answered(409, b"{}"),
    "200 without sense": lambda _: answered(200, b'{"request_id": 7', content_type="text/plain"),
}


def lose_answers(stage: Stage, *, submissions: int, lanes: int) -> Json:
    """Each picture needs two; half of them get no webhook, and must be found in the history."""
    share = max(1, submissions // (2 * lanes))
    with ThreadPoolExecutor(lanes) as pool:
        told = [
            one.result() for one in [pool.submit(_on_a_lane, stage, share) for _ in range(lanes)]
        ]
    return {
        "submissions": sum(one["submissions"] for one in told),
        "attempts": sum(one["attempts"] for one in told),
        "kinds": len(KINDS),
        "violations": [each for one in told for each in one["violations"]],
    }


def _on_a_lane(stage: Stage, generations: int) -> Json:
    kinds = itertools.cycle(KINDS.values())
    lock = threading.Lock()

    def spoil(request: Request, answer: bytes) -> bytes:
        if not request.line.startswith(SUBMIT):
            return answer
        with lock:
            kind = next(kinds)
        return kind(answer)

    with opening_round(
        stage, threads=AT_ONCE, web=1, workers=1, submit_unknown_after_s=UNKNOWN_AFTER_S
    ) as round_:
        round_.lane.fal.spoil = spoil
        marks = ("", " [sim:no-webhooks]")
        asked = [
            round_.pool.submit(
                round_.create_and_watch, seed=n, textPrompt=f"a red rocket{marks[n % 2]}"
            )
            for n in range(generations)
        ]
        for one in asked:
            one.result(60)
        violations = settle(round_, end_within_s=END_WITHIN_S)
        attempts = round_.lane.rows("SELECT count(*)::int AS n FROM attempts")[0]["n"]
        recorded = len(round_.lane.submissions())
    return {
        "submissions": recorded,
        "attempts": attempts,
        "violations": [asdict(one) for one in violations],
    }
