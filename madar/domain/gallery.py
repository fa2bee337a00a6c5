"""What may be asked of a gallery: filters, order, and where a page begins."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypeVar, get_args
from uuid import UUID

from madar.domain.generations import PUBLIC, PublicStatus, State
from madar.errors import Fault, InvalidInput

Sort = Literal["newest", "oldest", "most-liked", "relevance"]
Value = TypeVar("Value")

SORTS: tuple[Sort, ...] = get_args(Sort)
STATUSES: tuple[PublicStatus, ...] = get_args(PublicStatus)
MAX_PAGE = 10_000
MAX_PAGE_SIZE = 100
PAGE_SIZE = 20
MAX_SEARCH_CHARACTERS = 200

_STYLE_NAME = re.compile(r"[a-z0-9-]{1,50}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339, 5.6. A plus that nobody escaped arrives as a space.
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)"
    r"(?:([Zz])|([-+ ])([0-9]{2}:[0-9]{2}))"
)


@dataclass(frozen=True, kw_only=True)
class Position:
    """An item's place in an order; a page may begin after it. It means nothing in another order."""

    sort: Sort
    weight: float
    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.sort} {self.weight!r} {self.created_at.isoformat()} {self.id}"

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """The reverse of `str`; None for anything else."""
        try:
            sort, weight, created_at, item_id = text.split(" ")
            return cls(
                sort=next(known for known in SORTS if known == sort),
                weight=float(weight),
                created_at=datetime.fromisoformat(created_at),
                id=UUID(item_id),
            )
        except (ValueError, StopIteration):
            return None


@dataclass(frozen=True, kw_only=True)
class GalleryRequest:
    """Which generations, in which order, from where; checked. None is no filter."""

    search: str | None = None
    style: str | None = None
    status: PublicStatus | None = None
    liked: bool | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    sort: Sort = "newest"
    page: int = 1
    page_size: int = PAGE_SIZE
    after: Position | None = None

    @property
    def states(self) -> list[State] | None:
        """The states that read as `status`."""
        if self.status is None:
            return None
        return [state for state, public in PUBLIC.items() if public == self.status]

    @property
    def skip(self) -> int:
        return 0 if self.after else (self.page - 1) * self.page_size

    @property
    def is_whole_gallery(self) -> bool:
        filters = (self.search, self.style, self.status, self.liked)
        times = (self.created_from, self.created_before)
        return all(one is None for one in (*filters, *times))


def pagination(request: GalleryRequest, *, total: int, next_cursor: str | None) -> dict[str, Any]:
    """As the wire shows it. Behind a cursor there are no numbered pages, so none is named."""
    number = {} if request.after else {"page": request.page}
    return number | {
        "limit": request.page_size,
        "total": total,
        "totalPages": -(-total // request.page_size),
        "nextCursor": next_cursor,
    }


def check_gallery(
    given: Mapping[str, str], *, open_cursor: Callable[[str], str | None]
) -> GalleryRequest:
    """Parameters by their name on the wire; those that are absent have their default.

    `open_cursor` gives the text of the `Position` in a cursor that we signed, else None.
    Raises InvalidInput with everything that is wrong, each at its parameter.
    """
    faults: list[Fault] = []

    def read(name: str, reader: Callable[[str], Value]) -> Value | None:
        try:
            return reader(given[name]) if name in given else None
        except _Wrong as wrong:
            faults.append(Fault(code=wrong.code, pointer=f"?{name}", params=wrong.params))
            return None

    after = read("cursor", lambda text: _position(text, open_cursor))
    request = GalleryRequest(
        search=read("search", _search),
        style=read("style", _style),
        status=read("status", _status),
        liked=read("liked", _liked),
        created_from=read("from", _moment),
        created_before=read("to", _end),
        sort=read("sort", _sort) or (after.sort if after else "newest"),
        page=read("page", lambda text: _number("page", text, MAX_PAGE)) or 1,
        page_size=read("limit", lambda text: _number("limit", text, MAX_PAGE_SIZE)) or PAGE_SIZE,
        after=after,
    )
    faults += _contradictions(request)
    if faults:
        raise InvalidInput(faults)
    return request


class _Wrong(Exception):
    """A parameter that cannot be read."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def _contradictions(request: GalleryRequest) -> list[Fault]:
    faults: list[Fault] = []
    if request.after and request.after.sort != request.sort:
        faults.append(Fault(code="cursor_invalid", pointer="?cursor"))
    start, end = request.created_from, request.created_before
    if start and end and start >= end:
        faults.append(Fault(code="from_after_to", pointer="?from"))
    return faults


def _position(text: str, open_cursor: Callable[[str], str | None]) -> Position:
    opened = open_cursor(text)
    position = Position.parse(opened) if opened is not None else None
    if position is None:
        raise _Wrong("cursor_invalid")
    return position


def _sort(text: str) -> Sort:
    for known in SORTS:
        if text == known:
            return known
    raise _Wrong("sort_unknown", known=", ".join(SORTS))


def _status(text: str) -> PublicStatus:
    for known in STATUSES:
        if text == known:
            return known
    raise _Wrong("status_unknown", known=", ".join(STATUSES))


def _style(text: str) -> str:
    """Only what cannot be a name is refused: a style that is not offered any more has pictures."""
    if not _STYLE_NAME.fullmatch(text):
        raise _Wrong("style_unknown")
    return text


def _liked(text: str) -> bool:
    if text not in {"true", "false"}:
        raise _Wrong("liked_unreadable")
    return text == "true"


def _search(text: str) -> str | None:
    if len(text) > MAX_SEARCH_CHARACTERS:
        raise _Wrong("search_too_long", limit=MAX_SEARCH_CHARACTERS)
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in " ".join(text.split())):
        raise _Wrong("search_unreadable")
    return text.strip() or None


def _number(name: str, text: str, limit: int) -> int:
    """Digits only, since Python would also take `٣` and `1_0`."""
    fits = text.isascii() and text.isdigit() and len(text) <= len(str(limit))
    if not fits or not 1 <= int(text) <= limit:
        raise _Wrong(f"{name}_out_of_range", limit=limit)
    return int(text)


def _moment(text: str) -> datetime:
    """A time, or the first moment of a date, in UTC."""
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(tzinfo=UTC))
        if found := _TIME.fullmatch(text):
            day, clock, zulu, sign, offset = found.groups()
            zone = "+00:00" if zulu else f"{'-' if sign == '-' else '+'}{offset}"
            return datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _Wrong("time_unreadable") from error
    raise _Wrong("time_unreadable")


def _end(text: str) -> datetime:
    """As above, but a date lasts until the next one begins."""
    moment = _moment(text)
    if not _DATE.fullmatch(text):
        return moment
    try:
        return moment + timedelta(days=1)
    except OverflowError as error:
        raise _Wrong("time_unreadable") from error
