"""Runs the properties of one query with a mutant in its place, in a process forked for it.

A thousand mutants are tried on one server, by processes that have most of what they need already:
a copy of the project for each, as tests/mutations.py makes it, would take a working day.
"""

import gc
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psycopg
import psycopg.sql
import pytest
from hypothesis import Phase, settings

from madar.db import migrate
from madar.db.sql import Query
from madar.local import postgres
from tests.conftest import QUICK_SERVER
from tests.sql.contract import calls

TEMPLATE = "template_madar"
TIMEOUT_S = 300
SHORT = "short"
# A fifth of what `make prove-sql` takes: whatever so many notice, it notices.
EXAMPLES = 100


@dataclass(frozen=True, kw_only=True)
class Tried:
    """`failed` is the test that noticed it; empty: none did."""

    failed: str
    seconds: float
    is_sound: bool  # the tests ran, and what failed was one of them
    output: str


def _given(server: Any, *_: object, **__: object) -> Any:
    return server


@dataclass(frozen=True)
class _Shared:
    """The server as a child's fixtures see it: databases of its own, and no end."""

    server: postgres.Server

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)

    def dsn(self, database: str) -> str:
        return self.server.dsn(self._named(database))

    def create_database(self, name: str, *, template: str | None = None) -> str:
        return self.server.create_database(self._named(name), template=template)

    def stop(self, *, immediately: bool = False) -> None:
        """Others are still to use it."""

    def _named(self, database: str) -> str:
        return database if database in {TEMPLATE, "postgres"} else f"{database}_{os.getpid()}"


@contextmanager
def serving() -> Generator[postgres.Server]:
    memory = Path("/dev/shm")
    folder = Path(
        tempfile.mkdtemp(prefix="madar-mutants-", dir=memory if memory.is_dir() else None)
    )
    server = postgres.start(folder / "pg", settings=QUICK_SERVER)
    try:
        migrate.up(server.create_database(TEMPLATE))
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def try_tests(
    server: postgres.Server, tests: Sequence[str], *, profile: str, query: Query, sql: str
) -> Tried:
    """Until one fails."""
    with tempfile.TemporaryFile("w+") as words:
        began = time.monotonic()
        child = os.fork()
        if not child:
            _be_child(server, tests, profile, query, sql, words.fileno())
        status = _wait(child)
        seconds = time.monotonic() - began
        _drop_databases(server, child)
        words.seek(0)
        output = words.read()
    if status is None:
        return Tried(failed="it has no end", seconds=seconds, is_sound=True, output=output)
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    failed = found[1] if found else ""
    return Tried(
        failed=failed,
        seconds=seconds,
        is_sound=status == (1 if failed else 0),
        output=output,
    )


def words_of(profile: str) -> list[str]:
    """The short form is what pytest does by itself."""
    if profile == SHORT:
        return []
    return [f"--hypothesis-profile={profile}", f"--examples={EXAMPLES}"]


def _be_child(
    server: postgres.Server, tests: Sequence[str], profile: str, query: Query, sql: str, out: int
) -> None:
    code = 70
    try:
        os.setsid()
        for number in (1, 2):
            os.dup2(out, number)
        # Whoever has the query has this object, so it is changed and not replaced.
        object.__setattr__(query, "sql", sql.encode())
        if profile != SHORT:  # a property decides how many examples it takes when it is imported
            for name in [name for name in sys.modules if name.startswith("tests.sql.test_")]:
                del sys.modules[name]
        shared: Any = _Shared(server)
        postgres.start = partial(_given, shared)
        code = pytest.main(
            [*tests, "-x", "-rfE", "--tb=line", "--assert=plain", *words_of(profile)]
        )
    except BaseException:  # noqa: BLE001 - whoever forked this reads what it was
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def load_what_all_need() -> None:
    """Once, before the first is forked: it would take each of them longer than its properties."""
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    calls()
    gc.collect()
    gc.freeze()


def do_not_shrink() -> None:
    """That an example fails is enough; to find the smallest takes twenty times as long.

    Before a module of properties is imported. The long profile is registered later, by each child.
    """
    register = settings.register_profile

    def registered(name: str, parent: settings | None = None, **given: Any) -> None:
        register(name, parent, **{**given, "phases": (Phase.explicit, Phase.generate)})

    # The class says that it cannot be changed.
    type.__setattr__(settings, "register_profile", staticmethod(registered))
    registered(SHORT, settings.get_profile(SHORT))


def _wait(child: int) -> int | None:
    """Its exit code; None when it had to be ended."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _drop_databases(server: postgres.Server, child: int) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        names = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE %s",
                             [f"%\\_{child}"]).fetchall()  # fmt: skip
        for (name,) in names:
            drop = psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)")
            conn.execute(drop.format(psycopg.sql.Identifier(name)))
