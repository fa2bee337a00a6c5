"""The runner of migrations: all or nothing, one at a time, never twice, never something else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psycopg
import pytest

from madar.db.migrate import MigrationFault, applied, pending, read_migrations, up
from madar.local import postgres

CUPS = "-- migrate:up\nCREATE TABLE cups (id int);\n-- migrate:down\nDROP TABLE cups;"
MORE = "-- migrate:up\nALTER TABLE cups ADD color text;\nINSERT INTO cups VALUES (1);"
TWO = {"0001_cups.sql": CUPS, "0002_more.sql": MORE}
_numbers = count()

MakeFolder = Callable[[dict[str, str]], Path]


@pytest.fixture
def empty(postgres_server: postgres.Server) -> str:
    return postgres_server.create_database(f"empty_{next(_numbers)}")


@pytest.fixture
def folder_of(tmp_path: Path) -> MakeFolder:
    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return make


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT relname FROM pg_class WHERE relkind = 'r'"
                            " AND relnamespace = 'public'::regnamespace")  # fmt: skip
        return {name for (name,) in rows}


def versions(url: str) -> list[str]:
    with psycopg.connect(url) as conn:
        return sorted(applied(conn))


def test_each_is_applied_once_in_order(empty: str, folder_of: MakeFolder) -> None:
    folder = folder_of(TWO)

    first, second = up(empty, folder=folder), up(empty, folder=folder)

    assert [one.name for one in first] == ["cups", "more"]
    assert second == []
    assert versions(empty) == ["0001", "0002"]
    with psycopg.connect(empty) as conn:
        assert conn.execute("SELECT count(*) FROM cups").fetchone() == (1,)
        assert pending(conn, folder) == []


def test_two_runners_at_once_apply_it_once(empty: str, folder_of: MakeFolder) -> None:
    slow = {"0001_slow.sql": "-- migrate:up\nSELECT pg_sleep(0.2);\nCREATE TABLE slow (id int);"}
    folder = folder_of(slow)

    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(up, empty, folder=folder) for _ in range(4)]
        runs = [run.result() for run in started]

    assert sorted(len(run) for run in runs) == [0, 0, 0, 1]
    assert tables(empty) == {"slow", "schema_migrations"}


def test_a_file_edited_after_it_was_applied_is_refused(empty: str, folder_of: MakeFolder) -> None:
    folder = folder_of({"0001_cups.sql": CUPS})
    up(empty, folder=folder)
    folder_of({"0001_cups.sql": CUPS + "\n", "0002_more.sql": MORE})

    with pytest.raises(MigrationFault, match=r"0001 was edited"):
        up(empty, folder=folder)

    assert versions(empty) == ["0001"]


def test_a_database_of_a_newer_release_is_left_alone(empty: str, folder_of: MakeFolder) -> None:
    folder = folder_of(TWO)
    up(empty, folder=folder)
    (folder / "0002_more.sql").unlink()

    with pytest.raises(MigrationFault, match="has migration 0002; this release has not"):
        up(empty, folder=folder)


def test_a_failing_file_leaves_no_trace_and_those_before_it_stay(
    empty: str, folder_of: MakeFolder
) -> None:
    bad = "-- migrate:up\nCREATE TABLE half (id int);\nSELECT 1 / 0;"
    folder = folder_of({**TWO, "0003_bad.sql": bad, "0004_after.sql": CUPS})

    with pytest.raises(MigrationFault, match="0003 failed: division by zero"):
        up(empty, folder=folder)

    assert tables(empty) == {"cups", "schema_migrations"}
    assert versions(empty) == ["0001", "0002"]
    (folder / "0004_after.sql").unlink()
    folder_of({"0003_bad.sql": bad.replace("/ 0", "/ 1")})
    assert [one.version for one in up(empty, folder=folder)] == ["0003"]


def test_a_table_in_use_stops_it_and_it_says_so(empty: str, folder_of: MakeFolder) -> None:
    folder = folder_of({"0001_cups.sql": CUPS})
    up(empty, folder=folder)
    folder_of(TWO)

    with psycopg.connect(empty) as reader:
        reader.execute("SELECT FROM cups")
        with pytest.raises(MigrationFault, match="0002 waited too long for a lock"):
            up(empty, folder=folder, lock_timeout_s=0.1)

    assert versions(empty) == ["0001"]
    assert [one.version for one in up(empty, folder=folder)] == ["0002"]


def test_a_file_without_a_transaction_runs_statement_by_statement(
    empty: str, folder_of: MakeFolder
) -> None:
    index = "CREATE INDEX CONCURRENTLY cups_by_id ON cups (id)"
    text = f"-- migrate:up transaction:false\n{index};\n-- next\nVACUUM cups;\n"
    folder = folder_of({**TWO, "0003_index.sql": text})

    up(empty, folder=folder)

    assert versions(empty) == ["0001", "0002", "0003"]


def test_the_way_down_is_not_run_on_the_way_up(folder_of: MakeFolder) -> None:
    first, _ = read_migrations(folder_of(TWO))

    assert "DROP" not in first.sql


def test_a_database_that_was_never_migrated_has_everything_pending(empty: str) -> None:
    with psycopg.connect(empty) as conn:
        todo = pending(conn)

    assert [one.version for one in todo] == [one.version for one in read_migrations()]
    assert tables(empty) == set()


def test_our_own_files_are_numbered_without_gaps() -> None:
    numbers = [int(migration.version) for migration in read_migrations()]

    assert numbers == list(range(1, len(numbers) + 1))
