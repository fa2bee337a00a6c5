"""People, known by Google's subject."""

from dataclasses import dataclass
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("users")


@dataclass(frozen=True, kw_only=True)
class User:
    id: UUID
    email: str
    display_name: str
    avatar_url: str | None
    language: str
    is_language_chosen: bool
    is_active: bool


async def upsert_user(
    conn: Connection,
    *,
    google_id: str,
    email: str,
    display_name: str,
    avatar_url: str | None,
    language: str,
) -> User:
    return await _sql.one(
        conn,
        "upsert_user",
        User,
        google_id=google_id,
        email=email,
        display_name=display_name,
        avatar_url=avatar_url,
        language=language,
    )


async def get_profile_document(conn: Connection, *, owner_id: UUID) -> bytes | None:
    return await _sql.json(conn, "get_profile_document", owner_id=owner_id)


async def update_profile(
    conn: Connection, *, owner_id: UUID, display_name: str | None, language: str | None
) -> bytes | None:
    """The profile as JSON afterwards, or None when the account is gone.

    None leaves a field as it is.
    """
    return await _sql.json(
        conn, "update_profile", owner_id=owner_id, display_name=display_name, language=language
    )


async def get_stats_document(conn: Connection, *, owner_id: UUID) -> bytes | None:
    return await _sql.json(conn, "get_stats_document", owner_id=owner_id)


async def get_export_document(conn: Connection, *, owner_id: UUID) -> bytes | None:
    """As JSON, with storage keys and codes still in it."""
    return await _sql.json(conn, "get_export_document", owner_id=owner_id)


async def lock_user(conn: Connection, *, owner_id: UUID) -> bool:
    """Until the transaction ends. False: the account was deleted."""
    return await _sql.exec(conn, "lock_user", owner_id=owner_id) > 0


async def mark_user_deleted(conn: Connection, *, owner_id: UUID) -> bool:
    """False: the account was deleted before."""
    return await _sql.exec(conn, "mark_user_deleted", owner_id=owner_id) > 0


async def insert_account_deletion(conn: Connection, *, owner_id: UUID) -> None:
    await _sql.exec(conn, "insert_account_deletion", owner_id=owner_id)


async def delete_deleted_user(conn: Connection, *, after_s: float) -> int:
    """How many: one, or none is left."""
    return await _sql.exec(conn, "delete_deleted_user", after_s=after_s)
