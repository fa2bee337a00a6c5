"""Cancelling a generation: nothing more is done for it, here or at Fal."""

from uuid import UUID

from madar import metrics
from madar.db import fal_purges, generations
from madar.db.pool import transaction
from madar.domain.endings import check_cancel
from madar.errors import NotFound
from madar.realtime.bell import ring
from madar.resources import Resources


async def cancel_generation(resources: Resources, *, owner_id: UUID, id: UUID) -> bytes:
    """The document afterwards; a second time it changes nothing.

    What is at Fal, or may be, is cancelled there by a worker. Raises NotFound, Conflict.
    """
    async with transaction(resources.pool) as conn:
        seen = await generations.lock_generation(conn, owner_id=owner_id, id=id)
        if seen is None:
            raise NotFound
        is_new = check_cancel(seen.state, seen.error_code)
        if is_new:
            await generations.cancel_generation(conn, owner_id=owner_id, id=id)
            await fal_purges.insert_fal_purges_of_generation(
                conn, generation_id=id, keeps_payload=True
            )
        body = await generations.get_generation_document(conn, owner_id=owner_id, id=id)
    assert body is not None
    if is_new:
        metrics.generations_failed.labels("cancelled").inc()
        await ring(resources.pool, [id])
    return body
