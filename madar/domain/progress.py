"""How far a generation is, in percent, from what Fal lets us see. 100 means completed, only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from madar.domain.generations import Step

# Where each step begins and ends on the bar.
SPANS: dict[Step, tuple[int, int]] = {
    "translate": (2, 6),
    "draw": (8, 70),
    "cutout": (72, 88),
    "finalize": (90, 98),
}
# In Fal's log, like `17/28`.
_STEP_LINE = re.compile(r"(\d{1,4})/(\d{1,4})")


@dataclass(frozen=True)
class Steps:
    """How many are done; never more than there are."""

    done: int
    total: int


def started(step: Step) -> int:
    return SPANS[step][0]


def finished(step: Step) -> int:
    return SPANS[step][1]


def steps_of(log_lines: Sequence[str]) -> Steps | None:
    """What the newest line with numbers says."""
    for line in reversed(log_lines):
        if found := _STEP_LINE.search(line):
            done, total = int(found[1]), int(found[2])
            return Steps(min(done, total), total) if total else None
    return None


def running(step: Step, steps: Steps | None) -> int:
    """Without steps, it has just begun."""
    begin, end = SPANS[step]
    return round(begin + (end - begin) * steps.done / steps.total) if steps else begin
