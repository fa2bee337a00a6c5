"""The trash: bring a picture back, or let it go for good."""

from collections.abc import Sequence
from uuid import UUID

from madar.db import fal_purges, generations, purges, trash
from madar.db.pool import transaction
from madar.db.sql import Connection
from madar.errors import NotFound
from madar.realtime.bell import ring
from madar.resources import Resources

BATCH = 100


async def restore_generation(resources: Resources, *, owner_id: UUID, id: UUID) -> bytes:
    """Its document, as it was before. Raises NotFound for what is not in their trash."""
    async with transaction(resources.pool) as conn:
        if not await trash.restore_generation(conn, owner_id=owner_id, id=id):
            raise NotFound
        body = await generations.get_generation_document(conn, owner_id=owner_id, id=id)
    assert body, "it is theirs, and locked"
    await ring(resources.pool, [id])
    return body


async def delete_from_trash(resources: Resources, *, owner_id: UUID, id: UUID) -> None:
    """For good. Raises NotFound."""
    async with transaction(resources.pool) as conn:
        if not await trash.delete_from_trash(conn, owner_id=owner_id, id=id):
            raise NotFound
        await _name_what_is_left(conn, [id])
    await ring(resources.pool, [id])


async def empty_trash(resources: Resources, *, owner_id: UUID) -> None:
    """All of it, for good."""
    async with transaction(resources.pool) as conn:
        gone = await trash.empty_trash(conn, owner_id=owner_id)
        await _name_what_is_left(conn, gone)
    await ring(resources.pool, gone)


async def clear_trash(resources: Resources) -> None:
    """What has lain there long enough. May run at any time, in any number of processes."""
    n = BATCH
    while n == BATCH:
        async with transaction(resources.pool) as conn:
            gone = await trash.clear_trash(conn, n=BATCH)
            await _name_what_is_left(conn, gone)
        await ring(resources.pool, gone)
        n = len(gone)


async def _name_what_is_left(conn: Connection, gone: Sequence[UUID]) -> None:
    """The worker removes its objects, and what Fal has of it."""
    if gone:
        await purges.insert_purges_of_gone(conn, generation_ids=gone)
        await fal_purges.insert_fal_purges_of_generations(
            conn, generation_ids=gone, keeps_payload=False
        )
