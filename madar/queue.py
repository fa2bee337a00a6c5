"""The queue's front: the names of its tasks, and its bell.

Jobs are inserted by the queries that commit what they are about (sql/queries), so row and job
appear together or not at all; a test holds the names there to the tasks in `jobs`.
"""

import logging

from madar.db import system
from madar.db.pool import Pool, connection
from madar.errors import Unavailable

log = logging.getLogger(__name__)

GENERATIONS_QUEUE = "generations"
ADVANCE = "generations.advance"


async def ring_workers(pool: Pool) -> None:
    """After the commit. A lost bell costs a worker's polling interval, never the job."""
    try:
        async with connection(pool) as conn:
            await system.ring_queue(conn)
    except Unavailable:
        log.warning("bell.lost", extra={"channel": GENERATIONS_QUEUE})
