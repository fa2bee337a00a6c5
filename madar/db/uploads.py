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


async def insert_upload(conn: Connection, upload: Upload, *, owner_id: UUID) -> None:
    await _sql.exec(
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


async def get_upload(
    conn: Connection,
    *,
    owner_id: UUID,
    id: UUID,
) -> Upload | None:
    return await _sql.maybe(conn, "get_upload", Upload, owner_id=owner_id, id=id)
