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
