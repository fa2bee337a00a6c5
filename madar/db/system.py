"""The bells and the pulse: statements that belong to no table."""

from collections.abc import Mapping
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("system")

GENERATIONS_CHANNEL = "madar_generations"
STYLES_CHANNEL = "madar_styles"


async def ring_generation(
    conn: Connection,
    *,
    id: UUID,
    version: int,
) -> None:
    """Tell every web process that this generation changed: its id and version, nothing else."""
    await _sql.exec(conn, "ring_generation", payload=f"{id} {version}")


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


async def get_clock(conn: Connection) -> float:
    """The server's clock, in seconds since 1970."""
    return await _sql.value(conn, "get_clock")


async def ring_generations(conn: Connection, versions: Mapping[UUID, int]) -> None:
    """The same for many: the version of each."""
    payloads = [f"{generation_id} {version}" for generation_id, version in versions.items()]
    await _sql.exec(conn, "ring_generations", payloads=payloads)
