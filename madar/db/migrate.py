"""Numbered migrations in dbmate's file format: what is pending, apply it, what was applied.

Each file is applied in one transaction with its bookkeeping row; a file that says
`-- migrate:up transaction:false` runs statement by statement, split at lines `-- next`.
One runner at a time works (advisory lock); a file changed after it was applied is refused.
The few statements of the bookkeeping stand here, not in sql/queries: they run where there is no
schema yet that a query could be checked against.
"""

import hashlib
import re
import time
from collections.abc import Container, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

from madar.db.pool import SESSION
from madar.settings import ROOT

MIGRATIONS = ROOT / "sql" / "migrations"
SCHEMA = ROOT / "sql" / "schema.sql"
LOCK_KEY = 0x6D61646172  # "madar"
LOCK_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 300
RUNNER_WAITS_S = 60

_UP = re.compile(r"^-- migrate:up(?P<options>.*)$", re.MULTILINE)
_DOWN = re.compile(r"^-- migrate:down.*$", re.MULTILINE)
_TABLE = re.compile(r"^CREATE (?:UNLOGGED )?TABLE public\.(\w+) ", re.MULTILINE)

Connection = psycopg.Connection[Any]


class MigrationFault(Exception):
    """Nothing of the failing migration was applied; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    version: str
    name: str
    sql: str
    sha256: str
    in_transaction: bool


@dataclass(frozen=True, kw_only=True)
class Applied:
    version: str
    sha256: str
    applied_at: datetime
    ms: int


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    return [_parse(path) for path in sorted(folder.glob("*.sql"))]


def known_tables() -> set[str]:
    """All that the migrations make."""
    return set(_TABLE.findall(SCHEMA.read_text(encoding="utf-8")))


def applied(conn: Connection) -> dict[str, Applied]:
    """What this database says was applied, by version."""
    if conn.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
        return {}
    with conn.cursor(row_factory=class_row(Applied)) as cursor:
        rows = cursor.execute("SELECT version, sha256, applied_at, ms FROM schema_migrations")
        return {row.version: row for row in rows}


def pending(conn: Connection, folder: Path = MIGRATIONS) -> list[Migration]:
    """Raises MigrationFault when an applied file was edited or a newer release migrated."""
    return still_pending({row.version: row.sha256 for row in applied(conn).values()}, folder)


def still_pending(done: Mapping[str, str], folder: Path = MIGRATIONS) -> list[Migration]:
    """The same by the sums of what was applied, each under its version."""
    known = {migration.version: migration for migration in read_migrations(folder)}
    for version, sha256 in done.items():
        if version not in known:
            raise MigrationFault(f"The database has migration {version}; this release has not.")
        if known[version].sha256 != sha256:
            raise MigrationFault(f"Migration {version} was edited after it was applied.")
    return [migration for version, migration in known.items() if version not in done]


def up(
    url: str,
    *,
    folder: Path = MIGRATIONS,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    only: Container[str] | None = None,
    is_pooled: bool = False,
) -> list[Migration]:
    """Apply all that is pending, or of it `only` these versions; answers what this call applied.

    `is_pooled`: requests come through a pooler, so the role is given the limits of their sessions.
    """
    with psycopg.connect(url, autocommit=True) as conn, _only_runner(conn):
        conn.execute(f"SET lock_timeout = '{lock_timeout_s}s'".encode())
        conn.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'".encode())
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version text PRIMARY KEY, "
            "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), ms int NOT NULL)"
        )
        todo = [one for one in pending(conn, folder) if only is None or one.version in only]
        for migration in todo:
            _apply(conn, migration)
        if is_pooled:
            _limit_sessions(conn)
        return todo


def _limit_sessions(conn: Connection) -> None:
    """What each session asks for where it may; who asks for something else still gets that."""
    for name, value in SESSION.items():
        statement = SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}")
        conn.execute(statement.format(Identifier(conn.info.dbname), Identifier(name), value))


def _parse(path: Path) -> Migration:
    text = path.read_text(encoding="utf-8")
    head = _UP.search(text)
    assert head, f"{path.name} has no line -- migrate:up"
    tail = _DOWN.search(text, head.end())
    version, _, name = path.stem.partition("_")
    return Migration(
        version=version,
        name=name,
        sql=text[head.end() : tail.start() if tail else len(text)].strip(),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        in_transaction="transaction:false" not in head["options"],
    )


@contextmanager
def _only_runner(conn: Connection) -> Generator[None]:
    # Waiting inside pg_advisory_lock would hold a snapshot that CREATE INDEX CONCURRENTLY
    # of the running migration waits for, so the lock is tried again and again instead.
    deadline = time.monotonic() + RUNNER_WAITS_S
    while conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise MigrationFault("Another migration is running; nothing was changed.")
        time.sleep(0.1)
    try:
        yield
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


def _apply(conn: Connection, migration: Migration) -> None:
    started = time.monotonic()
    try:
        if migration.in_transaction:
            with conn.transaction():
                conn.execute(migration.sql.encode())
                _record(conn, migration, started)
        else:
            for statement in re.split(r"^-- next$", migration.sql, flags=re.MULTILINE):
                conn.execute(statement.encode())
            _record(conn, migration, started)
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationFault(
            f"Migration {migration.version} waited too long for a lock and stopped; nothing of it "
            "was applied. Run it again later."
        ) from error
    except psycopg.Error as error:
        raise MigrationFault(f"Migration {migration.version} failed: {error}") from error


def _record(conn: Connection, migration: Migration, started: float) -> None:
    ms = round((time.monotonic() - started) * 1000)
    conn.execute(
        "INSERT INTO schema_migrations (version, sha256, ms) VALUES (%s, %s, %s)",
        [migration.version, migration.sha256, ms],
    )
