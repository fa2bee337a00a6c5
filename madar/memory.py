"""When Python looks for circular garbage: seldom, because everything waits meanwhile.

With 10,000 sockets a look at everything takes two seconds. Python would take them again and again
while sockets come. But what comes and goes here leaves no circles, or few, so the young are looked
through as ever, and everything only when the process has grown.
"""

import asyncio
import gc
import resource
import sys
from pathlib import Path

LOOK_EVERY_S = 10
GROWTH, SLACK_BYTES = 1.25, 64 * 2**20
YOUNG, MIDDLE, NEVER = 2_000, 5, 2**30


def settle() -> None:
    """What is loaded by now stays for good, and need not be looked at."""
    _look_through_everything()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)


def grow_old() -> None:
    """What there is now is not young any more, and is looked at with everything.

    For a crowd that goes: while more is freed than made, Python does not count what it makes, and
    then looks through a hundred thousand young ones at once.
    """
    gc.freeze()


async def collect_when_grown() -> None:
    """For ever."""
    enough = _enough()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if resident_bytes() >= enough:
            _look_through_everything()
            enough = _enough()


def _look_through_everything() -> None:
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _enough() -> float:
    return resident_bytes() * GROWTH + SLACK_BYTES


def resident_bytes() -> int:
    """Where it is not told, the most there ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
