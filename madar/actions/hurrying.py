"""An operator's push: what waits is looked at now, as if its time had come."""

from uuid import UUID

from madar.db import jobs, turns
from madar.db.pool import connection, transaction
from madar.queue import ring_workers
from madar.resources import Resources


async def hurry_generation(resources: Resources, *, id: UUID) -> bool:
    """Safe at any time: what is then done for it, its worker decides from its rows.

    False: a worker has it, or it has ended.
    """
    async with transaction(resources.pool) as conn:
        is_due = await jobs.hurry_generation(conn, id=id)
        if is_due:
            await turns.insert_wake_ups(conn, [id])
    await ring_workers(resources.pool)
    return is_due


async def hurry_job(resources: Resources, *, id: int) -> bool:
    """False: it is not waiting."""
    async with connection(resources.pool) as conn:
        is_due = await jobs.hurry_job(conn, id=id)
    await ring_workers(resources.pool)
    return is_due
