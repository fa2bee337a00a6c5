"""People, known by Google's subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, kw_only=True)
class ListedPerson:
    id: UUID
    email: str
    display_name: str
    is_active: bool
    created_at: datetime
    last_seen_at: datetime | None
    pictures: int


@dataclass(frozen=True, kw_only=True)
class NamedPerson:
    id: UUID
    email: str


@dataclass(frozen=True, kw_only=True)
class Person:
    """Sessions are those that live; `unfinished` pictures are being made."""

    id: UUID
    email: str
    display_name: str
    language: str
    is_active: bool
    created_at: datetime
    sessions: int
    last_seen_at: datetime | None
    completed: int
    failed: int
    unfinished: int
    in_trash: int
    picture_bytes: int
    uploads: int
    upload_bytes: int


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


async def list_people(conn: Connection, *, letters: str, n: int) -> list[ListedPerson]:
    """Empty letters are everybody's."""
    return await _sql.many(conn, "list_people", ListedPerson, letters=letters, n=n)


async def list_people_called(conn: Connection, *, called: str) -> list[NamedPerson]:
    """By e-mail or id."""
    return await _sql.many(conn, "list_people_called", NamedPerson, called=called)


async def list_people_by_id(conn: Connection, *, ids: Sequence[UUID]) -> list[NamedPerson]:
    return await _sql.many(conn, "list_people_by_id", NamedPerson, ids=list(ids))


async def get_person(conn: Connection, *, id: UUID) -> Person | None:
    return await _sql.maybe(conn, "get_person", Person, id=id)


async def set_user_active(conn: Connection, *, id: UUID, is_active: bool) -> bool:
    """False: it was so already, or the account was deleted."""
    return await _sql.exec(conn, "set_user_active", id=id, is_active=is_active) > 0


async def mark_user_deleted(conn: Connection, *, owner_id: UUID) -> bool:
    """False: the account was deleted before."""
    return await _sql.exec(conn, "mark_user_deleted", owner_id=owner_id) > 0


async def insert_account_deletion(conn: Connection, *, owner_id: UUID) -> None:
    await _sql.exec(conn, "insert_account_deletion", owner_id=owner_id)


async def delete_deleted_user(conn: Connection, *, after_s: float) -> int:
    """How many: one, or none is left."""
    return await _sql.exec(conn, "delete_deleted_user", after_s=after_s)
