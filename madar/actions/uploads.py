"""Keeping a source picture."""

from uuid import UUID

from madar.actions.idempotency import Answered, Keyed, answer_once, claim_key, remember_answer
from madar.actions.sources import insert_source, stored_source
from madar.db.pool import transaction
from madar.resources import Resources


async def create_upload(
    resources: Resources, *, owner_id: UUID, picture: bytes, idempotency_key: str | None
) -> Answered:
    """Objects first, then the row: no row without its objects. The body has storage keys in it.

    Raises PictureRefused, InvalidInput, Conflict, TooBusy, Unavailable.
    """
    keyed = Keyed.maybe(owner_id=owner_id, route="uploads", key=idempotency_key, asked=picture)

    async def make() -> bytes:
        async with (
            stored_source(resources, owner_id=owner_id, picture=picture) as upload,
            transaction(resources.pool) as conn,
        ):
            await claim_key(conn, keyed)
            body = await insert_source(conn, upload, owner_id=owner_id, pointer="/image")
            await remember_answer(conn, keyed, body)
        return body

    return await answer_once(resources, keyed, make)
