"""Objects that are to leave storage; a row goes when its object is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("purges")


@dataclass(frozen=True, kw_only=True)
class Purge:
    """Claimed: `due_at` is when it is due again, and what later statements know the claim by."""

    id: int
    object_key: str
    tries: int
    due_at: datetime


async def insert_purges(
    conn: Connection, *, object_keys: Sequence[str], after_s: float = 0
) -> None:
    await _sql.exec(conn, "insert_purges", object_keys=list(object_keys), after_s=after_s)


async def insert_purges_of_uploads(conn: Connection, *, owner_id: UUID) -> None:
    """With their account."""
    await _sql.exec(conn, "insert_purges_of_uploads", owner_id=owner_id)


async def insert_purges_of_deleted(conn: Connection, *, generation_id: UUID) -> None:
    """Nothing happens while the generation is there for its owner, or in their trash."""
    await _sql.exec(conn, "insert_purges_of_deleted", generation_id=generation_id)


async def insert_purges_of_gone(conn: Connection, *, generation_ids: Sequence[UUID]) -> None:
    """Only where the transaction has taken them from the trash in a statement before."""
    await _sql.exec(conn, "insert_purges_of_gone", generation_ids=list(generation_ids))


async def claim_due_purges(conn: Connection, *, n: int, lease_s: float) -> list[Purge]:
    return await _sql.many(conn, "claim_due_purges", Purge, n=n, lease_s=lease_s)


async def delete_purges(conn: Connection, gone: Sequence[Purge]) -> None:
    await _sql.exec(
        conn,
        "delete_purges",
        ids=[one.id for one in gone],
        due_ats=[one.due_at for one in gone],
    )


async def postpone_purges(conn: Connection, waits_s: Mapping[Purge, float]) -> None:
    await _sql.exec(
        conn,
        "postpone_purges",
        ids=[one.id for one in waits_s],
        due_ats=[one.due_at for one in waits_s],
        waits_s=list(waits_s.values()),
    )


async def delete_deleted_generations(
    conn: Connection, *, after_s: float, counted_s: float, n: int
) -> int:
    """How many; `counted_s` is how far back a quota counts."""
    gone: int = await _sql.value(
        conn, "delete_deleted_generations", after_s=after_s, counted_s=counted_s, n=n
    )
    return gone


async def delete_translations_of_account(conn: Connection, *, owner_id: UUID) -> None:
    await _sql.exec(conn, "delete_translations_of_account", owner_id=owner_id)
