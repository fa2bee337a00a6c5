"""How long each migration holds which locks on tables with rows in them.

python -m bench.sql.migrations [generations]

Each one runs on rows in the schema before it; those before 0010 ran on empty tables only.
"""

import argparse
import tempfile
from pathlib import Path

import psycopg

from bench.sql.__main__ import OUT, SETTINGS
from madar.db import migrate
from madar.db.plan import plan
from madar.local import postgres
from tests.db.copied import copy_rows
from tests.db.history import FIRST
from tests.sql.crowd import seed

WORTH_TELLING = ("ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE", "SHARE UPDATE EXCLUSIVE")


def main(size: int) -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="madar-bench-", dir=OUT.parent) as folder:
        server = postgres.start(Path(folder) / "pg", settings=SETTINGS)
        try:
            source, target = (server.create_database(name) for name in ("newest", "older"))
            migrate.up(source)
            seed(source, size, sentences=1_999)
            versions = [one.version for one in migrate.read_migrations()]
            migrate.up(target, only=[one for one in versions if one < FIRST])
            with (
                psycopg.connect(source, autocommit=True) as newest,
                psycopg.connect(target, autocommit=True) as older,
            ):
                copy_rows(newest, older)
                older.execute("VACUUM ANALYZE")
                print(f"| migration, {size:,} generations | ms | strongest lock on what is there |")
                print("|---|--:|---|")
                for version in versions:
                    if version >= FIRST:
                        print(line(older, target, version))
        finally:
            server.stop()


def line(conn: migrate.Connection, url: str, version: str) -> str:
    [planned] = plan(conn, [one for one in migrate.pending(conn) if one.version == version])
    locks = [
        f"{lock.mode} {lock.table.name}"
        for lock, _ in planned.held
        if lock.mode in WORTH_TELLING and lock.table.rows
    ]
    migrate.up(url, only=[version])
    ms = migrate.applied(conn)[version].ms
    return f"| {version} {planned.migration.name} | {ms:,} | {', '.join(locks) or 'none'} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.sql.migrations")
    parser.add_argument("size", nargs="?", type=int, default=100_000)
    main(parser.parse_args().size)
