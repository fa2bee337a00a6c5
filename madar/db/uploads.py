"""Uploads: source pictures, already decoded and encoded again."""

from dataclasses import dataclass
from uuid import UUID

from madar.db.sql import Connection, Queries

_sql = Queries("uploads")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Sizes in bytes and pixels; the keys name objects in storage."""

    id: UUID
    object_key: str
    thumbnail_key: str
    file_size: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class UploadUse:
    files: int
    bytes: int


async def insert_upload(conn: Connection, upload: Upload, *, owner_id: UUID) -> bytes:
    """The upload as JSON, with storage keys in it."""
    body = await _sql.json(
        conn,
        "insert_upload",
        id=upload.id,
        owner_id=owner_id,
        object_key=upload.object_key,
        thumbnail_key=upload.thumbnail_key,
        file_size=upload.file_size,
        width=upload.width,
        height=upload.height,
    )
    assert body is not None
    return body


async def get_upload(conn: Connection, *, owner_id: UUID, id: UUID) -> Upload | None:
    return await _sql.maybe(conn, "get_upload", Upload, owner_id=owner_id, id=id)


async def lock_source(
    conn: Connection, *, owner_id: UUID, id: UUID | None, object_key: str | None
) -> UUID | None:
    """The id of the upload that has this id or this key."""
    return await _sql.value(conn, "lock_source", owner_id=owner_id, id=id, object_key=object_key)


async def get_upload_use(conn: Connection, *, owner_id: UUID) -> UploadUse:
    return await _sql.one(conn, "get_upload_use", UploadUse, owner_id=owner_id)


async def delete_unused_uploads(conn: Connection, *, after_s: float, n: int) -> int:
    """How many of their objects wait to be removed now."""
    return await _sql.exec(conn, "delete_unused_uploads", after_s=after_s, n=n)
