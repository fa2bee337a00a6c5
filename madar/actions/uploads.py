"""Keeping a source picture."""

from uuid import UUID, uuid4

from madar.db.pool import connection
from madar.db.uploads import Upload, insert_upload
from madar.resources import Resources


async def create_upload(resources: Resources, *, owner_id: UUID, picture: bytes) -> Upload:
    """Objects first, then the row: no row without its objects. Raises PictureRefused."""
    accepted = await resources.imaging.accept_upload(picture)
    upload_id, storage = uuid4(), resources.storage
    owner = (str(owner_id), str(upload_id))
    object_key = storage.key_for(*owner, "source", content=accepted.png, suffix=".png")
    thumbnail = accepted.thumbnail_webp
    thumbnail_key = storage.key_for(*owner, "thumbnail", content=thumbnail, suffix=".webp")
    await storage.put(object_key, accepted.png)
    await storage.put(thumbnail_key, thumbnail)
    upload = Upload(
        id=upload_id,
        object_key=object_key,
        thumbnail_key=thumbnail_key,
        file_size=len(accepted.png),
        width=accepted.width_px,
        height=accepted.height_px,
    )
    async with connection(resources.pool) as conn:
        await insert_upload(conn, upload, owner_id=owner_id)
    return upload
