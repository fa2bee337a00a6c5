"""The long form: `python -m tests.fuzz [how many]`; prints a table by operation.

Rounds are numbered, and a number sends the same again. What was counted is kept in build/fuzz.json
after each round, so a run that was cut off, or had only so many `--seconds`, goes on where it was.

Exit code 1 when anything was not as it must be.
"""
# ruff: noqa: T201 - the table is printed

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from madar.db import migrate
from madar.local import postgres
from madar.settings import ROOT
from tests.fuzz.sending import WHO, Fuzzer, Outcome
from tests.fuzz.table import table
from tests.hostile.site import Site, opened_site
from tests.simulator.harness import serving

KEPT = ROOT / "build" / "fuzz.json"


@dataclass
class Progress:
    """What a run has done so far."""

    rounds: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    @classmethod
    def kept(cls) -> "Progress":
        if not KEPT.exists():
            return cls()
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
        answers = Counter({(label, status): n for label, status, n in kept["answers"]})
        return cls(kept["rounds"], Outcome(answers, kept["faults"]))

    def keep(self) -> None:
        KEPT.parent.mkdir(exist_ok=True)
        answers = [[*key, n] for key, n in self.outcome.answers.items()]
        kept = {"rounds": self.rounds, "answers": answers, "faults": self.outcome.faults}
        KEPT.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("count", type=int, nargs="?", default=50_000)
    parser.add_argument("--examples", type=int, default=60, help="of each kind in a round")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then stop for now")
    parser.add_argument("--afresh", action="store_true", help="forget what a run before counted")
    given = parser.parse_args()
    progress = Progress() if given.afresh else Progress.kept()
    ends_at = time.monotonic() + given.seconds
    with _site() as site, contextlib.closing(Fuzzer(site.product)) as fuzzer:
        fuzzer.outcome = progress.outcome
        while progress.outcome.requests < given.count and time.monotonic() < ends_at:
            progress.rounds += 1
            edges_for = WHO if progress.rounds == 1 else ()
            for _ in fuzzer.round(progress.rounds, examples=given.examples, edges_for=edges_for):
                pass
            progress.keep()
            print(f"round {progress.rounds}: {progress.outcome.requests:,} requests", flush=True)
        is_alive = site.is_alive()
    print(table(progress.outcome.answers))
    for what, example in progress.outcome.faults.items():
        print(f"\nNOT AS IT MUST BE {what}\n{example}")
    return 0 if is_alive and not progress.outcome.faults else 1


@contextlib.contextmanager
def _site() -> Generator[Site]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="madar-fuzz-", dir=memory if memory.is_dir() else None))
    folder.chmod(0o755)
    server = postgres.start(folder / "pg")
    try:
        dsn = server.create_database("fuzz")
        migrate.up(dsn)
        with (
            serving(folder / "simulator") as fal,
            opened_site(dsn=dsn, fal=fal, storage=folder / "files") as site,
        ):
            yield site
    finally:
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
