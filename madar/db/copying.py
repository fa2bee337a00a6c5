"""Whole tables, out of a database and into one, whatever tables there are.

The one place beside the migrations whose statements do not stand in sql/queries: they name tables
and columns that the catalogue told, so they are composed, with psycopg's own quoting and of nothing
but identifiers. A table of a later migration is thereby in the next backup without a word.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from psycopg import AsyncConnection, IsolationLevel
from psycopg.sql import SQL, Composed, Identifier

from madar.db import backups
from madar.db.pool import KEEPALIVE
from madar.db.sql import Connection

# Why a table stays behind. Jobs are wake-ups for what other rows say; their workers and clocks are
# those of processes that are gone, and so are people's last minutes.
LEFT_OUT = {
    "schema_migrations": "written by migrating",
    "procrastinate_jobs": "the reconciler finds whatever is due without them",
    "procrastinate_events": "of those jobs",
    "procrastinate_periodic_defers": "the next tick writes it",
    "procrastinate_workers": "processes that are gone",
    "rate_limits": "seconds old, and lost in any crash of PostgreSQL",
    "sign_ins": "ten minutes long, and as good as a password meanwhile",
    "live_tickets": "half a minute long",
}
# What migrations and every start put into a database that nobody has used.
SEEDED = {"counters", "fal_gate", "generation_styles", "installation"}
LOCK_TIMEOUT = "5s"


@dataclass(frozen=True, kw_only=True)
class Table:
    name: str
    columns: tuple[str, ...]

    @property
    def _target(self) -> Composed:
        columns = SQL(", ").join(map(Identifier, self.columns))
        return SQL("{} ({})").format(Identifier(self.name), columns)

    @property
    def copy_out(self) -> Composed:
        return SQL("COPY {} TO STDOUT").format(self._target)

    @property
    def copy_in(self) -> Composed:
        return SQL("COPY {} FROM STDIN").format(self._target)


@asynccontextmanager
async def open_connection(url: str) -> AsyncGenerator[Connection]:
    """Without the limits of a request's statements: copying takes what it takes."""
    options = (
        "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
        # As one server writes a value the other has to read it.
        " -c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c client_encoding=UTF8"
    )
    given: dict[str, Any] = {
        **KEEPALIVE,
        "application_name": "madar-backup",
        "options": options,
    }
    async with await AsyncConnection.connect(url, autocommit=True, **given) as conn:
        yield conn


@asynccontextmanager
async def snapshot(conn: Connection) -> AsyncGenerator[None]:
    """All that is read inside was true at one moment; nothing can be written."""
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await conn.set_read_only(True)
    async with conn.transaction():
        yield
    await conn.set_isolation_level(None)
    await conn.set_read_only(None)


async def list_tables(conn: Connection) -> list[Table]:
    """Those of a backup, each after the ones whose rows it needs."""
    columns: dict[str, list[str]] = {}
    for found in await backups.list_columns(conn):
        if found.table_name not in LEFT_OUT:
            columns.setdefault(found.table_name, []).append(found.column_name)
    needs: dict[str, set[str]] = {name: set() for name in sorted(columns)}
    for reference in await backups.list_references(conn):
        if reference.table_name in needs:
            needs[reference.table_name].add(reference.needed_name)
    order = [name for name in TopologicalSorter(needs).static_order() if name in columns]
    return [Table(name=name, columns=tuple(columns[name])) for name in order]


async def count_rows(conn: Connection, table: Table) -> int:
    cursor = await conn.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table.name)))
    found = await cursor.fetchone()
    assert found
    return found[0]


async def copy_out(conn: Connection, table: Table) -> AsyncGenerator[bytes]:
    """A row at a time, each with its line's end."""
    async with conn.cursor() as cursor, cursor.copy(table.copy_out) as copy:
        async for row in copy:
            yield bytes(row)


async def copy_in(conn: Connection, table: Table, parts: Iterable[bytes]) -> int:
    """How many rows there were."""
    async with conn.cursor() as cursor:
        async with cursor.copy(table.copy_in) as copy:
            for part in parts:
                await copy.write(part)
        return cursor.rowcount


async def lock(conn: Connection) -> None:
    """In a transaction, which has all tables to itself from then on."""
    await conn.execute(SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT))
    await conn.execute(SQL("LOCK TABLE {}").format(await _all_tables(conn)))


async def empty(conn: Connection) -> None:
    """All but the list of migrations, the tables that stay behind too."""
    await conn.execute(SQL("TRUNCATE {}").format(await _all_tables(conn)))


async def _all_tables(conn: Connection) -> Composed:
    found = {column.table_name for column in await backups.list_columns(conn)}
    return SQL(", ").join(map(Identifier, sorted(found - {"schema_migrations"})))


async def restart_sequences(conn: Connection) -> None:
    """After the highest number that is taken."""
    for one in await backups.list_sequences(conn):
        statement = SQL("SELECT setval({}, coalesce(max({}), 1), max({}) IS NOT NULL) FROM {}")
        column = Identifier(one.column_name)
        await conn.execute(
            statement.format(one.sequence_name, column, column, Identifier(one.table_name))
        )


async def analyze(conn: Connection) -> None:
    """So that plans are at once as good as they were."""
    await conn.execute("ANALYZE")


async def drop_everything(conn: Connection) -> None:
    """Back to a database without tables: what a newer release made of it cannot be taken back."""
    async with conn.transaction():
        await conn.execute(SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT))
        schema = Identifier(await backups.get_schema_name(conn))
        await conn.execute(SQL("DROP SCHEMA {} CASCADE").format(schema))
        await conn.execute(SQL("CREATE SCHEMA {}").format(schema))
        await conn.execute(SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(schema))  # as initdb
