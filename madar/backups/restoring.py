"""A backup goes back: objects first, then all rows in one transaction, then younger migrations.

Whoever breaks it off before that transaction finds no row of the backup and may begin again.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, takewhile
from typing import BinaryIO

import psycopg

from madar.backups.archive import Damaged, Member, Reader
from madar.backups.checking import Checked, key_of, table_of
from madar.backups.manifest import Manifest
from madar.backups.showing import Report
from madar.backups.steadily import steadily
from madar.clients.storage import Storage
from madar.db import backups, copying, migrate, system
from madar.db.copying import SEEDED
from madar.db.sql import Connection

AT_ONCE = 8  # objects; so many are in memory
MARK = "restored_at"  # where it is, no row appears without it


class Refused(Exception):
    """The target is not fit for it; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is there already: rows that somebody's use has left, and objects."""

    rows: dict[str, int]
    has_objects: bool
    migrations: set[str]


async def look_at_target(url: str, storage: Storage) -> Target:
    """Raises Refused where no flag can help."""
    has_objects = not await steadily(storage.is_empty)
    async with copying.open_connection(url) as conn:
        tables = {column.table_name for column in await backups.list_columns(conn)}
        if foreign := tables - migrate.known_tables():
            raise Refused(
                f"The database has tables that are not of this Madar, such as {min(foreign)}. Give "
                "it one of its own: CREATE DATABASE madar; and name that in DATABASE_URL. Nothing "
                "was changed."
            )
        if not tables:
            return Target(rows={}, has_objects=has_objects, migrations=set())
        if sessions := await backups.count_sessions_of_madar(conn):
            raise Refused(
                f"Madar is running on this database ({sessions} connections). Stop web and workers "
                "first. Nothing was changed."
            )
        applied = {one.version for one in await system.list_applied_migrations(conn)}
        if unknown := applied - {migration.version for migration in migrate.read_migrations()}:
            raise Refused(
                f"The database has migration {min(unknown)}; this release has not. Nothing was "
                "changed."
            )
        return Target(rows=await _used_rows(conn), has_objects=has_objects, migrations=applied)


async def restore_backup(
    file: BinaryIO,
    checked: Checked,
    target: Target,
    *,
    url: str,
    storage: Storage,
    report: Report,
) -> int:
    """What the target holds was agreed upon. Answers how many generations go on.

    Raises Refused, MigrationFault, Unavailable.
    """
    try:
        await _put_objects(file, checked, storage, report)
        await _prepare(url, target, checked.manifest)
        async with copying.open_connection(url) as conn, conn.transaction():
            unfinished = await _load(conn, file, checked, target, report)
    except psycopg.errors.LockNotAvailable as error:
        raise Refused(
            "Somebody is using the database, and no row of the backup is in it. Stop web and "
            "workers, then begin again."
        ) from error
    except Damaged as error:
        raise Refused(
            f"The file is not what it was when it was checked: {error}. Not all of it is restored. "
            "Begin again with one that nobody writes to."
        ) from error
    report("migrating", done=0, total=1)
    await asyncio.to_thread(migrate.up, url)
    async with copying.open_connection(url) as conn:
        await backups.mark_restored(conn, taken_at=checked.manifest.taken_at)
        await copying.analyze(conn)
    return unfinished


async def _used_rows(conn: Connection) -> dict[str, int]:
    tables = [table for table in await copying.list_tables(conn) if table.name not in SEEDED]
    counts = {table.name: await copying.count_rows(conn, table) for table in tables}
    return {name: n for name, n in counts.items() if n}


async def _prepare(url: str, target: Target, manifest: Manifest) -> None:
    """The tables as they were when the backup was taken."""
    versions = manifest.migrations.keys()
    if target.migrations - versions:
        async with copying.open_connection(url) as conn, conn.transaction():
            await _seize(conn, target)
            await copying.drop_everything(conn)
    await asyncio.to_thread(migrate.up, url, only=versions)


async def _seize(conn: Connection, target: Target) -> None:
    """All tables to ourselves, with no more in them than was agreed upon. Raises Refused."""
    await copying.lock(conn)
    if await _used_rows(conn) and not target.rows:
        raise Refused("Somebody has used the database meanwhile; none of its rows was changed.")


async def _put_objects(file: BinaryIO, checked: Checked, storage: Storage, report: Report) -> None:
    async def put(key: str, content: bytes) -> None:
        await steadily(lambda: storage.put(key, content))

    total, done, size = checked.summary.objects, 0, 0
    for some in _batches(_objects(file)):
        async with asyncio.TaskGroup() as tasks:
            for key, content in some:
                tasks.create_task(put(key, content))
        done, size = done + len(some), size + sum(len(content) for _, content in some)
        report("pictures", done=done, total=total, size=size)


async def _load(
    conn: Connection, file: BinaryIO, checked: Checked, target: Target, report: Report
) -> int:
    await _seize(conn, target)
    await copying.empty(conn)
    tables = {table.name: table for table in checked.manifest.tables}
    total, done = checked.summary.all_rows, 0
    for name, members in groupby(_rows(file), key=table_of):
        assert name
        done += await copying.copy_in(conn, tables[name], (one.content for one in members))
        report("rows", done=done, total=total)
    assert done == total, "it was checked"
    await copying.restart_sequences(conn)
    if any(MARK in table.columns for table in tables.values()):  # else once it is migrated
        await backups.mark_restored(conn, taken_at=checked.manifest.taken_at)
    return await backups.free_restored_generations(conn)


def _rows(file: BinaryIO) -> Iterator[Member]:
    file.seek(0)
    return takewhile(table_of, islice(Reader(file).members(), 1, None))


def _objects(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    file.seek(0)
    for member in Reader(file).members():
        if key := key_of(member):
            yield key, member.content


def _batches(objects: Iterator[tuple[str, bytes]]) -> Iterator[Sequence[tuple[str, bytes]]]:
    while some := list(islice(objects, AT_ONCE)):
        yield some
