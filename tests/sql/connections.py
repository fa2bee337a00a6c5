"""Connections beside those of the harness, by the names that programs give themselves."""

import contextlib
import time
from collections.abc import Generator

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL

from tests.sql.harness import DEADLINE_S, Sql


@contextlib.contextmanager
def connected(sql: Sql, *names: str, dbname: str | None = None) -> Generator[None]:
    """At the end the server knows none of them any more."""
    dsn = sql.dsn if dbname is None else make_conninfo(sql.dsn, dbname=dbname)
    conns = [psycopg.connect(dsn, application_name=name) for name in names]
    pids = [conn.info.backend_pid for conn in conns]
    try:
        yield
    finally:
        for conn in conns:
            conn.close()
        _wait_until_gone(sql, pids)


def _wait_until_gone(sql: Sql, pids: list[int]) -> None:
    """A server process ends a little after its connection."""
    deadline = time.monotonic() + DEADLINE_S
    left = SQL("SELECT pid FROM pg_stat_activity WHERE pid = ANY (%s)")
    while sql.fetch(sql.conn, left, [pids]):
        assert time.monotonic() < deadline
