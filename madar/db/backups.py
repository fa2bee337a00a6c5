"""What a backup asks the database, and what a restore writes there beside the rows themselves."""

from dataclasses import dataclass
from datetime import datetime

from madar.db.sql import Connection, Queries

_sql = Queries("backups")


@dataclass(frozen=True, kw_only=True)
class Column:
    table_name: str
    column_name: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    table_name: str
    needed_name: str


@dataclass(frozen=True, kw_only=True)
class Sequence:
    sequence_name: str
    table_name: str
    column_name: str


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """Its clock, as the transaction has it, and its version."""

    now: datetime
    version: str


@dataclass(frozen=True, kw_only=True)
class _Object:
    object_key: str


async def list_columns(conn: Connection) -> list[Column]:
    return await _sql.many(conn, "list_columns", Column)


async def list_references(conn: Connection) -> list[Reference]:
    return await _sql.many(conn, "list_references", Reference)


async def list_sequences(conn: Connection) -> list[Sequence]:
    return await _sql.many(conn, "list_sequences", Sequence)


async def get_schema_name(conn: Connection) -> str:
    found: str = await _sql.value(conn, "get_schema_name")
    return found


async def get_dumped_server(conn: Connection) -> DatabaseServer:
    return await _sql.one(conn, "get_dumped_server", DatabaseServer)


async def count_sessions_of_madar(conn: Connection) -> int:
    found: int = await _sql.value(conn, "count_sessions_of_madar")
    return found


async def list_objects_of_rows(conn: Connection, *, first: str, beyond: str) -> list[str]:
    """From `first` on, before `beyond`."""
    found = await _sql.many(conn, "list_objects_of_rows", _Object, first=first, beyond=beyond)
    return [one.object_key for one in found]


async def free_restored_generations(conn: Connection) -> int:
    """How many are still to be made."""
    return await _sql.exec(conn, "free_restored_generations")


async def mark_restored(conn: Connection, *, taken_at: datetime) -> None:
    await _sql.exec(conn, "mark_restored", taken_at=taken_at)
