"""The trash: deleted pictures that can still be restored."""

from dataclasses import dataclass
from uuid import UUID

from madar.db.sql import Connection, Queries, Source

_sql = Queries("trash")


@dataclass(frozen=True, kw_only=True)
class TrashPage:
    """How many there are, and the page's documents as one JSON array."""

    total: int
    generations: str


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """False: gone for good."""

    is_in_trash: bool


@dataclass(frozen=True, kw_only=True)
class _Gone:
    id: UUID


async def get_trash(conn: Connection, *, owner_id: UUID, skip: int, page_size: int) -> TrashPage:
    given = {"owner_id": owner_id, "skip": skip, "page_size": page_size}
    return await _sql.one(conn, "get_trash", TrashPage, **given)


async def restore_generation(conn: Connection, *, owner_id: UUID, id: UUID) -> bool:
    """False: not in their trash."""
    return await _sql.exec(conn, "restore_generation", owner_id=owner_id, id=id) > 0


async def delete_from_trash(conn: Connection, *, owner_id: UUID, id: UUID) -> bool:
    """False: not in their trash."""
    return await _sql.value(conn, "delete_from_trash", owner_id=owner_id, id=id) is not None


async def empty_trash(conn: Connection, *, owner_id: UUID) -> list[UUID]:
    """Those that are gone with it."""
    return [row.id for row in await _sql.many(conn, "empty_trash", _Gone, owner_id=owner_id)]


async def clear_trash(conn: Connection, *, n: int) -> list[UUID]:
    return [row.id for row in await _sql.many(conn, "clear_trash", _Gone, n=n)]


async def get_deletion(conn: Source, *, object_key: str) -> Deletion | None:
    """None: nothing deleted owns the object."""
    return await _sql.maybe(conn, "get_deletion", Deletion, object_key=object_key)
