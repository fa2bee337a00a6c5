"""Objects without a row, and rows without their objects."""

from collections.abc import Sequence
from dataclasses import dataclass

from madar.db.sql import Connection, Queries

_sql = Queries("orphans")


@dataclass(frozen=True, kw_only=True)
class Named:
    """An object that a row names."""

    object_key: str


async def insert_purges_of_orphans(conn: Connection, *, object_keys: Sequence[str]) -> int:
    """How many of these no row names."""
    found: int = await _sql.value(conn, "insert_purges_of_orphans", object_keys=list(object_keys))
    return found


async def list_named_objects(
    conn: Connection, *, first: str, beyond: str, settled_s: float
) -> list[Named]:
    """From `first` on, before `beyond`; what is younger than `settled_s` is left out."""
    return await _sql.many(
        conn, "list_named_objects", Named, first=first, beyond=beyond, settled_s=settled_s
    )
