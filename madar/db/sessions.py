"""Sessions: who holds a cookie or a bearer token, while it lives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from madar.db.sql import Connection, Queries, Source, array_of

_sql = Queries("sessions")


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What a request shows: the hash of its cookie, or the session its bearer token names.

    Nothing is proved until a query finds a living session for it.
    """

    token_hash: bytes | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """The person behind a request, and the session that says so."""

    session_id: UUID
    expires_at: datetime
    ends_at: datetime
    id: UUID
    email: str
    display_name: str
    avatar_url: str | None
    language: str
    is_language_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Session:
    id: UUID
    expires_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class EndedSession:
    id: UUID
    is_account_closed: bool


@dataclass(frozen=True, kw_only=True)
class _Ended:
    id: UUID


async def insert_session(
    conn: Connection,
    *,
    user_id: UUID,
    token_hash: bytes,
    idle_s: float,
    life_s: float,
    user_agent: str,
) -> Session:
    return await _sql.one(
        conn,
        "insert_session",
        Session,
        user_id=user_id,
        token_hash=token_hash,
        idle_s=idle_s,
        life_s=life_s,
        user_agent=user_agent,
    )


async def get_viewer(conn: Source, credential: Credential) -> Viewer | None:
    return await _sql.maybe(
        conn,
        "get_viewer",
        Viewer,
        token_hash=credential.token_hash,
        session_id=credential.session_id,
    )


async def list_session_documents(conn: Connection, *, owner_id: UUID, current_id: UUID) -> bytes:
    body = await _sql.json(conn, "list_session_documents", owner_id=owner_id, current_id=current_id)
    assert body is not None
    return body


async def is_fresh(conn: Connection, *, id: UUID, user_id: UUID, age: timedelta) -> bool:
    return bool(await _sql.value(conn, "is_fresh", id=id, user_id=user_id, age=age))


async def delete_session(conn: Connection, *, id: UUID, user_id: UUID) -> bool:
    """Whether there was one."""
    return await _sql.exec(conn, "delete_session", id=id, user_id=user_id) > 0


async def delete_session_by_token(conn: Connection, *, token_hash: bytes) -> None:
    await _sql.exec(conn, "delete_session_by_token", token_hash=token_hash)


async def delete_sessions(conn: Connection, *, user_id: UUID) -> list[UUID]:
    """All of a person's; answers their ids."""
    rows = await _sql.many(conn, "delete_sessions", _Ended, user_id=user_id)
    return [row.id for row in rows]


async def delete_surplus_sessions(conn: Connection, *, user_id: UUID, n: int) -> None:
    await _sql.exec(conn, "delete_surplus_sessions", user_id=user_id, n=n)


async def list_ended_sessions(
    conn: Connection, *, owners: Mapping[UUID, UUID]
) -> list[EndedSession]:
    """Of these, each with whose it is."""
    given = {"ids": array_of(owners), "owner_ids": array_of(owners.values())}
    return await _sql.many(conn, "list_ended_sessions", EndedSession, **given)


async def delete_ended_sessions(conn: Connection) -> None:
    await _sql.exec(conn, "delete_ended_sessions")
