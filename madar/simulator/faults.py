"""The fault dial: which of Fal's bad days are acted out, for everybody or for one prompt."""

import re
from typing import get_args

from madar.simulator.names import FaultName

FAULTS: frozenset[str] = frozenset(get_args(FaultName))

# A fault of the whole service cannot belong to one request.
_ONLY_ON_THE_DIAL = frozenset({"down"})

# A picture's own bad day goes on when its background is cut out. The faults of one submission do
# not: the cut-out is a submission of its own, and has no prompt to be refused.
_INHERITED = frozenset({"slow", "flaky", "duplicate", "no-webhooks", "opaque"})

_MARKER = re.compile(r"\s*\[sim:([a-z-]+)\]")

# Two of six calls fail, one of each kind. A fixed order, so a failing run can be repeated.
_FLAKY_CALLS = (None, 503, None, None, 500, None)
_FLAKY_RUNS = 3


class UnknownFault(ValueError):
    """There is no fault of this name."""


class FaultDial:
    """The faults that hold for every request, and the sequence of flaky answers."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names: frozenset[str] = frozenset()
        self._calls = 0
        self.turn(names)

    def turn(self, names: frozenset[str]) -> None:
        if unknown := names - FAULTS:
            raise UnknownFault(", ".join(sorted(unknown)))
        self.names = names

    def with_markers(self, markers: frozenset[str]) -> frozenset[str]:
        return self.names | markers

    def next_flaky_answer(self) -> int | None:
        """The HTTP status this call fails with, or None when it may succeed."""
        answer = _FLAKY_CALLS[self._calls % len(_FLAKY_CALLS)]
        self._calls += 1
        return answer


def flaky_run_fails(number: int) -> bool:
    """Every third run loses its runner; by the request's number, so a restart changes nothing."""
    return number % _FLAKY_RUNS == 0


def markers_in(text: str) -> frozenset[str]:
    return frozenset(_MARKER.findall(text)) & (FAULTS - _ONLY_ON_THE_DIAL)


def inherited(markers: frozenset[str]) -> frozenset[str]:
    return markers & _INHERITED


def without_markers(text: str) -> str:
    return _MARKER.sub("", text).strip()
