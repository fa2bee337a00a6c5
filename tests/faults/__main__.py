"""The long form of the fault trials: `make faults`. Goes on where it was cut off."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from madar.settings import ROOT
from tests.faults import report
from tests.faults.rig.campaign import run_trials
from tests.faults.rig.deletes import delete_at_random
from tests.faults.rig.nemesis import haunt
from tests.faults.rig.outages import lose_storage
from tests.faults.rig.points import POINTS, Point
from tests.faults.rig.restarts import restart_again_and_again
from tests.faults.rig.resuming import kill_workers
from tests.faults.rig.stage import Stage, setting_the_stage
from tests.faults.rig.trials import Mode, Outcome
from tests.faults.rig.unclear import lose_answers
from tests.simulator.harness import Json

FOLDER = ROOT / "build" / "faults"
TRIALS: dict[Mode, int] = {"kill": 50, "terminate": 20, "overtake": 20}
PARTS = ("crashes", "nemesis", "restarts", "resumed", "unclear", "storage", "deletes")


@click.command()
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this one.")
@click.option("--point", default="", help="Only crash points with these words in their name.")
@click.option("--share", type=float, default=1.0, help="0.1 is a tenth of everything.")
@click.option("--minutes", type=float, default=60.0, help="Of the nemesis.")
@click.option("--lanes", type=int, default=4, help="Products side by side.")
@click.option("--seed", type=int, default=1, help="Of what is random.")
@click.option("--again", is_flag=True, help="Forget the results there are.")
@click.option("--only-report", is_flag=True, help="Print the results there are.")
def main(
    *,
    parts: tuple[str, ...],
    point: str,
    share: float,
    minutes: float,
    lanes: int,
    seed: int,
    again: bool,
    only_report: bool,
) -> None:
    """Try to lose, double or stop generations, and print what came of it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if again:
        for kept in FOLDER.glob("*.json*"):
            kept.unlink()
    chosen = () if only_report else parts or PARTS
    if "crashes" in chosen:
        _run_crashes([one for one in POINTS if point in one.name], share=share, lanes=lanes)
    for name, run in _measures(share, minutes, lanes, seed).items():
        if name in chosen:
            _run_measure(name, run)
    text = report.markdown(_outcomes(), _measured())
    (FOLDER / "report.md").write_text(text, encoding="utf-8")
    click.echo(text)
    raise SystemExit(1 if report.has_violations(_outcomes(), _measured()) else 0)


def _measures(
    share: float, minutes: float, lanes: int, seed: int
) -> dict[str, Callable[[Stage], Json]]:
    def part_of(n: int) -> int:
        return max(1, round(n * share))

    return {
        "nemesis": lambda stage: haunt(stage, seconds=60 * minutes * share, seed=seed),
        "restarts": lambda stage: restart_again_and_again(stage, cycles=part_of(100)),
        "resumed": lambda stage: kill_workers(stage, kills=part_of(20)),
        "unclear": lambda stage: lose_answers(stage, submissions=part_of(1000), lanes=lanes),
        "storage": lambda stage: lose_storage(stage, seconds=600 * share, completions=part_of(100)),
        "deletes": lambda stage: delete_at_random(stage, deletes=part_of(1000), seed=seed),
    }


def _run_crashes(points: list[Point], *, share: float, lanes: int) -> None:
    """What was tried before counts; points and modes take turns, so that a part is a sample."""
    done = Counter((one.point, one.mode) for one in _outcomes())
    left: list[tuple[int, Point, Mode]] = [
        (number, point, mode)
        for point in points
        for mode, n in TRIALS.items()
        for number in range(done[point.name, mode], round(n * share))
    ]
    left.sort(key=lambda one: one[0])
    started = time.monotonic()
    n = 0

    def tell(outcome: Outcome) -> None:
        nonlocal n
        n += bool(outcome.mode)
        _append("crashes", asdict(outcome))
        fault = "; ".join(one["what"] for one in outcome.violations)
        if fault or n % 20 == 0:
            passed_s = time.monotonic() - started
            click.echo(f"{n}/{len(left)} {passed_s:.0f} s {outcome.point} {outcome.mode} {fault}")

    if left:
        with setting_the_stage() as stage:
            run_trials(stage, [one[1:] for one in left], lanes=lanes, tell=tell)


def _run_measure(name: str, run: Callable[[Stage], Json]) -> None:
    if any(one["part"] == name for one in _measured()):
        click.echo(f"{name}: there is a result already (--again forgets it)")
        return
    click.echo(f"{name} …")
    with setting_the_stage(durable=True) as stage:
        _append("measured", {"part": name, **run(stage)})


def _append(name: str, result: Json) -> None:
    line = json.dumps({**result, "at": datetime.now(UTC).isoformat(timespec="seconds")})
    with _path(name).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _outcomes() -> list[Outcome]:
    kept = [{**one} for one in _lines("crashes")]
    for one in kept:
        one.pop("at")
    return [Outcome(**one) for one in kept]


def _measured() -> list[Json]:
    return _lines("measured")


def _lines(name: str) -> list[Json]:
    path = _path(name)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _path(name: str) -> Path:
    return FOLDER / f"{name}.jsonl"


if __name__ == "__main__":
    main()
