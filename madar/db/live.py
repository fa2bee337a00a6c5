"""What live connections are told: news of what they joined, and all that is theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from madar.db.sql import Connection, Queries, array_of
from madar.domain.generations import PUBLIC, PublicStatus, State

_sql = Queries("live")

RECENT = 20
MAX_MINE = 200


@dataclass(frozen=True, kw_only=True)
class News:
    """A row newer than what was known of it. A deleted one has no document.

    One whose row is gone has no owner and no state either.
    """

    id: UUID
    user_id: UUID | None
    version: int
    state: State | None
    is_deleted: bool
    document: str | None

    @property
    def status(self) -> PublicStatus | None:
        return PUBLIC[self.state] if self.state else None


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Which row has which version by now, and whose it is."""

    id: UUID
    user_id: UUID
    version: int


@dataclass(frozen=True, kw_only=True)
class Mine:
    """A person's documents as one JSON array, and what is deleted.

    With `has_more` that is not all; `cursor` is where to go on from next time.
    """

    generations: str
    deleted: list[UUID]
    deleted_versions: list[int]
    has_more: bool
    cursor: int

    @property
    def deletions(self) -> list[tuple[UUID, int]]:
        """Each with the version that was the last."""
        return list(zip(self.deleted, self.deleted_versions, strict=True))


async def list_news(conn: Connection, *, known: Mapping[UUID, int]) -> list[News]:
    """Of these, those with a newer version than the one given; 0 is older than all."""
    given = {"ids": array_of(known), "versions": array_of(known.values())}
    return await _sql.many(conn, "list_news", News, **given)


async def get_moment(conn: Connection) -> int:
    """The database's clock, in microseconds since 1970. Ask before reading what changed."""
    return await _sql.value(conn, "get_moment")


async def list_changed_ids(
    conn: Connection, *, owner_ids: Sequence[UUID], since: int
) -> list[Changed]:
    """Of these people, what changed since that moment, or shortly before."""
    given = {"owner_ids": array_of(owner_ids), "since": since}
    return await _sql.many(conn, "list_changed_ids", Changed, **given)


async def get_mine(
    conn: Connection, *, owner_id: UUID, since: int | None, n: int = MAX_MINE
) -> Mine:
    """With the cursor of last time, what changed meanwhile; without one, what is going on."""
    if since is None:
        return await _sql.one(conn, "get_mine", Mine, owner_id=owner_id, recent=RECENT, n=n)
    return await _sql.one(conn, "get_mine_since", Mine, owner_id=owner_id, since=since, n=n)


async def delete_old_deletions(conn: Connection, *, n: int) -> int:
    return await _sql.exec(conn, "delete_old_deletions", n=n)
