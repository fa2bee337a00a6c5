"""Debian's own PostgreSQL 15, where it is installed: what Madar says it also runs on."""

import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from madar.local import postgres

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
needs_debian = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason="NOT TESTED ON POSTGRESQL 15: apt-get install postgresql-15"
)


@contextmanager
def serving() -> Generator[postgres.Server]:
    """A server whose data is nobody's and goes with it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="madar-15-", dir=memory if memory.is_dir() else None
    ) as name:
        folder = Path(name)
        user = postgres.account(postgres.SERVER_USER) if os.geteuid() == 0 else None
        if user is not None:
            os.chown(folder, user, -1)
        server = postgres.Server(data_dir=folder / "data", socket_dir=folder)
        common = ("-D", str(server.data_dir))
        _run(user, "initdb", *common, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        quick = "-c fsync=off -c autovacuum=off -c listen_addresses= -k " + str(folder)
        _run(user, "pg_ctl", *common, "-w", "-l", str(folder / "log"), "-o", quick, "start")
        try:
            yield server
        finally:
            _run(user, "pg_ctl", *common, "-m", "immediate", "-w", "stop")


def _run(user: int | None, program: str, *words: str) -> None:
    # A pipe would be inherited by the server and never close.
    subprocess.run(
        [str(PROGRAMS / program), *words],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd="/",
    )
