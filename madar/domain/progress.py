"""How far a generation is, in percent, from what Fal lets us see. 100 means completed, only."""

import re
from collections.abc import Sequence

from madar.domain.generations import Step

# Where each step begins and ends on the bar.
SPANS: dict[Step, tuple[int, int]] = {
    "translate": (2, 6),
    "draw": (8, 70),
    "cutout": (72, 88),
    "finalize": (90, 98),
}
_STEP_LINE = re.compile(r"(\d{1,4})/(\d{1,4})")


def started(step: Step) -> int:
    return SPANS[step][0]


def finished(step: Step) -> int:
    return SPANS[step][1]


def running(step: Step, log_lines: Sequence[str]) -> int:
    """From the newest line like `17/28`; without one, the step has just begun."""
    begin, end = SPANS[step]
    for line in reversed(log_lines):
        if found := _STEP_LINE.search(line):
            done, total = int(found[1]), int(found[2])
            share = min(done / total, 1) if total else 0
            return round(begin + (end - begin) * share)
    return begin
