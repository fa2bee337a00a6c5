"""Whatever may happen, at random, while people ask for a picture a second."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict

from tests.faults.rig.lane import Lane, Slot, opening_lane
from tests.faults.rig.stage import Stage
from tests.faults.rig.trials import Round, settle
from tests.faults.rig.watching import Watcher
from tests.simulator.harness import Json

CREATE_EVERY_S = 1.0
STRIKE_EVERY_S = (1.0, 3.0)
# Well below the time after which a submission that was never heard of counts as dead.
STOP_S = (0.5, 3.0)
END_WITHIN_S = 180.0


class Nemesis:
    """One thing at a time; after each, what died is started again."""

    def __init__(self, lane: Lane, seed: int) -> None:
        self._lane = lane
        self._random = random.Random(seed)
        self._pause = threading.Event()
        self.done: Counter[str] = Counter()

    def run(self, until: float) -> None:
        acts: dict[str, Callable[[], None]] = {
            "worker killed": lambda: self._kill(self._any("worker")),
            "web killed": lambda: self._kill(self._any("web")),
            "worker stopped": lambda: self._stop(self._any("worker")),
            "web stopped": lambda: self._stop(self._any("web")),
            "backends terminated": self._terminate,
            "PostgreSQL restarted": self._restart,
            "connections cut": self._cut,
        }
        while time.monotonic() < until:
            self._pause.wait(self._random.uniform(*STRIKE_EVERY_S))
            name = self._random.choice(list(acts))
            acts[name]()
            self.done[name] += 1
            self._lane.start_missing()

    def _any(self, role: str) -> Slot:
        return self._random.choice([one for one in self._lane.all_slots() if one.role == role])

    def _kill(self, slot: Slot) -> None:
        assert slot.process
        if slot is self._lane.asked:
            self._lane.ask_next()
        slot.process.kill()

    def _stop(self, slot: Slot) -> None:
        assert slot.process
        slot.process.stop()
        self._pause.wait(self._random.uniform(*STOP_S))
        slot.process.go_on()

    def _terminate(self) -> None:
        self._lane.terminate_backends(
            self._random.choice(self._lane.all_slots()).proxy.backend_pids()
        )

    def _restart(self) -> None:
        self._lane.stage.server.restart(immediately=True)

    def _cut(self) -> None:
        lane = self._lane
        cuttable = [
            lane.edge,
            lane.fal,
            lane.bucket.proxy,
            *(one.proxy for one in lane.all_slots()),
        ]
        lane.stage.loop.call(self._random.choice(cuttable).cut())


@contextmanager
def opening_round(stage: Stage, threads: int = 8, **lane: object) -> Generator[Round]:
    with (
        opening_lane(stage, **lane) as opened,  # pyright: ignore[reportArgumentType]
        Watcher(opened.product.sign_in(), opened.edge.url) as watcher,
        ThreadPoolExecutor(threads) as pool,
    ):
        yield Round(lane=opened, watcher=watcher, pool=pool)


def haunt(stage: Stage, *, seconds: float, seed: int) -> Json:
    """The stage should be durable and nobody else's, for its PostgreSQL is restarted as well."""
    with opening_round(stage, threads=16) as round_:
        nemesis = Nemesis(round_.lane, seed)
        until = time.monotonic() + seconds
        striking = round_.pool.submit(nemesis.run, until)
        asked = list[Future[str]]()
        while not striking.done():
            asked.append(round_.pool.submit(round_.create_and_watch, seed=len(asked)))
            threading.Event().wait(CREATE_EVERY_S)
        striking.result()
        for one in asked:
            one.result(END_WITHIN_S)
        began = time.monotonic()
        violations = settle(round_, is_late=True, end_within_s=END_WITHIN_S)
        return {
            "generations": len(asked),
            "strikes": sum(nemesis.done.values()),
            "done": dict(nemesis.done),
            "ended_after_s": round(time.monotonic() - began, 1),
            "violations": [asdict(one) for one in violations],
        }
