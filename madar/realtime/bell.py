"""Ringing the bell: after the commit, in a statement of its own, and never fatal."""

import logging
from collections.abc import Iterable
from uuid import UUID

from madar.db import system
from madar.db.pool import Pool, connection
from madar.errors import MadarError

log = logging.getLogger(__name__)


async def ring(pool: Pool, generation_ids: Iterable[UUID]) -> None:
    """A lost bell costs a listener seconds: what somebody waits for is re-read anyway."""
    ids = list(generation_ids)
    if not ids:
        return
    try:
        async with connection(pool) as conn:
            await system.ring_generations(conn, ids=ids)
    except MadarError as error:
        log.warning("bell.lost", extra={"generations": len(ids), "why": error.code})
