"""Usage: a row for each request, sessions that were seen, and how often a picture was taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("usage")


@dataclass(frozen=True, kw_only=True)
class UsageEntry:
    """One request to the API; `endpoint` is the route's template, `ip_address` may be empty."""

    user_id: UUID | None
    session_id: UUID | None
    endpoint: str
    method: str
    status_code: int
    response_time_ms: int
    ip_address: str
    user_agent: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A file that was sent under a signed link; equal for one link, however often it is fetched."""

    kind: Literal["view", "download"]
    object_key: str
    link_hash: bytes


async def insert_usage(conn: Connection, entries: Sequence[UsageEntry]) -> None:
    await _sql.exec(
        conn,
        "insert_usage",
        user_ids=[entry.user_id for entry in entries],
        endpoints=[entry.endpoint for entry in entries],
        methods=[entry.method for entry in entries],
        status_codes=[entry.status_code for entry in entries],
        response_times_ms=[entry.response_time_ms for entry in entries],
        ip_addresses=[entry.ip_address or None for entry in entries],
        user_agents=[entry.user_agent or None for entry in entries],
        times=[entry.created_at for entry in entries],
    )


async def touch_sessions(conn: Connection, *, ids: Sequence[UUID], idle_s: float) -> None:
    await _sql.exec(conn, "touch_sessions", ids=list(ids), idle_s=idle_s)


async def count_servings(conn: Connection, servings: Sequence[Serving]) -> None:
    await _sql.exec(
        conn,
        "count_servings",
        object_keys=[serving.object_key for serving in servings],
        kinds=[serving.kind for serving in servings],
        link_hashes=[serving.link_hash for serving in servings],
    )


async def anonymise_usage(conn: Connection, *, user_id: UUID, n: int) -> None:
    """At most `n` rows; a worker does the rest."""
    await _sql.exec(conn, "anonymise_usage", user_id=user_id, n=n)


async def anonymise_usage_of_deleted(conn: Connection, *, n: int) -> int:
    """How many; none: nothing is left of whoever left."""
    return await _sql.exec(conn, "anonymise_usage_of_deleted", n=n)


async def delete_old_usage(conn: Connection, *, n: int) -> int:
    """How many went; fewer than `n` means that none is left."""
    return await _sql.exec(conn, "delete_old_usage", n=n)


async def delete_old_servings(conn: Connection, *, n: int) -> int:
    return await _sql.exec(conn, "delete_old_servings", n=n)
