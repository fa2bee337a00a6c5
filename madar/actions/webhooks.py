"""A verified delivery from Fal: record that a request has ended, and wake a worker."""

from uuid import UUID

from madar.db import attempts
from madar.db.pool import connection
from madar.queue import ring_workers
from madar.resources import Resources


async def record_delivery(resources: Resources, *, attempt_id: UUID, request_id: str) -> None:
    """Any number of times, in any order; what came of the request is asked with our own key."""
    async with connection(resources.pool) as conn:
        woken = await attempts.announce_result(conn, attempt_id=attempt_id, request_id=request_id)
    if woken:
        await ring_workers(resources.pool)
