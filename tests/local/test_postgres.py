"""madar.local.postgres: one embedded server, whatever happened to the last one."""

import os
import secrets
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from madar.local import postgres
from madar.local.sharing import shared_server
from madar.local.state import State
from tests.local.conftest import MakeState
from tests.local.processes import assert_gone, pid_in


@pytest.fixture
def data_dir(make_state: MakeState) -> Path:
    return make_state().postgres


def answer(server: postgres.Server) -> object:
    with psycopg.connect(server.dsn("postgres")) as conn:
        return conn.execute("SELECT 1").fetchone()


def test_starts_attaches_and_stops(data_dir: Path) -> None:
    first = postgres.start(data_dir)
    second = postgres.start(data_dir)

    assert answer(second) == (1,)
    assert first == second

    process = psutil.Process(pid_in(data_dir / "postmaster.pid"))
    first.stop()
    assert_gone([process], within_s=1)
    assert postgres.running(data_dir) is None


def test_recovers_after_kill_9_although_the_id_is_used_again(data_dir: Path) -> None:
    server = postgres.start(data_dir)
    with psycopg.connect(server.dsn("postgres")) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 7 AS n")
    lock = data_dir / "postmaster.pid"
    process = psutil.Process(pid_in(lock))
    process.kill()
    assert_gone([process])
    lock.write_text(lock.read_text().replace(str(process.pid), str(os.getpid()), 1))

    with psycopg.connect(postgres.start(data_dir).dsn("postgres")) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (7,)


def test_starts_again_when_an_initialisation_was_cut_off(data_dir: Path) -> None:
    draft = data_dir.with_name("pg.new")
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    assert answer(postgres.start(data_dir)) == (1,)


def test_the_last_user_stops_the_server(data_dir: Path) -> None:
    state = State(data_dir.parent)
    with shared_server(state):
        with shared_server(state) as inner:
            pass
        assert answer(inner) == (1,)
    assert postgres.running(state.postgres) is None


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("userdel"), reason="only root can make accounts"
)
def test_the_account_is_made_once_however_many_ask_for_it_at_the_same_moment() -> None:
    name = f"madar-{secrets.token_hex(4)}"
    try:
        with ThreadPoolExecutor(8) as threads:
            ids = set(threads.map(postgres.account, [name] * 8))

        assert len(ids) == 1
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)
