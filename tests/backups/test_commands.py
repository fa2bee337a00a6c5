"""`madar backup` and `madar restore`: what they refuse, what they say, what they leave behind."""

import asyncio
import io
import json
import shutil
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from madar.backups.checking import check_backup
from madar.backups.restoring import Refused, look_at_target, restore_backup
from madar.backups.showing import Stage
from madar.backups.taking import take_backup
from madar.clients.storage import Storage
from madar.db import copying, migrate
from madar.local.postgres import Server
from madar.settings import Settings
from tests.backups.commands import moved, plain_settings, run, silent

KEY = "ab/0123456789abcdef0123456789abcdef"
PICTURES = {f"{KEY}.png": b"master", f"{KEY}.webp": b"full", f"{KEY[:-1]}0.webp": b"thumbnail"}
PERSON = (
    "INSERT INTO users (google_id, email, display_name) VALUES (%s, 'amal@madar.test', 'Amal')"
    " RETURNING id"
)


@pytest.fixture
def settings(dsn: str, tmp_path: Path) -> Settings:
    """Of Amal with one picture."""
    for key, content in PICTURES.items():
        path = tmp_path / "files" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with psycopg.connect(dsn) as conn:
        owner = conn.execute(PERSON, [str(uuid4())]).fetchone()
        assert owner
        conn.execute(
            "INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step,"
            " fal_progress, next_action_at, deadline_at, completed_at, master_key,"
            " result_image_key, thumbnail_key) VALUES (%s, 'a rocket', 'voxel-3d', 'text', 7,"
            " 'completed', 'finalize', 100, NULL, now(), now(), %s, %s, %s)",
            [owner[0], *PICTURES],
        )
    return plain_settings(dsn, tmp_path / "files")


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    file = tmp_path / "madar.tar"
    assert run(settings, "backup", file).exit_code == 0
    return file


@pytest.fixture
def empty(settings: Settings, postgres_server: Server, tmp_path: Path) -> Settings:
    """As a deploy leaves it: migrated, with nobody in it."""
    url = postgres_server.create_database(f"empty_{uuid4().hex}", template="template_madar")
    return moved(settings, url, tmp_path / "elsewhere")


def people(url: str) -> int:
    with psycopg.connect(url) as conn:
        found = conn.execute("SELECT count(*) FROM users").fetchone()
        assert found
        return found[0]


def nothing_in(folder: Path) -> bool:
    return not list(folder.glob("*"))


def url_of(settings: Settings) -> str:
    return str(settings.database_url)


def test_it_tells_what_it_did_and_leaves_nothing_else(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "madar.tar"

    written = run(settings, "backup", file, "--json")

    told = json.loads(written.stdout)
    assert (told["file"], told["objects"], told["objectBytes"]) == (str(file), 3, 19)
    assert told["size"] == file.stat().st_size
    assert "3 objects" in written.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "madar.tar"]
    assert (tmp_path / "madar.tar").stat().st_mode & 0o077 == 0


def test_a_file_that_is_there_is_left_alone(settings: Settings, file: Path) -> None:
    before = file.read_bytes()

    again = run(settings, "backup", file)

    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    assert file.read_bytes() == before


def test_standard_output_takes_it_too(settings: Settings, tmp_path: Path) -> None:
    written = run(settings, "backup", "-")
    (tmp_path / "piped.tar").write_bytes(written.stdout_bytes)

    assert run(settings, "restore", tmp_path / "piped.tar", "--check").exit_code == 0


def test_when_storage_is_away_there_is_no_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madar.backups.steadily.PAUSES_S", ())
    shutil.rmtree(tmp_path / "files")
    (tmp_path / "files").write_text("no folder")

    written = run(settings, "backup", tmp_path / "madar.tar")

    assert (written.exit_code, "storage does not answer" in written.stderr) == (4, True)
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_a_lost_picture_is_named_and_the_rest_is_kept(
    settings: Settings, empty: Settings, tmp_path: Path
) -> None:
    (tmp_path / "files" / f"{KEY}.webp").unlink()
    file = tmp_path / "madar.tar"

    written = run(settings, "backup", file)
    checked = run(settings, "restore", file, "--check")
    restored = run(empty, "restore", file, "--yes")

    assert (written.exit_code, "Lost: 1 objects" in written.stderr) == (1, True)
    assert (checked.exit_code, f"{KEY}.webp" in checked.stderr) == (1, True)
    assert (restored.exit_code, people(url_of(empty))) == (0, 1)


def test_what_is_deleted_while_it_is_taken_is_told_apart(
    settings: Settings, tmp_path: Path
) -> None:
    """After its rows were read and before its objects were."""
    file = io.BytesIO()

    def delete_it(stage: Stage, **_: object) -> None:
        if stage == "rows":
            with psycopg.connect(url_of(settings)) as conn:
                conn.execute("DELETE FROM generations")
                conn.execute("DELETE FROM users")
            shutil.rmtree(tmp_path / "files" / "ab")

    taking = take_backup(url_of(settings), Storage(settings), file, delete_it)
    taken = asyncio.run(taking)

    checked = check_backup(file, size=taken.size, report=silent)
    assert (checked.summary.deleted, checked.summary.lost, checked.summary.objects) == (3, 0, 0)
    assert (checked.summary.rows["users"], checked.summary.rows["generations"]) == (1, 1)


