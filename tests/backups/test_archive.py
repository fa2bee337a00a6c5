"""The file: whatever happens to it is noticed before anything is written."""

import asyncio
import io
import itertools
import json
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from madar.backups import archive
from madar.backups.archive import Damaged, Parts, Reader, Writer
from madar.backups.checking import check_backup
from madar.backups.manifest import NotABackup
from madar.backups.taking import take_backup
from madar.clients.storage import Storage
from madar.local.postgres import Server
from tests.backups.commands import plain_settings, silent

KEY = "ab/0123456789abcdef0123456789abcdef.png"


@pytest.fixture(scope="module")
def backup(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Of a database that nobody has used, and of one picture."""
    folder, file = tmp_path_factory.mktemp("files"), io.BytesIO()
    (folder / KEY).parent.mkdir()
    (folder / KEY).write_bytes(b"\x89PNG" * 300)
    url = postgres_server.dsn("template_madar")
    asyncio.run(take_backup(url, Storage(plain_settings(url, folder)), file, silent))
    return file.getvalue()


def check(content: bytes) -> None:
    check_backup(io.BytesIO(content), size=len(content), report=silent)


def test_any_bit_that_turns_over_is_noticed(backup: bytes) -> None:
    chance = Random(7)
    check(backup)

    for _ in range(300):
        altered = bytearray(backup)
        altered[chance.randrange(len(backup))] ^= 1 << chance.randrange(8)
        with pytest.raises((Damaged, NotABackup)):
            check(bytes(altered))


def test_wherever_it_is_cut_off_is_noticed(backup: bytes) -> None:
    ends = [*range(0, len(backup), 509), *range(0, len(backup), 512), len(backup) - 1]

    for end in ends:
        with pytest.raises((Damaged, NotABackup)):
            check(backup[:end])


def test_what_was_put_behind_it_is_noticed_unless_it_is_nothing(backup: bytes) -> None:
    check(backup + bytes(8192))

    with pytest.raises(Damaged, match="behind its end"):
        check(backup + bytes(511) + b"x")


def test_members_that_changed_places_are_noticed(backup: bytes) -> None:
    """Each is sound, and its sum with it."""
    blocks = [backup[at : at + 512] for at in range(0, len(backup), 512)]
    starts = [n for n, block in enumerate(blocks) if block[257:262] == b"ustar"]
    cuts = [*starts, len(blocks)]
    members = [b"".join(blocks[a:b]) for a, b in itertools.pairwise(cuts)]
    members[1:3] = reversed(members[1:3])

    with pytest.raises(Damaged, match="was altered"):
        check(b"".join(members))


def test_everybody_s_tools_read_it(backup: bytes, tmp_path: Path) -> None:
    (tmp_path / "madar.tar").write_bytes(backup)
    script = "tar -xf madar.tar && cat SHA256SUMS.* | sha256sum --check --strict --quiet"

    subprocess.run(["sh", "-euc", script], check=True, cwd=tmp_path)

    told = json.loads((tmp_path / "summary.json").read_text())
    assert told["objects"] == 1
    assert (tmp_path / "rows" / "generation_styles.0001").read_text().count("\n") == 5
    assert (tmp_path / "objects" / KEY).read_bytes() == b"\x89PNG" * 300


def test_parts_hold_whole_lines_and_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PART_BYTES", 100)
    written: list[tuple[str, bytes]] = []
    parts = Parts(lambda name, content: written.append((name, content)), "rows/x")

    for number in range(50):
        parts.add(b"%d\n" % number)
    parts.flush()
    parts.flush()

    assert b"".join(content for _, content in written) == b"".join(b"%d\n" % n for n in range(50))
    assert [name for name, _ in written] == ["rows/x.0001", "rows/x.0002"]
    assert all(content.endswith(b"\n") for _, content in written)


def test_sums_come_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PART_BYTES", 300)
    file = io.BytesIO()
    writer = Writer(file, mtime=0)
    for number in range(20):
        writer.add(f"objects/{number}", bytes(number))
    writer.close({"any": "thing"})
    file.seek(0)

    reader = Reader(file)

    assert [len(member.content) for member in reader.members()] == list(range(20))
    assert reader.summary == {"any": "thing"}
    assert file.getvalue().count(b"SHA256SUMS.") > 3


@pytest.mark.parametrize("content", [b"", b"hello", bytes(10_240), b"\x1f\x8b" + bytes(2000)])
def test_something_else_is_no_backup(content: bytes) -> None:
    with pytest.raises(NotABackup, match="no backup of Madar"):
        check(content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"formatVersion": 2, "madar": "3.0"}, "from Madar 3.0, in a format"),
        ({"migrations": {"9999": "x"}, "madar": "3.0"}, "from Madar 3.0 with migration 9999"),
        ({"migrations": {"0002": "x"}}, "Migration 0002 is another one"),
        ({"format": "zip"}, "no backup of Madar"),
    ],
)
def test_a_backup_that_this_release_cannot_read_says_which_can(
    backup: bytes, change: dict[str, Any], words: str
) -> None:
    manifest = next(Reader(io.BytesIO(backup)).members()).content
    file = io.BytesIO()
    writer = Writer(file, mtime=0)
    writer.add("manifest.json", archive.as_json({**json.loads(manifest), **change}))
    writer.close({})

    with pytest.raises(NotABackup, match=words):
        check(file.getvalue())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows/pg_authid.0001", b"x\n"),
        ("objects/../../etc/passwd", b"x"),
        ("objects/ab/short.png", b"x"),
        ("setup.sh", b"x"),
    ],
)
def test_a_member_that_no_backup_holds_is_refused(backup: bytes, name: str, content: bytes) -> None:
    """However right its sums are."""
    reader, file = Reader(io.BytesIO(backup)), io.BytesIO()
    writer = Writer(file, mtime=0)
    for member in reader.members():
        writer.add(member.name, member.content)
    writer.add(name, content)
    writer.close(reader.summary)

    with pytest.raises(Damaged, match="nothing that a backup holds"):
        check(file.getvalue())


def test_a_summary_that_counts_otherwise_is_refused(backup: bytes) -> None:
    reader, file = Reader(io.BytesIO(backup)), io.BytesIO()
    writer = Writer(file, mtime=0)
    for member in reader.members():
        if not member.name.startswith("objects/"):
            writer.add(member.name, member.content)
    writer.close(reader.summary)

    with pytest.raises(Damaged, match="something else"):
        check(file.getvalue())
