"""Rows of the newest schema in the tables of an older one, as far as those have the columns."""

from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

Conn = psycopg.Connection[Any]

# What migrations themselves fill stays as they did.
_COLUMNS = """
SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relkind = 'r'
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND a.attgenerated = ''
   AND c.relname NOT IN ('schema_migrations', 'generation_styles', 'fal_gate', 'installation')
 GROUP BY c.relname
"""
# What is numbered next is after all that was copied.
_AHEAD = """
SELECT setval(oid::regclass, 1000000)
  FROM pg_class
 WHERE relkind = 'S'
   AND relnamespace = 'public'::regnamespace
"""


def copy_rows(source: Conn, target: Conn) -> None:
    """In the columns that both have, instead of what was there."""
    theirs: dict[str, list[str]] = dict(target.execute(_COLUMNS).fetchall())
    ours: dict[str, list[str]] = dict(source.execute(_COLUMNS).fetchall())
    with target.transaction():
        target.execute("SET LOCAL session_replication_role = replica")
        for table in theirs.keys() & ours.keys():
            names = [name for name in theirs[table] if name in ours[table]]
            columns = SQL(", ").join(map(Identifier, names))
            there, out, into = (
                SQL(text).format(table=Identifier(table), columns=columns)
                for text in (
                    "DELETE FROM {table}",
                    "COPY (SELECT {columns} FROM {table}) TO STDOUT",
                    "COPY {table} ({columns}) FROM STDIN",
                )
            )
            target.execute(there)
            with source.cursor().copy(out) as rows, target.cursor().copy(into) as copied:
                for block in rows:
                    copied.write(block)
        target.execute(_AHEAD)
