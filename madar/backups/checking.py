"""Everything a backup can be found wanting in, without writing anything."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

from madar.backups.archive import (
    MANIFEST,
    MISSING,
    OBJECTS,
    ROWS,
    Damaged,
    Json,
    Member,
    Reader,
    parsed,
)
from madar.backups.manifest import Manifest, NotABackup, Summary
from madar.backups.showing import Report
from madar.clients.storage import is_key
from madar.db.migrate import read_migrations

TOLD = 20  # of the missing ones, by name
_PART = re.compile(r"\.\d{4,}")


@dataclass(kw_only=True)
class Checked:
    """`lost` names the first of the objects that rows name and no storage had any more."""

    manifest: Manifest
    summary: Summary
    lost: list[str] = field(default_factory=list[str])

    def told(self) -> Json:
        return {"takenAt": self.manifest.taken_at.isoformat(), **self.summary.as_json()}


def read_manifest(file: BinaryIO) -> Manifest:
    """From the head alone, for what this release can read. Raises Damaged, NotABackup."""
    file.seek(0)
    try:
        first = next(Reader(file).members())
    except (Damaged, StopIteration) as error:
        raise NotABackup("It is no backup of Madar, or its head is damaged.") from error
    if first.name != MANIFEST:
        raise NotABackup("It is no backup of Madar.")
    manifest = Manifest.of(parsed(first.content, MANIFEST))
    _check_migrations(manifest)
    return manifest


def check_backup(file: BinaryIO, *, size: int, report: Report) -> Checked:
    """Reads all of it. Raises Damaged, NotABackup."""
    manifest = read_manifest(file)
    rows = dict.fromkeys((table.name for table in manifest.tables), 0)
    checked = Checked(manifest=manifest, summary=Summary(rows=rows))
    file.seek(0)
    reader = Reader(file)
    for member in reader.members():
        _count(checked, member)
        report("checking", done=reader.position, total=size, size=reader.position)
    checked.summary.compare(reader.summary)
    return checked


def table_of(member: Member) -> str | None:
    """Whose rows these are."""
    name = PurePosixPath(member.name)
    return name.stem if member.name.startswith(ROWS) and _PART.fullmatch(name.suffix) else None


def key_of(member: Member) -> str | None:
    """Under which key this object lies."""
    key = member.name.removeprefix(OBJECTS)
    return key if key != member.name and is_key(key) else None


def _count(checked: Checked, member: Member) -> None:
    summary, content = checked.summary, member.content
    if (table := table_of(member)) in summary.rows:
        assert table
        summary.rows[table] += content.count(b"\n")  # those within a value are written as \n
    elif key_of(member):
        summary.objects += 1
        summary.object_bytes += len(content)
    elif member.name.startswith(f"{MISSING}."):
        _count_missing(checked, content)
    elif member.name != MANIFEST:
        raise Damaged(f"{member.name} is nothing that a backup holds")


def _count_missing(checked: Checked, content: bytes) -> None:
    for line in content.decode(errors="replace").splitlines():
        why, _, key = line.partition(" ")
        if why == "lost":
            checked.summary.lost += 1
            if len(checked.lost) < TOLD:
                checked.lost.append(key)
        else:
            checked.summary.deleted += 1


def _check_migrations(manifest: Manifest) -> None:
    known = {migration.version: migration.sha256 for migration in read_migrations()}
    for version, sha256 in manifest.migrations.items():
        if version not in known:
            raise NotABackup(
                f"It is from Madar {manifest.madar} with migration {version}, which this release "
                "has not. Install that release or a later one first."
            )
        if known[version] != sha256:
            raise NotABackup(
                f"Migration {version} is another one there than in this release. Restore it with "
                f"the release that wrote it: Madar {manifest.madar}."
            )
