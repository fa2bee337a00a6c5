"""Sessions: who holds a cookie or a bearer token, while it lives."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("sessions")


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """The person behind a request, and the session that says so."""

    session_id: UUID
    expires_at: datetime
    id: UUID
    email: str
    display_name: str
    avatar_url: str | None
    language: str


@dataclass(frozen=True, kw_only=True)
class Session:
    id: UUID
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Ended:
    id: UUID


async def insert_session(
    conn: Connection, *, user_id: UUID, token_hash: bytes, ttl_s: float
) -> Session:
    return await _sql.one(
        conn, "insert_session", Session, user_id=user_id, token_hash=token_hash, ttl_s=ttl_s
    )


async def get_session_by_token(conn: Connection, *, token_hash: bytes) -> Viewer | None:
    return await _sql.maybe(conn, "get_session_by_token", Viewer, token_hash=token_hash)


async def get_session(
    conn: Connection,
    *,
    id: UUID,
    user_id: UUID,
) -> Viewer | None:
    return await _sql.maybe(conn, "get_session", Viewer, id=id, user_id=user_id)


async def delete_session(
    conn: Connection,
    *,
    id: UUID,
    user_id: UUID,
) -> None:
    await _sql.exec(conn, "delete_session", id=id, user_id=user_id)


async def list_ended_sessions(conn: Connection, *, ids: Sequence[UUID]) -> list[UUID]:
    rows = await _sql.many(conn, "list_ended_sessions", _Ended, ids=list(ids))
    return [row.id for row in rows]


async def delete_ended_sessions(conn: Connection) -> None:
    await _sql.exec(conn, "delete_ended_sessions")
