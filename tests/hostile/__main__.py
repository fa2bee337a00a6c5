"""The long form: `python -m tests.hostile [how many] [--seed 1]`; prints a table by family.

So many damaged files are sent, and some 220 crafted ones.

Exit code 1 when anything was not as it must be.
"""
# ruff: noqa: T201 - the table is printed

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from madar.db import migrate
from madar.local import postgres
from tests.hostile.families import good, hostile
from tests.hostile.run import Outcome, send_all
from tests.hostile.site import Memory, Site, opened_site
from tests.simulator.harness import serving

WARM_UP_ROUNDS = 3
MAX_GROWTH_MIB = 150


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("count", type=int, nargs="?", default=3000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with _site() as site:
        warm_up(site)
        with Memory(site.process) as memory:
            memory.look()
            before_mib = memory.web_mib
            outcome = send_all(site, hostile(given.count, seed=given.seed))
        faults = [*outcome.faults, *closing_faults(site, memory, before_mib)]
    _print_table(outcome)
    _print_memory(memory, before_mib)
    for fault in faults:
        print("NOT AS IT MUST BE", fault)
    return 1 if faults else 0


def warm_up(site: Site) -> None:
    """Every decoder and both children have worked, so that memory is at its usual height."""
    for _ in range(WARM_UP_ROUNDS):
        send_all(site, good())


def closing_faults(site: Site, memory: Memory, before_mib: float) -> list[str]:
    faults: list[str] = []
    if memory.web_peak_mib - before_mib > MAX_GROWTH_MIB:
        faults.append(f"web process grew by {memory.web_peak_mib - before_mib:.0f} MiB")
    if not site.is_alive():
        return [*faults, "the web process is gone"]
    return faults + send_all(site, good()).faults


def _print_table(outcome: Outcome) -> None:
    print(f"{outcome.sent} files")
    print(f"{'family':16}{'sent':>6}{'accepted':>10}{'slowest':>9}  refused by code")
    for family, tally in outcome.families.items():
        codes = ", ".join(f"{code} {count}" for code, count in tally.codes.most_common())
        took_s, name = tally.slowest
        print(f"{family:16}{tally.sent:6}{tally.accepted:10}{took_s:8.2f}s  {codes} [{name}]")


def _print_memory(memory: Memory, before_mib: float) -> None:
    print(f"web process: {before_mib:.0f} MiB before, {memory.web_peak_mib:.0f} at most,", end=" ")
    print(f"{memory.web_mib:.0f} after; decoders beside it: {memory.decoders_peak_mib:.0f} at most")


@contextlib.contextmanager
def _site() -> Generator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="madar-hostile-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "pg")
    try:
        dsn = server.create_database("hostile")
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
