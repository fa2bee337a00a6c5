"""What live updates cost and how late they come, against limits measured in the same run.

python -m bench.live [--sockets N] [--rounds N] [--only CASE …] [--quick]

The cases are news, idle, everyone, stalled and storm (cases.py says what each does). PostgreSQL,
the web process, the load generator and the writer share the machine's processors, so milliseconds
depend on it; times the limit depends on it least. Sockets come over loopback: no network, no TLS.
"""

import argparse
import asyncio
import resource
import signal
import time
from dataclasses import asdict

from bench.live.cases import CASES
from bench.live.product import STALLED, Product, prepared
from bench.live.report import Row, keep, show
from bench.live.stage import Sizes, staged

FULL = Sizes(
    sockets=10_000,
    some=1_000,
    rounds=3,
    seconds=20,
    idle_s=20,
    return_within_s=60,
    events_per_s=300,
)
QUICK = Sizes(
    sockets=500, some=200, rounds=1, seconds=3, idle_s=5, return_within_s=5, events_per_s=100
)
OTHER_FILES = 500  # open ones of a process, beside its sockets
LIMITS = (
    "PostgreSQL, the web process, the load generator and the writer share the same processors.",
    "Loopback: no network between, no TLS; a cut socket tells the server by a reset.",
    "No worker runs: rows change by SQL, and the product's own bell rings after each commit.",
    "Memory is the process's own; what the kernel holds for a socket is not in it.",
    "'idle' and 'news' include the server's pings (one a socket every 20 s) and its re-reading.",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live")
    parser.add_argument("--sockets", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, ended)  # so that nothing is left running
    sizes = chosen(QUICK if given.quick else FULL, given.sockets, given.rounds)
    rows: list[Row] = []
    notes = list(LIMITS)
    with prepared(sizes.sockets) as product:
        for name in given.only:
            began = time.monotonic()
            found, told = asyncio.run(played(name, product, sizes))
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
            rows += found
            notes += [f"{name}: {one}" for one in told]
            keep(rows, asdict(sizes), notes)
    show(rows)
    print("\n".join(["", *(f"- {note}" for note in notes)]))


def ended(number: int, frame: object) -> None:
    """As by Ctrl-C, which asyncio takes for a reason to end in order."""
    del number, frame
    signal.raise_signal(signal.SIGINT)


async def played(name: str, product: Product, sizes: Sizes) -> tuple[list[Row], list[str]]:
    """The rows of one case, and what happened on the way."""
    async with staged(product, sizes) as stage:
        rows = await CASES[name](stage)
    return rows, stage.notes


def chosen(sizes: Sizes, sockets: int | None, rounds: int | None) -> Sizes:
    """As asked for, as far as files may be open."""
    wanted = sockets or sizes.sockets
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    possible = wanted if most == resource.RLIM_INFINITY else most - OTHER_FILES - STALLED
    if possible < wanted:
        print(f"Only {possible} sockets: a process may open {most} files here (ulimit -Hn).")
    count = min(wanted, possible)
    return Sizes(
        **asdict(sizes)
        | {"sockets": count, "some": min(sizes.some, count), "rounds": rounds or sizes.rounds}
    )


if __name__ == "__main__":
    main()
