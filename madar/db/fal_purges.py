"""What Fal still has and nobody wants: requests to cancel there, with their copies to remove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from madar.db.sql import Connection, Queries

_sql = Queries("fal_purges")


@dataclass(frozen=True, kw_only=True)
class FalPurge:
    """Claimed: `due_at` is when it is due again, and what later statements know the claim by."""

    id: int
    attempt_id: UUID
    endpoint: str
    request_id: str | None
    arguments: dict[str, Any] | None = field(hash=False)
    sent_at: datetime
    is_cancelled: bool
    keeps_payload: bool
    tries: int
    due_at: datetime
    sent_age_s: float
    age_s: float


@dataclass(frozen=True, kw_only=True)
class Postponed:
    """Whether it has been cancelled by now, and when to come back."""

    is_cancelled: bool
    wait_s: float


@dataclass(frozen=True, kw_only=True)
class _Request:
    request_id: str


async def insert_fal_purges_of_generation(
    conn: Connection, *, generation_id: UUID, keeps_payload: bool
) -> None:
    await insert_fal_purges_of_generations(
        conn, generation_ids=[generation_id], keeps_payload=keeps_payload
    )


async def insert_fal_purges_of_generations(
    conn: Connection, *, generation_ids: Sequence[UUID], keeps_payload: bool
) -> None:
    """Only where the transaction has ended or deleted them in a statement before.

    With `keeps_payload` the requests are only cancelled.
    """
    await _sql.exec(
        conn,
        "insert_fal_purges_of_generations",
        generation_ids=list(generation_ids),
        keeps_payload=keeps_payload,
    )


async def insert_fal_purge(
    conn: Connection, *, attempt_id: UUID, keeps_payload: bool, request_id: str | None = None
) -> None:
    """`request_id` where the attempt itself does not know it, or not this one."""
    await _sql.exec(
        conn,
        "insert_fal_purge",
        attempt_id=attempt_id,
        request_id=request_id,
        keeps_payload=keeps_payload,
    )


async def insert_fal_purges_of_account(conn: Connection, *, owner_id: UUID) -> None:
    """Only where the transaction has deleted their generations in a statement before."""
    await _sql.exec(conn, "insert_fal_purges_of_account", owner_id=owner_id)


async def claim_due_fal_purges(conn: Connection, *, n: int, lease_s: float) -> list[FalPurge]:
    return await _sql.many(conn, "claim_due_fal_purges", FalPurge, n=n, lease_s=lease_s)


async def list_requests_of_others(
    conn: Connection, purge: FalPurge, *, request_ids: Sequence[str]
) -> set[str]:
    given = {"attempt_id": purge.attempt_id, "request_ids": list(request_ids)}
    rows = await _sql.many(conn, "list_requests_of_others", _Request, **given)
    return {row.request_id for row in rows}


async def has_unclear_twin(conn: Connection, purge: FalPurge) -> bool:
    return await _sql.value(
        conn,
        "has_unclear_twin",
        attempt_id=purge.attempt_id,
        endpoint=purge.endpoint,
        arguments=Jsonb(purge.arguments),
    )


async def bind_fal_purge(conn: Connection, purge: FalPurge, *, request_ids: Sequence[str]) -> None:
    await _sql.exec(
        conn, "bind_fal_purge", id=purge.id, due_at=purge.due_at, request_ids=list(request_ids)
    )


async def delete_fal_purges(conn: Connection, done: Sequence[FalPurge]) -> None:
    await _sql.exec(
        conn,
        "delete_fal_purges",
        ids=[one.id for one in done],
        due_ats=[one.due_at for one in done],
    )


async def postpone_fal_purges(conn: Connection, late: Mapping[FalPurge, Postponed]) -> None:
    await _sql.exec(
        conn,
        "postpone_fal_purges",
        ids=[one.id for one in late],
        due_ats=[one.due_at for one in late],
        are_cancelled=[how.is_cancelled for how in late.values()],
        waits_s=[how.wait_s for how in late.values()],
    )
