"""What a test asks of the database itself, over one connection."""

import threading
from typing import Any, LiteralString, cast

import psycopg
from psycopg.rows import DictRow, dict_row


class Database:
    """Connected when it is first asked, and again where somebody cut the connection.

    PostgreSQL starts a process for each connection; a test that waits asks fifty times a second.
    Threads may share it.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.Connection[DictRow] | None = None
        self._lock = threading.Lock()

    def run(self, statement: str, *given: Any) -> list[dict[str, Any]]:
        """The rows, where there are any; committed."""
        with self._lock:
            conn = self._conn or self._connect()
            try:
                return _run(conn, statement, given)
            except psycopg.OperationalError:
                if not conn.broken:
                    raise
                conn.close()
                return _run(self._connect(), statement, given)

    def close(self) -> None:
        if self._conn:
            self._conn.close()

    def _connect(self) -> psycopg.Connection[DictRow]:
        conn = psycopg.Connection[DictRow].connect(
            self._dsn,
            autocommit=True,
            prepare_threshold=None,  # a plan that is kept does not survive a change of its table
            row_factory=dict_row,
        )
        self._conn = conn
        return conn


def _run(
    conn: psycopg.Connection[DictRow], statement: str, given: tuple[Any, ...]
) -> list[dict[str, Any]]:
    cursor = conn.execute(cast("LiteralString", statement), given)
    return cursor.fetchall() if cursor.description else []
