"""The table of the fault trials, as docs/reliability.md shows it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tests.faults.rig.campaign import LOOK_BACK
from tests.faults.rig.points import POINTS
from tests.faults.rig.trials import MODES, Outcome
from tests.simulator.harness import Json

KINDS = ("lost", "doubled", "stuck", "regressed", "broken")
_HEAD = "lost | double-submitted | stuck | regressions | other"


def markdown(outcomes: Sequence[Outcome], measured: Sequence[Json]) -> str:
    """The date is the day on which it is written."""
    tried = [one for one in outcomes if one.mode]
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}. {len(tried)} crash trials.",
        "",
        f"| held | {' | '.join(MODES)} | {_HEAD} |",
        f"|---|{'---|' * (len(MODES) + 5)}",
        *(_row(point.name, [one for one in tried if one.point == point.name]) for point in POINTS),
        _row(LOOK_BACK, [one for one in outcomes if one.point == LOOK_BACK]),
        _row("**all**", list(outcomes)),
        "",
        f"| beside them | what was measured | {_HEAD} |",
        f"|---|{'---|' * 6}",
        *(_measured_row(one) for one in measured),
    ]
    return "\n".join(lines) + "\n"


def has_violations(outcomes: Sequence[Outcome], measured: Sequence[Json]) -> bool:
    return any(one.violations for one in outcomes) or any(one["violations"] for one in measured)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    trials = [str(sum(one.mode == mode for one in outcomes)) for mode in MODES]
    counts = [str(sum(one.count(kind) for one in outcomes)) for kind in KINDS]
    return f"| {name} | {' | '.join([*trials, *counts])} |"


def _measured_row(one: Json) -> str:
    counts = [str(sum(each["kind"] == kind for each in one["violations"])) for kind in KINDS]
    title, words = _WORDS[one["part"]]
    return f"| {title} | {words(one)} | {' | '.join(counts)} |"


def _spread(values: Sequence[float]) -> str:
    return f"p50 {percentile(values, 0.5)} s, p99 {percentile(values, 0.99)} s"


def _nemesis(one: Json) -> str:
    strikes = ", ".join(f"{name} {n}" for name, n in sorted(one["done"].items()))
    return f"{one['generations']} pictures, {one['strikes']} strikes ({strikes})"


def _restarts(one: Json) -> str:
    spreads = "; ".join(f"{name} {_spread(one[name])}" for name in ("api", "jobs", "live"))
    return f"{one['cycles']} restarts; {spreads}; answers {one['codes']}"


_WORDS: dict[str, tuple[str, Callable[[Json], str]]] = {
    "nemesis": ("nemesis at one picture a second", _nemesis),
    "restarts": ("PostgreSQL restarted at once", _restarts),
    "resumed": (
        "worker killed until its pictures go on",
        lambda one: (
            f"{one['kills']} kills, {len(one['seconds'])} pictures; {_spread(one['seconds'])}"
        ),
    ),
    "unclear": (
        "submissions whose answer was lost",
        lambda one: f"{one['submissions']} in {one['kinds']} ways, {one['attempts']} attempts",
    ),
    "storage": (
        "storage away",
        lambda one: f"{one['seconds']:.0f} s, {one['completions']} pictures waited for it",
    ),
    "deletes": (
        "deleted at a random moment",
        lambda one: f"{one['deletes']} pictures, looked for within 60 s",
    ),
}
