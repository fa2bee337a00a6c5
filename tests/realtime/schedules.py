"""Schedules of changes, cuts and losses: `python -m tests.realtime.schedules --count 500 --seed 7`.

The tests play a few that are always the same; these are other ones, and more.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Generator
from pathlib import Path

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st

from madar.db import migrate
from madar.local import postgres
from tests.realtime.plays import Schedule, Step, play
from tests.realtime.worlds import NEVER_S, SOON_S, Ground, standing
from tests.simulator.harness import serving

# Some more often than others.
KINDS = (
    *("create", "create", "progress", "progress", "progress", "progress", "burst", "burst"),
    *("complete", "complete", "fail", "revive", "delete", "delete", "restore", "restore"),
    *("forget", "purge", "begin", "begin", "commit", "other", "deafen", "settle", "minute"),
    *("cut", "cut", "cut", "vanish", "come", "come", "come", "come", "come"),
    *("stall", "read on", "leave", "join"),
)


def _steps(*kinds: str) -> list[Step]:
    """Of the first row and the first page that is cut."""
    return [Step(kind) for kind in kinds]


# What chance may leave out. Which connection comes back at which moment of a change:
COMING_BACK = [
    step
    for pause_ms in (0, 2, 5, 9, 14, 20, 28, 40)
    for step in (
        *(Step("cut", 0), Step("cut", 1), Step("come", 0), Step("come", 1, pause_ms=pause_ms)),
        *(Step("burst"), Step("settle")),
    )
]
# A change that was made before the page was told where to go on from, and seen after that:
SLOW = _steps("begin", "cut", "come", "settle", "cut", "commit", "minute", "come")
# Bells that nobody heard, and a deletion that the page was not there for:
DEAF = _steps("deafen", "progress", "create", "settle", "deafen", "complete", "delete", "settle")
AWAY = _steps("complete", "cut", "delete", "forget", "come", "settle", "cut", "purge", "come")
FIXED = (
    Schedule(COMING_BACK, native="ids", socketio="ids", lag_ms=10),
    Schedule(COMING_BACK, native="mine", socketio="mine", lag_ms=10, polls=True),
    Schedule(SLOW),
    Schedule(DEAF, native="ids"),
    Schedule(AWAY),
)


def schedules(*, loses: bool) -> st.SearchStrategy[Schedule]:
    """`loses`: bells too, and the whole database."""
    step = st.builds(
        Step,
        kind=st.sampled_from((*KINDS, "lose") if loses else KINDS),
        which=st.integers(0, 11),
        bell=st.sampled_from((True, True, False)) if loses else st.just(True),
        pause_ms=st.sampled_from((0, 0, 1, 4, 12, 30)),
    )
    follows = st.sampled_from(("mine", "ids", "both"))
    return st.builds(
        Schedule,
        steps=st.lists(step, min_size=8, max_size=30),
        native=follows,
        socketio=follows,
        polls=st.booleans(),
        lag_ms=st.sampled_from((0, 2, 10)),
    )


def play_some(ground: Ground, *, count: int, loses: bool, seed: int | None = None) -> None:
    """Without losses nothing is re-read for its own sake, which would hide that a bell was missed.

    Without a seed they are the same each time, as the profile has it, and what fails is not made
    shorter: that takes minutes.
    """
    ground.reread(SOON_S if loses else NEVER_S)

    phases = [Phase.explicit, Phase.generate, *([] if seed is None else [Phase.shrink])]

    @hypothesis.settings(max_examples=count, phases=phases)
    @hypothesis.given(schedules(loses=loses))
    def each(schedule: Schedule) -> None:
        play(ground, schedule)

    for schedule in FIXED:
        each = hypothesis.example(schedule)(each)
    (each if seed is None else hypothesis.seed(seed)(each))()


@contextlib.contextmanager
def _ground() -> Generator[Ground]:
    """A server, a simulator and the product, for as long as it takes."""
    with (
        tempfile.TemporaryDirectory(prefix="madar-schedules-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        server = postgres.start(folder / "pg", settings={"fsync": "off"})
        stack.callback(server.stop)
        dsn = server.create_database("schedules")
        migrate.up(dsn)
        (folder / "simulator").mkdir()
        fal = stack.enter_context(serving(folder / "simulator"))
        yield stack.enter_context(standing(dsn, fal, folder / "files"))


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--count", type=int, default=500)
    reader.add_argument("--seed", type=int, default=0)
    asked = reader.parse_args()
    profile = hypothesis.settings(derandomize=False, deadline=None, database=None)
    hypothesis.settings.register_profile("schedules", profile)
    hypothesis.settings.load_profile("schedules")
    with _ground() as ground:
        for loses in (False, True):
            play_some(ground, count=asked.count // 2, loses=loses, seed=asked.seed)


if __name__ == "__main__":
    main()