def test_checking_writes_nothing(empty: Settings, file: Path) -> None:
    checked = run(empty, "restore", file, "--check", "--json")

    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["missing"] == {"lost": 0, "deletedMeanwhile": 0}
    assert "1 people, 1 generations" in checked.stderr
    assert nothing_in(empty.storage_dir)
    assert people(url_of(empty)) == 0


def test_a_damaged_file_changes_nothing(empty: Settings, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    restored = run(empty, "restore", file, "--yes")

    assert (restored.exit_code, "Nothing was changed" in restored.stderr) == (1, True)
    assert nothing_in(empty.storage_dir)
    assert people(url_of(empty)) == 0


def test_a_file_that_changes_after_it_was_checked_is_refused(empty: Settings, file: Path) -> None:
    stream = io.BytesIO(file.read_bytes())
    checked = check_backup(stream, size=file.stat().st_size, report=silent)
    stream.getbuffer()[len(stream.getbuffer()) // 2] ^= 1
    url, storage = url_of(empty), Storage(empty)

    async def restore() -> None:
        target = await look_at_target(url, storage)
        await restore_backup(stream, checked, target, url=url, storage=storage, report=silent)

    with pytest.raises(Refused, match="not what it was when it was checked"):
        asyncio.run(restore())

    assert people(url) == 0


def test_without_a_yes_nothing_happens(empty: Settings, file: Path) -> None:
    asked = run(empty, "restore", file)

    assert asked.exit_code == 2
    assert "add --yes" in asked.stderr
    assert "To be written: " in asked.stderr
    assert nothing_in(empty.storage_dir)


def test_what_is_in_use_is_left_alone_unless_told(
    settings: Settings, empty: Settings, file: Path, tmp_path: Path
) -> None:
    """A database with people, then a storage with pictures."""
    elsewhere = settings.model_copy(update={"storage_dir": tmp_path / "elsewhere"})
    full = moved(settings, url_of(empty), settings.storage_dir)

    with_people = run(elsewhere, "restore", file, "--yes")
    with_pictures = run(full, "restore", file, "--yes")
    replaced = run(settings, "restore", file, "--yes", "--replace-database", "--add-to-storage")

    assert (with_people.exit_code, "--replace-database" in with_people.stderr) == (1, True)
    assert "users 1" in with_people.stderr
    assert (with_pictures.exit_code, "--add-to-storage" in with_pictures.stderr) == (1, True)
    assert replaced.exit_code == 0, replaced.output
    assert people(url_of(settings)) == 1


def test_a_database_of_somebody_else_is_never_touched(
    settings: Settings, file: Path, postgres_server: Server
) -> None:
    url = postgres_server.create_database(f"theirs_{uuid4().hex}", template="template_madar")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE theirs (id int)")

    words = ("--yes", "--replace-database", "--add-to-storage")
    restored = run(moved(settings, url, settings.storage_dir), "restore", file, *words)

    assert (restored.exit_code, "theirs" in restored.stderr) == (1, True)


def test_a_backup_of_an_older_release_is_brought_up_to_this_one(
    settings: Settings, empty: Settings, postgres_server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "old.tar"
    old = postgres_server.create_database(f"old_{uuid4().hex}")
    migrate.up(old, only={f"{n:04}" for n in range(1, 15)})
    with psycopg.connect(old, autocommit=True) as conn:
        conn.execute(PERSON, ["an old one"])

    written = run(moved(settings, old, tmp_path / "none"), "backup", file)
    restored = run(empty, "restore", file, "--yes")

    assert (written.exit_code, restored.exit_code) == (0, 0), written.output + restored.output
    assert people(url_of(empty)) == 1
    with psycopg.connect(url_of(empty)) as conn:
        assert migrate.pending(conn) == []


def test_numbers_go_on_after_those_that_are_taken(
    settings: Settings, empty: Settings, tmp_path: Path
) -> None:
    with psycopg.connect(url_of(settings), autocommit=True) as conn:
        conn.execute("INSERT INTO purges (object_key) VALUES ('a'), ('b')")
    file = tmp_path / "madar.tar"

    run(settings, "backup", file)
    run(empty, "restore", file, "--yes")

    with psycopg.connect(url_of(empty), autocommit=True) as conn:
        conn.execute("INSERT INTO purges (object_key) VALUES ('c')")
        assert conn.execute("SELECT id FROM purges ORDER BY id").fetchall() == [(1,), (2,), (3,)]


def test_every_table_is_in_it_or_named_with_its_reason(
    settings: Settings, file: Path, tmp_path: Path
) -> None:
    shutil.unpack_archive(file, tmp_path / "unpacked", "tar", filter="data")
    manifest = json.loads((tmp_path / "unpacked" / "manifest.json").read_text())
    with psycopg.connect(url_of(settings)) as conn:
        found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = {name for (name,) in found}

    assert {table["name"] for table in manifest["tables"]} == tables - copying.LEFT_OUT.keys()
    assert copying.LEFT_OUT.keys() <= tables
    assert tables >= copying.SEEDED
