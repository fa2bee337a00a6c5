"""The bells and the pulse: statements that belong to no table."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("system")

GENERATIONS_CHANNEL = "madar_generations"
STYLES_CHANNEL = "madar_styles"


@dataclass(frozen=True, kw_only=True)
class Server:
    """`max_connections` are those for programs like ours, `other_connections` are not ours."""

    version_number: int
    is_replica: bool
    max_connections: int
    other_connections: int


@dataclass(frozen=True, kw_only=True)
class Session:
    """As `SHOW` says it; any name of UTC is UTC."""

    statement_timeout: str
    lock_timeout: str
    idle_in_transaction_session_timeout: str
    timezone: str


@dataclass(frozen=True, kw_only=True)
class AppliedMigration:
    version: str
    sha256: str


async def ring_generations(conn: Connection, *, ids: Sequence[UUID]) -> None:
    """Tell every web process that these changed: id, version and owner of each, nothing else."""
    await _sql.exec(conn, "ring_generations", ids=list(ids))


async def ring_pulse(conn: Connection, *, channel: str) -> None:
    await _sql.exec(conn, "ring_pulse", channel=channel)


async def ring_styles(conn: Connection) -> None:
    """Tell every web process that styles changed."""
    await _sql.exec(conn, "ring_styles", payload="")


async def ring_queue(conn: Connection) -> None:
    """Wake the workers; what they then find in the queue was committed before."""
    await _sql.exec(conn, "ring_queue", payload='{"type": "job_inserted", "job_id": 0}')


async def ping(conn: Connection) -> None:
    await _sql.value(conn, "ping")


async def has_worker(conn: Connection) -> bool:
    """Whether any worker has given a sign of life in the last minute."""
    return await _sql.value(conn, "has_worker")


@dataclass(frozen=True, kw_only=True)
class Helpers:
    has_worker: bool
    is_fal_closed: bool


async def get_helpers(conn: Connection) -> Helpers:
    return await _sql.one(conn, "get_helpers", Helpers)


async def get_clock(conn: Connection) -> float:
    """The server's clock, in seconds since 1970."""
    return await _sql.value(conn, "get_clock")


async def get_server(conn: Connection) -> Server:
    return await _sql.one(conn, "get_server", Server)


async def get_session(conn: Connection) -> Session:
    return await _sql.one(conn, "get_session", Session)


async def list_applied_migrations(conn: Connection) -> list[AppliedMigration]:
    return await _sql.many(conn, "list_applied_migrations", AppliedMigration)
