"""A backup is taken: the rows of one moment, then the objects, and what is missing by its name.

Objects come after the rows, so whatever the rows name is either there or was removed meanwhile, and
no transaction waits for the storage. What rows name is written to a temporary file, a folder of the
storage a line: the folders are looked at one after the other, a 256th of the keys at a time.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, BinaryIO

from madar import __version__
from madar.actions.orphans import FOLDERS
from madar.backups.archive import MANIFEST, MISSING, OBJECTS, ROWS, Json, Parts, Writer, as_json
from madar.backups.manifest import Manifest, Summary
from madar.backups.showing import Report
from madar.backups.steadily import steadily
from madar.clients.storage import Storage
from madar.db import backups, copying, system
from madar.db.sql import Connection
from madar.errors import NotFound

AT_ONCE = 8  # objects; so many are in memory
ROWS_BETWEEN_REPORTS = 1000
UNFINISHED = ".tmp"  # the doctor's


@dataclass(frozen=True, kw_only=True)
class Taken:
    """`sha256` is that of everything before the summary; `size` that of the file."""

    manifest: Manifest
    summary: Summary
    size: int
    sha256: str

    def told(self) -> Json:
        return {"takenAt": self.manifest.taken_at.isoformat(), **self.summary.as_json()}


async def take_backup(url: str, storage: Storage, file: BinaryIO, report: Report) -> Taken:
    """Raises Unavailable when storage stays away; the file is worth nothing then."""
    with tempfile.TemporaryFile("w+") as named:
        async with copying.open_connection(url) as conn, copying.snapshot(conn):
            manifest = await _describe(conn)
            writer = Writer(file, mtime=int(manifest.taken_at.timestamp()))
            writer.add(MANIFEST, as_json(manifest.as_json()))
            summary = Summary(rows=await _copy_rows(conn, manifest, writer, report))
            total = await _note_named(conn, named)
        named.seek(0)
        objects = _Objects(
            url=url,
            storage=storage,
            writer=writer,
            summary=summary,
            report=report,
            expected=total,
        )
        await objects.copy(named)
    sha256 = writer.close(summary.as_json())
    return Taken(manifest=manifest, summary=summary, size=writer.written, sha256=sha256)


async def _describe(conn: Connection) -> Manifest:
    server = await backups.get_dumped_server(conn)
    applied = await system.list_applied_migrations(conn)
    return Manifest(
        madar=__version__,
        postgres=server.version,
        taken_at=server.now,
        migrations={one.version: one.sha256 for one in applied},
        tables=await copying.list_tables(conn),
    )


async def _copy_rows(
    conn: Connection, manifest: Manifest, writer: Writer, report: Report
) -> dict[str, int]:
    counts = {table.name: await copying.count_rows(conn, table) for table in manifest.tables}
    total, done = sum(counts.values()), 0
    for table in manifest.tables:
        parts = Parts(writer.add, f"{ROWS}{table.name}")
        async for row in copying.copy_out(conn, table):
            parts.add(row)
            done += 1
            if done % ROWS_BETWEEN_REPORTS == 0:
                report("rows", done=done, total=total, size=writer.written)
        parts.flush()
    assert done == total, "one snapshot has as many rows each time"
    report("rows", done=done, total=total, size=writer.written)
    return counts


async def _note_named(conn: Connection, named: IO[str]) -> int:
    """Answers how many objects there are."""
    total = 0
    for folder in folders():
        keys = await backups.list_objects_of_rows(conn, first=f"{folder}/", beyond=f"{folder}0")
        total += len(keys)
        named.write(json.dumps(keys) + "\n")
    return total


@dataclass(kw_only=True)
class _Objects:
    url: str
    storage: Storage
    writer: Writer
    summary: Summary
    report: Report
    expected: int
    missing: Parts = field(init=False)

    def __post_init__(self) -> None:
        self.missing = Parts(self.writer.add, MISSING)

    async def copy(self, named: IO[str]) -> None:
        for folder, line in zip(folders(), named, strict=True):
            await self._copy_folder(folder, set(json.loads(line)))
        self.missing.flush()

    async def _copy_folder(self, folder: str, named: set[str]) -> None:
        """A list may be behind, so what it lacks is asked for by its name."""
        listed = await steadily(lambda: self.storage.list_folder(folder))
        keys = sorted({one.key for one in listed if not one.key.endswith(UNFINISHED)} | named)
        gone: list[str] = []
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            contents = await asyncio.gather(*(self._read(key) for key in some))
            for key, content in zip(some, contents, strict=True):
                if content is not None:
                    self._add(key, content)
                elif key in named:
                    gone.append(key)
            self.report(
                "pictures",
                done=self.summary.objects,
                total=max(self.expected, self.summary.objects),
                size=self.writer.written,
            )
        if gone:
            await self._tell_missing(folder, gone)

    async def _read(self, key: str) -> bytes | None:
        try:
            return await steadily(lambda: self.storage.read(key))
        except NotFound:
            return None

    def _add(self, key: str, content: bytes) -> None:
        self.writer.add(f"{OBJECTS}{key}", content)
        self.summary.objects += 1
        self.summary.object_bytes += len(content)

    async def _tell_missing(self, folder: str, gone: Sequence[str]) -> None:
        """Lost, or removed since the rows were read because its person deleted it."""
        async with copying.open_connection(self.url) as conn:
            named = await backups.list_objects_of_rows(
                conn, first=f"{folder}/", beyond=f"{folder}0"
            )
        lost = set(gone).intersection(named)
        self.summary.lost += len(lost)
        self.summary.deleted += len(gone) - len(lost)
        for key in gone:
            self.missing.add(f"{'lost' if key in lost else 'deleted'} {key}\n".encode())


def folders() -> Iterator[str]:
    return (f"{number:02x}" for number in range(FOLDERS))
