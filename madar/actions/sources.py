"""Source pictures on their way into storage, before and after their row."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from madar.clients.storage import Storage
from madar.db import purges, uploads, users
from madar.db.pool import connection, transaction
from madar.db.sql import Connection
from madar.db.uploads import Upload
from madar.domain.uploads import check_room
from madar.errors import TooBusy, Unauthenticated, Unavailable
from madar.imaging.guard import AcceptedUpload
from madar.resources import Resources

ABANDONED_AFTER_S = 3600  # far longer than any request lives
STORE_S = 8  # somebody waits; a worker has more patience (clients/storage.py)


@asynccontextmanager
async def stored_source(
    resources: Resources, *, owner_id: UUID, picture: bytes
) -> AsyncGenerator[Upload]:
    """Decode, encode and store; the block gives it a row, or its objects are removed again.

    Raises PictureRefused, TooBusy, Unavailable.
    """
    accepted = await resources.imaging.accept_upload(picture)
    upload = _named(accepted, resources.storage, owner_id=owner_id)
    await _name_first(resources, upload)
    try:
        await _store(resources.storage, upload, accepted)
        yield upload
    except BaseException:
        with contextlib.suppress(TooBusy, Unavailable):
            await _remove(resources, upload, owner_id=owner_id)
        raise


async def insert_source(conn: Connection, upload: Upload, *, owner_id: UUID, pointer: str) -> bytes:
    """In the caller's transaction: the row as JSON.

    Raises InvalidInput, pointing at the field, and Unauthenticated when the account is gone.
    """
    if not await users.lock_user(conn, owner_id=owner_id):
        raise Unauthenticated
    use = await uploads.get_upload_use(conn, owner_id=owner_id)
    check_room(files=use.files, kept_bytes=use.bytes, new_bytes=upload.file_size, pointer=pointer)
    return await uploads.insert_upload(conn, upload, owner_id=owner_id)


def _named(accepted: AcceptedUpload, storage: Storage, *, owner_id: UUID) -> Upload:
    upload_id, small = uuid4(), accepted.thumbnail_webp
    parts = (str(owner_id), str(upload_id))
    return Upload(
        id=upload_id,
        object_key=storage.key_for(*parts, "source", content=accepted.png, suffix=".png"),
        thumbnail_key=storage.key_for(*parts, "thumbnail", content=small, suffix=".webp"),
        file_size=len(accepted.png),
        width=accepted.width_px,
        height=accepted.height_px,
    )


async def _name_first(resources: Resources, upload: Upload) -> None:
    """Objects of a process or a database that dies before their row are known all the same."""
    async with connection(resources.pool) as conn:
        keys = [upload.object_key, upload.thumbnail_key]
        await purges.insert_purges(conn, object_keys=keys, after_s=ABANDONED_AFTER_S)


async def _store(storage: Storage, upload: Upload, accepted: AcceptedUpload) -> None:
    try:
        async with asyncio.timeout(STORE_S):
            await storage.put(upload.object_key, accepted.png)
            await storage.put(upload.thumbnail_key, accepted.thumbnail_webp)
    except TimeoutError as error:
        raise Unavailable("storage", retry_after_s=10) from error


async def _remove(resources: Resources, upload: Upload, *, owner_id: UUID) -> None:
    """Unless the row is there: who lost the connection while committing cannot know.

    The lock is `insert_source`'s, so no such commit is still on its way.
    """
    async with transaction(resources.pool) as conn:
        await users.lock_user(conn, owner_id=owner_id)
        if await uploads.get_upload(conn, owner_id=owner_id, id=upload.id) is None:
            keys = [upload.object_key, upload.thumbnail_key]
            await purges.insert_purges(conn, object_keys=keys)
