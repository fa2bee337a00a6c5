"""What may be asked of a gallery."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.gallery import (
    SORTS,
    GalleryRequest,
    Position,
    check_gallery,
    pagination,
)
from madar.errors import InvalidInput

POSITION = Position(
    sort="newest",
    weight=0.0,
    created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    id=UUID("6f1c4cb5-7f5c-4b7e-8a3c-2f8f3a0b9d11"),
)


def read(**given: str) -> GalleryRequest:
    """Parameters as keywords; `from_` is `from`. A cursor is its own signature here."""
    named = {name.rstrip("_"): text for name, text in given.items()}
    return check_gallery(named, open_cursor=lambda text: text if text != "forged" else None)


def faults_in(**given: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        read(**given)
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


def test_nothing_asked_is_the_newest_page() -> None:
    assert read() == GalleryRequest(sort="newest", page=1, page_size=20)
    assert read().is_whole_gallery
    assert read(page="3", limit="5").skip == 10


def test_everything_can_be_asked_at_once() -> None:
    asked = read(
        search=" صاروخ ",
        style="voxel-3d",
        status="processing",
        liked="true",
        from_="2026-01-01",
        to="2026-01-31",
        sort="relevance",
        page="10000",
        limit="100",
    )

    assert asked == GalleryRequest(
        search="صاروخ",
        style="voxel-3d",
        status="processing",
        liked=True,
        created_from=datetime(2026, 1, 1, tzinfo=UTC),
        created_before=datetime(2026, 2, 1, tzinfo=UTC),
        sort="relevance",
        page=10_000,
        page_size=100,
    )
    assert asked.states == ["processing", "finalizing"]
    assert not asked.is_whole_gallery


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        *(("sort", text, "sort_unknown") for text in ("", "Newest", "newest ", "; DROP", "*")),
        *(("status", text, "status_unknown") for text in ("", "finalizing", "COMPLETED", "a,b")),
        *(
            ("style", text, "style_unknown")
            for text in ("", "Voxel", "voxel_3d", "'", "a" * 51, "%", "نمط", "a\0", "\ud800")
        ),
        *(("liked", text, "liked_unreadable") for text in ("", "1", "True", "yes", "نعم", "\0")),
        ("search", "x" * 201, "search_too_long"),
        ("search", "a" * 10_240, "search_too_long"),
        ("search", "a\0b", "search_unreadable"),
        ("search", "a\ud800b", "search_unreadable"),
        ("search", "a\x1bb", "search_unreadable"),
        *(
            (name, text, f"{name}_out_of_range")
            for name in ("page", "limit")
            for text in ("", "0", "-1", "1e9", "9" * 19, "9" * 5000, "٣", "1_0", "+1", " 1", "1.0",
                         "0x1", "00000000001", "\0", "²")
        ),
        ("page", "10001", "page_out_of_range"),
        ("limit", "101", "limit_out_of_range"),
        *(
            (name, text, "time_unreadable")
            for name in ("from", "to")
            for text in ("", "today", "2026", "2026-13-01", "2026-02-30", "20260101", "٢٠٢٦-٠١-٠١",
                         "2026-01-01T00:00:00", "2026-01-01T25:00:00Z", "2026-01-01T00:00:60Z",
                         "2026-01-01T00:00:00+99:00", "0001-01-01T00:00:00+23:00", "\0",
                         "9999-12-31T23:59:59-23:00", "2026-W01-1", "1767225600", "infinity", "now")
        ),
        ("to", "9999-12-31", "time_unreadable"),
        ("cursor", "", "cursor_invalid"),
        ("cursor", "forged", "cursor_invalid"),
        ("cursor", "newest 0 2026-01-01 not-an-id", "cursor_invalid"),
        ("cursor", "best 0.0 2026-01-01T00:00:00+00:00 " + str(POSITION.id), "cursor_invalid"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(name: str, text: str, code: str) -> None:
    assert faults_in(**{name: text}) == [(f"?{name}", code)]


def test_all_faults_are_told_at_once() -> None:
    found = faults_in(sort="x", liked="x", from_="x", page="0", cursor="forged")

    assert found == [
        ("?cursor", "cursor_invalid"),
        ("?liked", "liked_unreadable"),
        ("?from", "time_unreadable"),
        ("?sort", "sort_unknown"),
        ("?page", "page_out_of_range"),
    ]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01t12:00:00z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01 12:00:00.5+03:00", datetime(2026, 3, 1, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-01T12:00:00 03:00", datetime(2026, 3, 1, 9, tzinfo=UTC)),
        ("2026-03-01T12:00:00.123456789-01:30", datetime(2026, 3, 1, 13, 30, 0, 123456, UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_times_and_dates_are_read(text: str, moment: datetime) -> None:
    is_date = len(text) == len("2026-03-01")

    assert read(from_=text).created_from == moment
    assert read(to=text).created_before == moment + timedelta(days=1 if is_date else 0)


def test_a_time_that_begins_after_it_ends_is_refused() -> None:
    refused = [("?from", "from_after_to")]
    assert faults_in(from_="2026-01-02", to="2026-01-01") == refused
    assert faults_in(from_="2026-01-02T00:00:00Z", to="2026-01-02T03:00:00+03:00") == refused
    assert read(from_="2026-01-01", to="2026-01-01")


def test_an_empty_search_is_none() -> None:
    assert read(search="").search is None
    assert read(search=" \t ").search is None
    assert read(search="x" * 200).search == "x" * 200


def test_a_cursor_brings_its_order_along() -> None:
    cursor = str(Position(sort="oldest", weight=0, created_at=POSITION.created_at, id=POSITION.id))

    asked = read(cursor=cursor, page="7")

    assert asked.sort == "oldest"
    assert asked.skip == 0
    assert faults_in(cursor=cursor, sort="newest") == [("?cursor", "cursor_invalid")]


@given(
    st.builds(
        Position,
        sort=st.sampled_from(SORTS),
        weight=st.floats(0, 1e6),
        created_at=st.datetimes(timezones=st.just(UTC)),
        id=st.uuids(),
    )
)
def test_a_position_survives_being_written_down(position: Position) -> None:
    assert Position.parse(str(position)) == position


def test_pages_are_counted_upwards_and_named_only_where_they_have_numbers() -> None:
    numbered = pagination(GalleryRequest(page=2, page_size=20), total=41, next_cursor="c")
    behind_cursor = pagination(GalleryRequest(after=POSITION), total=0, next_cursor=None)

    assert numbered == {"page": 2, "limit": 20, "total": 41, "totalPages": 3, "nextCursor": "c"}
    assert behind_cursor == {"limit": 20, "total": 0, "totalPages": 0, "nextCursor": None}


@given(st.dictionaries(st.sampled_from(
    ["search", "style", "status", "liked", "from", "to", "sort", "page", "limit", "cursor"]),
    st.text(st.characters(), max_size=30)))  # fmt: skip
def test_nothing_else_ever_happens(asked: dict[str, str]) -> None:
    request, places = GalleryRequest(), set[str]()
    try:
        request = check_gallery(asked, open_cursor=str)
    except InvalidInput as refused:
        places = {fault.pointer for fault in refused.faults}

    assert places <= {f"?{name}" for name in asked}
    assert 1 <= request.page <= 10_000
