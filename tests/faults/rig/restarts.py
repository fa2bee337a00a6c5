"""PostgreSQL ends in immediate mode again and again; how soon everything works by itself."""

import threading
import time
from dataclasses import asdict
from typing import Self

import httpx

from tests.faults.rig.nemesis import opening_round
from tests.faults.rig.stage import Stage
from tests.faults.rig.trials import Round, settle
from tests.product import Person
from tests.simulator.harness import Json, eventually

RECOVERY_WITHIN_S = 60.0


class Reader:
    """Reads without pause, and keeps what it was answered."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.codes: set[int] = set()
        self.answered_at = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                answer = self._person.get("/api/generations")
            except httpx.HTTPError:
                continue
            self.codes.add(answer.status_code)
            if answer.is_success:
                self.answered_at = time.monotonic()


def restart_again_and_again(stage: Stage, *, cycles: int) -> Json:
    """Seconds from when the server takes connections again. The stage should be durable."""
    measured: dict[str, list[float]] = {"api": [], "jobs": [], "live": []}
    with opening_round(stage) as round_, Reader(round_.lane.product.sign_in()) as reader:
        for _ in range(cycles):
            for name, seconds in _one_cycle(round_, reader).items():
                measured[name].append(round(seconds, 2))
        violations = settle(round_, is_late=True)
        codes = sorted(reader.codes)
    return {
        "cycles": cycles,
        "codes": codes,
        "generations": len(round_.ids),
        **measured,
        "violations": [asdict(one) for one in violations],
    }


def _one_cycle(round_: Round, reader: Reader) -> dict[str, float]:
    for _ in range(2):
        round_.create_and_watch()
    round_.lane.stage.server.restart(immediately=True)
    back = time.monotonic()
    api = eventually(
        lambda: reader.answered_at - back if reader.answered_at > back else None,
        deadline_s=RECOVERY_WITHIN_S,
    )
    later = round_.create_and_watch()
    jobs = eventually(lambda: _taken(round_, later, back), deadline_s=RECOVERY_WITHIN_S)
    live = eventually(lambda: _heard(round_, later, back), deadline_s=RECOVERY_WITHIN_S)
    return {"api": api, "jobs": jobs, "live": live}


def _taken(round_: Round, generation_id: str, back: float) -> float | None:
    query = "SELECT 1 AS n FROM generations WHERE id = %s AND lease_epoch > 0"
    return time.monotonic() - back if round_.lane.rows(query, generation_id) else None


def _heard(round_: Round, generation_id: str, back: float) -> float | None:
    """Something newer than what it was told when it joined, or then already how it ended."""
    told = [one for one in round_.watcher.seen.get(generation_id, ()) if one.channel == "socket"]
    is_told = any(one.version > told[0].version or one.status == "completed" for one in told)
    return time.monotonic() - back if is_told else None
