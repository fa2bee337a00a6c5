"""What every query in sql/queries touches in a small, a large and a very large database.

python -m bench.sql [generations …]

Pages are those of 8 KiB that PostgreSQL looked at, in memory or not; they belong to the query, and
milliseconds to the machine. Of a plan for what is asked and one for anything the dearer is told.
Writes are undone. A million takes a quarter of an hour and 8 GB beside this folder.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.sql.report import Measured, lines
from madar.db import migrate
from madar.local import postgres
from tests.sql.asked import AMAL, BADR, Case, cases
from tests.sql.crowd import seed
from tests.sql.plans import Cost, cost_of, plannings_of

Conn = psycopg.Connection[Any]

SIZES = (1_000, 100_000, 1_000_000)
OUT = Path("build/bench/sql.json")
# Nothing happens by itself while it is measured, and all of it fits into memory.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "8GB",
    "shared_buffers": "512MB",
}
_MINE = {"owner_id", "user_id", "token_hash", "session_id"}
MANY_PAGES = 20_000


def main(sizes: list[int]) -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    found: dict[int, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="madar-bench-", dir=OUT.parent) as folder:
        server = postgres.start(Path(folder) / "pg", settings=SETTINGS)
        try:
            for size in sizes:
                found[size] = measured(server, size)
        finally:
            server.stop()
    print("\n".join(lines(found)))
    OUT.write_text(json.dumps({size: [vars(one) for one in of] for size, of in found.items()}))


def measured(server: postgres.Server, size: int) -> list[Measured]:
    began = time.monotonic()
    dsn = server.create_database(f"crowd_{size}")
    migrate.up(dsn)
    seed(dsn, size)
    print(f"{size:,} generations seeded in {time.monotonic() - began:.0f} s", file=sys.stderr)
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        return [of_case(conn, owner, case) for owner, case in in_order(conn, size)]


def in_order(conn: Conn, size: int) -> list[tuple[int, Case]]:
    """What only reads comes first: what is undone leaves traces that have to be read over.

    Of the writes the claim does, since it is to cost the same at every size.
    """
    asked = [(owner, case) for owner in (BADR, AMAL) for case in cases(conn, size, owner)]
    return sorted(
        (one for one in asked if one[0] == BADR or _MINE & set(one[1].query.params)),
        key=lambda one: (one[1].writes, one[1].name != "claim_generation_to_advance"),
    )


def of_case(conn: Conn, owner: int, case: Case) -> Measured:
    costs = [cost_of(conn, case, planning) for planning in plannings_of(case)]
    dearest = max(costs, key=lambda cost: cost.buffers)
    if case.writes and dearest.buffers > MANY_PAGES:
        conn.execute("VACUUM generations, attempts")
    return told(owner, case, dearest)


def told(owner: int, case: Case, cost: Cost) -> Measured:
    return Measured(
        aggregate=case.aggregate,
        name=case.name,
        is_amal=owner == AMAL,
        pages=cost.buffers,
        ms=cost.ms,
        read_through=sorted(cost.read_through),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.sql")
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    main(parser.parse_args().sizes)
