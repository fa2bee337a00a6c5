"""Each migration on rows of the release before it, whose queries go on as they did."""

import asyncio
import contextlib
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL
from psycopg.sql import Literal as Quoted

from madar.db import migrate
from madar.db.pool import open_pool
from madar.db.sql import Connection, Query
from madar.local import postgres
from tests.db import debian, history
from tests.db.copied import copy_rows
from tests.pooler import needs_pgbouncer, pooling
from tests.sql.asked import BADR, Case, can_be_asked, case_of, cases
from tests.sql.crowd import seed

TOTAL = 1_000
CROWD = "forward_crowd"
# What a query looks at that is not the same a moment later, by itself or through a view.
RESTLESS = re.compile(
    rb"now\(\)|clock_timestamp|document|_generations\b|schema_migrations|TABLESAMPLE|pg_class"
)
# More than what psycopg waits for before it prepares a statement, if it may.
OFTEN = 7
Conn = psycopg.Connection[Any]
Outcome = tuple[str, ...]

needs_history = pytest.mark.skipif(
    not history.is_known(), reason="NO RELEASE BEFORE IS TESTED: this clone has no history"
)


@pytest.fixture(scope="module", params=["embedded", pytest.param("15", marks=debian.needs_debian)])
def server(
    request: pytest.FixtureRequest, postgres_server: postgres.Server
) -> Generator[postgres.Server]:
    if request.param == "embedded":
        yield postgres_server
        return
    with debian.serving() as server:
        yield server


@pytest.fixture(scope="module")
def crowd(server: postgres.Server) -> Generator[Conn]:
    """The newest schema with a thousand pictures."""
    dsn = server.create_database(CROWD)
    migrate.up(dsn)
    seed(dsn, TOTAL)
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        yield conn


def test_every_query_runs_on_what_all_migrations_make(crowd: Conn) -> None:
    failed = {case.name: end for case in cases(crowd, TOTAL)
              if (end := outcome(crowd, case))[0] == "error"}  # fmt: skip

    assert failed == {}


@needs_pgbouncer
def test_every_query_runs_behind_a_pooler(
    server: postgres.Server, crowd: Conn, open_folder: Path
) -> None:
    asked = list(cases(crowd, TOTAL))

    async def main(address: str) -> None:
        async with open_pool(address, is_pooled=True) as pool, pool.connection() as conn:
            for case in asked:
                for _ in range(OFTEN if not case.writes else 1):
                    await run(conn, case)

    with pooling(server.dsn(CROWD), open_folder) as address:
        asyncio.run(main(address))


async def run(conn: Connection, case: Case) -> None:
    """As Madar does; a write is undone, and what only reads may go to any connection."""
    async with contextlib.AsyncExitStack() as stack:
        if case.writes:
            await stack.enter_async_context(conn.transaction(force_rollback=True))
        prepare = False if case.query.is_planned_each_time else None
        given = list(case.arguments)
        await psycopg.AsyncRawCursor(conn).execute(case.query.sql, given, prepare=prepare)


@needs_history
def test_the_queries_of_the_release_before_go_on(server: postgres.Server, crowd: Conn) -> None:
    dsn = server.create_database("forward")
    migrate.up(dsn, only=[f"{number:04}" for number in range(1, int(history.FIRST))])
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        for release in history.releases():
            copy_rows(crowd, conn)
            asked = [
                case_of(crowd, TOTAL, BADR, aggregate, name, query)
                for (aggregate, name), query in release.queries.items()
                if can_be_asked(query)
            ]
            before = outcomes(conn, release, asked)
            errors = [name for name, found in before.items() if found[:1] == ("error",)]
            assert len(errors) < len(before) / 20, errors

            migrate.up(dsn, only=release.versions)

            assert outcomes(conn, release, asked) == before, release.versions


def outcomes(conn: Conn, release: history.Release, asked: list[Case]) -> dict[str, Outcome]:
    """Each query is understood; each one that can be asked is."""
    found = {f"{one.aggregate}.{one.name}": outcome(conn, one) for one in asked}
    for (aggregate, name), query in release.queries.items():
        found[f"{aggregate}.{name}, described"] = described(conn, query)
    return found


def described(conn: Conn, query: Query) -> Outcome:
    conn.execute("DEALLOCATE ALL")
    prepared = conn.pgconn.prepare(b"query", query.sql)
    assert not prepared.error_message, f"{query.name}: {prepared.error_message.decode()}"
    columns = conn.pgconn.describe_prepared(b"query")
    return tuple(f"{columns.fname(n)} {columns.ftype(n)}" for n in range(columns.nfields))


def outcome(conn: Conn, case: Case) -> Outcome:
    """What comes of it, undone: an error's words, or the names and types of the columns.

    And of a query that does not look at the clock, every row.
    """
    conn.execute("DEALLOCATE ALL")
    given = SQL(", ").join(Quoted(text) for text in case.arguments)
    words = SQL("({})").format(given) if case.arguments else SQL("")
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(b"PREPARE asked AS " + bare(case.query))
            cursor = conn.execute(SQL("EXECUTE asked") + words)
            if cursor.description is None:
                return ("changed",)
            columns = tuple(f"{one.name} {one.type_code}" for one in cursor.description)
            is_timeless = not case.writes and not RESTLESS.search(case.query.sql)
            rows = sorted(map(repr, cursor.fetchall())) if is_timeless else []
            return ("found", *columns, *rows)
    except psycopg.Error as error:
        return ("error", str(error))


def bare(query: Query) -> bytes:
    return query.sql.strip().rstrip(b";")
