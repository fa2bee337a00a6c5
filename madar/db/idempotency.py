"""What was answered for an Idempotency-Key, for 24 hours."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import errors

from madar.db.sql import Connection, Queries

_sql = Queries("idempotency")


@dataclass(frozen=True, kw_only=True)
class IdempotentResponse:
    body_hash: bytes
    response: str


async def get_idempotent_response(
    conn: Connection, *, owner_id: UUID, route: str, key: str
) -> IdempotentResponse | None:
    return await _sql.maybe(
        conn,
        "get_idempotent_response",
        IdempotentResponse,
        owner_id=owner_id,
        route=route,
        key=key,
    )


async def insert_idempotency_key(
    conn: Connection, *, owner_id: UUID, route: str, key: str, body_hash: bytes
) -> bool:
    """False: the key was used before, or whoever uses it now is not done in time.

    The transaction is of no use after that: roll it back.
    """
    try:
        inserted = await _sql.exec(
            conn,
            "insert_idempotency_key",
            owner_id=owner_id,
            route=route,
            key=key,
            body_hash=body_hash,
        )
    except errors.LockNotAvailable:
        return False
    return inserted > 0


async def set_idempotent_response(
    conn: Connection, *, owner_id: UUID, route: str, key: str, response: str
) -> None:
    await _sql.exec(
        conn,
        "set_idempotent_response",
        owner_id=owner_id,
        route=route,
        key=key,
        response=response,
    )


async def delete_old_idempotency_keys(conn: Connection) -> None:
    await _sql.exec(conn, "delete_old_idempotency_keys")


async def delete_idempotency_keys(conn: Connection, *, owner_id: UUID) -> None:
    """All of a person's."""
    await _sql.exec(conn, "delete_idempotency_keys", owner_id=owner_id)
