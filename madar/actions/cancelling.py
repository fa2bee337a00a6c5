"""Cancelling a generation: nothing more is done for it, here or at Fal."""

from uuid import UUID

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
    version = None
    async with transaction(resources.pool) as conn:
        seen = await generations.lock_generation(conn, owner_id=owner_id, id=id)
        if seen is None:
            raise NotFound
        if check_cancel(seen.state, seen.error_code):
            version = await generations.cancel_generation(conn, owner_id=owner_id, id=id)
            await fal_purges.insert_fal_purges_of_generation(
                conn, generation_id=id, keeps_payload=True
            )
        body = await generations.get_generation_document(conn, owner_id=owner_id, id=id)
    assert body is not None
    if version is not None:
        await ring(resources.pool, generation_id=id, version=version)
    return body
