"""Ringing the bell: after the commit, in a statement of its own, and never fatal."""

import logging
from collections.abc import Mapping
from uuid import UUID

from madar.db import system
from madar.db.pool import Pool, connection
from madar.errors import Unavailable

log = logging.getLogger(__name__)


async def ring(pool: Pool, *, generation_id: UUID, version: int) -> None:
    """A lost bell costs a listener seconds: what is joined and unfinished is re-read anyway."""
    try:
        async with connection(pool) as conn:
            await system.ring_generation(conn, id=generation_id, version=version)
    except Unavailable:
        log.warning("bell.lost", extra={"generation_id": str(generation_id)})


async def ring_many(pool: Pool, versions: Mapping[UUID, int]) -> None:
    """The same for many, in one statement."""
    if not versions:
        return
    try:
        async with connection(pool) as conn:
            await system.ring_generations(conn, versions)
    except Unavailable:
        log.warning("bell.lost", extra={"generations": len(versions)})
