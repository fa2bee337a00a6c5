"""A page of somebody's gallery, found together with whose it is."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from madar.db.sessions import Credential
from madar.db.sql import Queries, Source
from madar.domain.gallery import GalleryRequest, Position

_sql = Queries("gallery")

# Before the first item of any order, in words that PostgreSQL has and Python has not.
_ABOVE_ALL = ("infinity", "infinity", UUID(int=2**128 - 1))
_BELOW_ALL = ("0", "-infinity", UUID(int=0))


@dataclass(frozen=True, kw_only=True)
class GalleryPage:
    """The viewer, the documents as one JSON array, and the keys of the last where more follow."""

    user_id: UUID
    session_id: UUID
    language: str
    is_language_chosen: bool
    total: int
    generations: str
    next_weight: float | None
    next_at: datetime | None
    next_id: UUID | None

    def next_position(self, request: GalleryRequest) -> Position | None:
        """Where the next page begins; None at the end."""
        if self.next_at is None or self.next_id is None:
            return None
        return Position(
            sort=request.sort,
            weight=self.next_weight or 0,
            created_at=self.next_at,
            id=self.next_id,
        )


async def list_documents(
    conn: Source, credential: Credential, *, request: GalleryRequest
) -> GalleryPage | None:
    """One statement, whatever is asked; None when no session lives for this credential."""
    if request.is_whole_gallery and request.sort == "newest":
        return await list_newest_documents(conn, credential, request=request)
    return await find_documents(conn, credential, request=request)


async def list_newest_documents(
    conn: Source, credential: Credential, *, request: GalleryRequest
) -> GalleryPage | None:
    _, before_at, before_id = _position(request)
    return await _sql.maybe(
        conn,
        "list_newest_documents",
        GalleryPage,
        token_hash=credential.token_hash,
        session_id=credential.session_id,
        before_at=before_at,
        before_id=before_id,
        skip=request.skip,
        page_size=request.page_size,
    )


async def find_documents(
    conn: Source, credential: Credential, *, request: GalleryRequest
) -> GalleryPage | None:
    after_weight, after_at, after_id = _position(request)
    return await _sql.maybe(
        conn,
        "find_documents",
        GalleryPage,
        token_hash=credential.token_hash,
        session_id=credential.session_id,
        search=request.search,
        style=request.style,
        states=request.states,
        liked=request.liked,
        from_at=request.created_from,
        to_at=request.created_before,
        sort=_order(request),
        after_weight=after_weight,
        after_at=after_at,
        after_id=after_id,
        skip=request.skip,
        page_size=request.page_size,
    )


def _order(request: GalleryRequest) -> str:
    """Nothing is more relevant than anything else where nothing is searched for."""
    is_plain = request.sort == "relevance" and request.search is None
    return "newest" if is_plain else request.sort


def _position(request: GalleryRequest) -> tuple[str, str, UUID]:
    if request.after:
        after = request.after
        return repr(after.weight), after.created_at.isoformat(), after.id
    return _BELOW_ALL if request.sort == "oldest" else _ABOVE_ALL
