"""Objects without a row, and rows without their objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("orphans")


@dataclass(frozen=True, kw_only=True)
class Named:
    """An object that a row names."""

    object_key: str


Kind = Literal["master", "picture", "thumbnail", "upload", "deleted", "leaving"]


@dataclass(frozen=True, kw_only=True)
class Owned:
    """`deleted`: its picture is, and may lie in the trash. `leaving`: a worker removes it."""

    object_key: str
    user_id: UUID | None
    kind: Kind | None


@dataclass(frozen=True, kw_only=True)
class _Orphan:
    object_key: str


async def get_installation(conn: Connection) -> UUID:
    """What this database is called, and each copy of it."""
    found: UUID = await _sql.value(conn, "get_installation")
    return found


async def list_orphans(conn: Connection, *, object_keys: Sequence[str]) -> list[str]:
    """Those of them that no row names."""
    found = await _sql.many(conn, "list_orphans", _Orphan, object_keys=list(object_keys))
    return [one.object_key for one in found]


async def list_object_owners(conn: Connection, *, object_keys: Sequence[str]) -> list[Owned]:
    return await _sql.many(conn, "list_object_owners", Owned, object_keys=list(object_keys))


async def list_named_objects(
    conn: Connection, *, first: str, beyond: str, settled_s: float
) -> list[Named]:
    """From `first` on, before `beyond`; what is younger than `settled_s` is left out."""
    return await _sql.many(
        conn, "list_named_objects", Named, first=first, beyond=beyond, settled_s=settled_s
    )
