"""A database of the release before, which goes on serving while this one's migrations run."""

import shutil
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from madar.db.migrate import MIGRATIONS, up
from madar.local import postgres

RELEASED = ("0001", "0002", "0003")
_numbers = count()


@pytest.fixture
def old(postgres_server: postgres.Server, tmp_path: Path) -> Generator[psycopg.Connection[Any]]:
    for path in MIGRATIONS.glob("*.sql"):
        if path.name.startswith(RELEASED):
            shutil.copy(path, tmp_path)
    url = postgres_server.create_database(f"old_{next(_numbers)}")
    up(url, folder=tmp_path)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("INSERT INTO users (google_id, email, display_name) VALUES ('g', 'e', 'd')")
        yield conn


def sign_in(conn: psycopg.Connection[Any], token: str) -> None:
    """As the release before does."""
    conn.execute(
        "INSERT INTO user_sessions (user_id, session_token, expires_at)"
        " SELECT id, %s, now() + interval '30 days' FROM users",
        [token.encode()],
    )


def migrated(conn: psycopg.Connection[Any]) -> None:
    assert up(f"host={conn.info.host} port={conn.info.port} dbname={conn.info.dbname}"
              f" user={conn.info.user} password={conn.info.password}")  # fmt: skip


def test_people_stay_signed_in_and_still_can_sign_in(old: psycopg.Connection[Any]) -> None:
    sign_in(old, "before")

    migrated(old)
    sign_in(old, "after")

    found = old.execute(
        "SELECT count(v.id) FROM user_sessions s, live_viewer(s.session_token, NULL) v"
    ).fetchone()
    assert found == (2,)


def test_an_object_that_waits_twice_to_be_removed_waits_once(old: psycopg.Connection[Any]) -> None:
    old.execute("INSERT INTO purges (object_key) VALUES ('a'), ('b'), ('a')")

    migrated(old)

    rows = old.execute("SELECT object_key FROM purges ORDER BY 1").fetchall()
    assert rows == [("a",), ("b",)]


def test_pictures_of_before_can_be_read_and_found(old: psycopg.Connection[Any]) -> None:
    old.execute(
        "INSERT INTO generations (user_id, prompt, style, input_type, seed, step, state,"
        "                         error_code, deadline_at, next_action_at)"
        " SELECT id, 'صاروخ أحمر', 'voxel-3d', 'text', 1, 'draw', 'failed', 'timeout', now(), NULL"
        "   FROM users"
    )

    migrated(old)

    found = old.execute(
        "SELECT d.document->>'errorCode' FROM generations g JOIN generation_documents d USING (id)"
        " WHERE g.prompt_search @@ search_query('الصاروخ')"
    ).fetchone()
    assert found == ("timeout",)
