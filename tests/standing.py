"""A database, and a web process on it, that stay while one test of a file follows another.

Each test finds rows, files and schema as they are after migrating. To copy a database and to start
a process for each costs more than most tests do.
"""

import contextlib
import shutil
import socket
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from madar.settings import Settings
from tests.database import Database
from tests.product import running_web, settings_for
from tests.simulator.harness import Fal

_TABLES = """
    SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       AND relname NOT IN ('generation_styles', 'installation', 'schema_migrations')
     ORDER BY relname
"""
# What is not emptied; a test that changes it has to start a web process of its own.
_LASTING = """
    SELECT md5(string_agg(part, ',' ORDER BY part))
      FROM (SELECT s::text FROM generation_styles s
             UNION ALL SELECT i::text FROM installation i
             UNION ALL SELECT m::text FROM schema_migrations m
             UNION ALL SELECT concat(relname, relnatts, relacl) FROM pg_class
             WHERE relnamespace = 'public'::regnamespace
             UNION ALL SELECT concat(conname, convalidated) FROM pg_constraint
             UNION ALL SELECT concat(tgname, tgenabled) FROM pg_trigger
             UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d
             ON d.oid = setdatabase WHERE datname = current_database()) AS parts (part)
"""


class Standing:
    """The first who asks for its settings starts the web process."""

    def __init__(self, *, dsn: str, fal: Fal, storage: Path, overrides: Mapping[str, Any]) -> None:
        self.dsn = dsn
        self._given: dict[str, Any] = {"dsn": dsn, "fal": fal, "storage": str(storage), **overrides}
        self._storage = storage
        self._open = contextlib.ExitStack()
        self._database = Database(dsn)
        self._open.callback(self._database.close)
        self._lasting = self._database.run(_LASTING)
        self._empty = _emptying([row["name"] for row in self._database.run(_TABLES)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def settings(self) -> Settings:
        listener = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        settings = settings_for(port=listener.getsockname()[1], **self._given)
        self._open.enter_context(running_web(settings, listener))
        return settings

    def clear(self) -> None:
        """As it was before the test, which fails where that cannot be."""
        self._database.run(self._empty)
        for one in self._storage.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        assert self._database.run(_LASTING) == self._lasting, (
            "what it leaves cannot be emptied: mark it `alone`"
        )


def _emptying(tables: list[str]) -> str:
    """Row by row, which is quicker than TRUNCATE for so few; no trigger notes who is gone."""
    deletions = " ".join(f"DELETE FROM {table};" for table in tables)
    return (
        "DO $$ BEGIN SET LOCAL session_replication_role = replica;"
        f" {deletions} INSERT INTO fal_gate DEFAULT VALUES;"
        " UPDATE generation_styles SET typical_seconds = DEFAULT, step_seconds = DEFAULT"
        " WHERE typical_seconds IS NOT NULL; END $$"
    )
