"""sql/queries/gallery.sql: filters, orders and pages against a list in memory; indexes."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db import gallery
from madar.db.gallery import GalleryPage
from madar.db.sessions import Credential
from madar.domain.gallery import SORTS, GalleryRequest
from madar.local import postgres
from tests.sql.harness import WITHOUT_INDEXES
from tests.sql.register import holds

Conn = psycopg.AsyncConnection[Any]
Result = TypeVar("Result")

AMAL, BADR, NOBODY = (hashlib.sha256(who).digest() for who in (b"amal", b"badr", b"nobody"))
START = datetime(2026, 1, 1, tzinfo=UTC)
STYLES = ("voxel-3d", "neon-glow", "toy-figurine")
WORDS = ("red rocket", "قطة صغيرة", "a red cat", "rocket, rocket, rocket and a rocket")
ROWS = """
INSERT INTO generations (id, user_id, prompt, style, input_type, seed, state, step, deadline_at,
       next_action_at, fal_progress, error_code, is_liked, master_key, result_image_key,
       thumbnail_key, completed_at, created_at, deleted_at)
SELECT md5('id' || n)::uuid, u.id, (%(words)s::text[])[1 + n / 3 %% 4],
       (%(styles)s::text[])[1 + n / 5 %% 3], 'text', n, state.word, 'draw', now(),
       CASE WHEN state.word IN ('completed', 'failed') THEN NULL ELSE now() END,
       CASE state.word WHEN 'completed' THEN 100 ELSE 10 END,
       CASE state.word WHEN 'failed' THEN 'timeout' END, n %% 4 = 0, 'a/a.png', 'a/a.webp',
       'b/b.webp', now(), %(start)s + n / 3 * interval '7 hours',
       CASE WHEN n %% 11 = 0 THEN now() END
  FROM generate_series(1, %(n)s::int) n
  JOIN users u ON u.google_id = CASE WHEN n %% %(every)s::int = 0 THEN 'amal'
                                     ELSE 'other' || n %% 50 END
 CROSS JOIN LATERAL (SELECT (ARRAY['queued', 'processing', 'finalizing', 'completed', 'failed'])
                            [1 + n / 2 %% 5] AS word) state
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a generation is to its gallery."""

    id: UUID
    prompt: str
    style: str
    state: str
    is_liked: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Many:
    """A database with a gallery among others, and a connection that runs coroutines."""

    conn: Conn
    loop: asyncio.AbstractEventLoop
    rows: list[Row]

    def run(self, awaitable: Awaitable[Result]) -> Result:
        return self.loop.run_until_complete(awaitable)

    def page(self, request: GalleryRequest, token: bytes = AMAL) -> GalleryPage:
        credential = Credential(token_hash=token)
        page = self.run(gallery.list_documents(self.conn, credential, request=request))
        assert page
        return page

    def ids(self, request: GalleryRequest) -> list[UUID]:
        return ids_of(self.page(request))


def ids_of(page: GalleryPage) -> list[UUID]:
    return [UUID(one["id"]) for one in json.loads(page.generations)]


def fill(dsn: str, *, n: int, every: int) -> list[Row]:
    """Amal has each `every`-th of n generations, deleted ones among them; Badr has none."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO users (google_id, email, display_name, language)"
            " SELECT who, who || '@madar.test', who, 'ar' FROM (VALUES ('amal'), ('badr')) p (who)"
            " UNION ALL SELECT 'other' || n, n || '@x.test', 'x', 'en'"
            " FROM generate_series(0, 49) n"
        )
        conn.execute(
            "INSERT INTO user_sessions (user_id, session_token, expires_at, ends_at)"
            " SELECT id, CASE google_id WHEN 'amal' THEN %s::bytea ELSE %s::bytea END,"
            " now() + interval '1 day', now() + interval '1 day'"
            " FROM users WHERE google_id IN ('amal', 'badr')",
            [AMAL, BADR],
        )
        given = {"words": list(WORDS), "styles": list(STYLES), "start": START}
        conn.execute(ROWS.encode(), {**given, "n": n, "every": every})
        conn.execute("VACUUM ANALYZE")
        found = conn.execute(
            "SELECT g.id, prompt, style, state, is_liked, g.created_at FROM generations g"
            " JOIN users u ON u.id = g.user_id WHERE google_id = 'amal' AND g.deleted_at IS NULL"
        ).fetchall()
        names = ("id", "prompt", "style", "state", "is_liked", "created_at")
        return [Row(**dict(zip(names, row, strict=True))) for row in found]


def opened(dsn: str, rows: list[Row]) -> Generator[Many]:
    loop = asyncio.new_event_loop()
    conn: Conn = loop.run_until_complete(Conn.connect(dsn, autocommit=True))
    yield Many(conn=conn, loop=loop, rows=rows)
    loop.run_until_complete(conn.close())
    loop.close()


@pytest.fixture(scope="module")
def few(postgres_server: postgres.Server) -> Generator[Many]:
    dsn = postgres_server.create_database("gallery_few", template="template_madar")
    yield from opened(dsn, fill(dsn, n=140, every=2))


@pytest.fixture(scope="module")
def many(postgres_server: postgres.Server) -> Generator[Many]:
    dsn = postgres_server.create_database("gallery_many", template="template_madar")
    yield from opened(dsn, fill(dsn, n=20_000, every=15))  # over a thousand


def expected(rows: list[Row], asked: GalleryRequest) -> list[Row]:
    """All rows that `asked` means, in its order, whatever the page."""
    found = [row for row in rows if all(_fits(row, asked))]
    found.sort(key=lambda row: (row.created_at, row.id), reverse=asked.sort != "oldest")
    if asked.sort == "most-liked":
        found.sort(key=lambda row: not row.is_liked)
    return found


def _fits(row: Row, asked: GalleryRequest) -> list[bool]:
    public = "processing" if row.state == "finalizing" else row.state
    searched = {None: WORDS, "rockets": (WORDS[0], WORDS[3]), "القطط": WORDS[1:2]}
    return [
        row.prompt in searched[asked.search],
        asked.style in {None, row.style},
        asked.status in {None, public},
        asked.liked in {None, row.is_liked},
        asked.created_from is None or row.created_at >= asked.created_from,
        asked.created_before is None or row.created_at < asked.created_before,
    ]


_moments = st.none() | st.integers(0, 60).map(lambda n: START + n * timedelta(hours=7))
_requests = st.builds(
    GalleryRequest,
    search=st.sampled_from([None, None, "rockets", "القطط"]),
    style=st.sampled_from([None, None, *STYLES, "no-such-style"]),
    status=st.sampled_from([None, None, "queued", "processing", "completed", "failed"]),
    liked=st.sampled_from([None, None, True, False]),
    created_from=_moments,
    created_before=_moments,
    sort=st.sampled_from(["newest", "oldest", "most-liked"]),
    page=st.integers(1, 8),
    page_size=st.integers(1, 15),
)


@holds("gallery.list_newest_documents", "gallery.find_documents", share=2)
@given(_requests)
def test_a_page_is_what_was_asked_for_in_its_order(few: Many, asked: GalleryRequest) -> None:
    rows = expected(few.rows, asked)
    page = few.page(asked)

    assert ids_of(page) == [row.id for row in rows[asked.skip : asked.skip + asked.page_size]]
    assert page.total == len(rows)
    more = len(rows) > asked.skip + asked.page_size
    assert (page.next_at is not None, page.next_id is not None) == (more, more)


@holds("gallery.find_documents")
@given(_requests)
def test_so_it_is_where_words_are_looked_up_in_their_index(
    many: Many, asked: GalleryRequest
) -> None:
    rows = expected(many.rows, asked)
    page = many.page(asked)

    assert ids_of(page) == [row.id for row in rows[asked.skip : asked.skip + asked.page_size]]
    assert page.total == len(rows)


@holds("gallery.list_newest_documents", "gallery.find_documents")
@pytest.mark.parametrize("size", [16, 31, 100])  # of 64, 31 with the word
def test_numbered_pages_and_cursors_give_the_same_items_once(few: Many, size: int) -> None:
    for sort, search in itertools.product(SORTS, (None, "rocket")):
        asked = GalleryRequest(sort=sort, search=search, page_size=size)
        total = few.page(asked).total
        numbered = [few.ids(replace(asked, page=n)) for n in range(1, -(-total // size) + 1)]
        followed: list[list[UUID]] = []
        after = None
        for _ in range(200):
            page = few.page(replace(asked, after=after))
            assert page.total == total
            assert (page.next_at is None) == (page.next_id is None)
            followed.append(ids_of(page))
            after = page.next_position(asked)
            if after is None:
                break

        assert followed == numbered
        assert len({*itertools.chain(*followed)}) == total > 30


@holds("gallery.list_newest_documents")
def test_their_order_is_not_owed_to_an_index(few: Many) -> None:
    few.run(few.conn.execute("; ".join(("BEGIN", *WITHOUT_INDEXES)).encode()))
    try:
        rows = [row.id for row in expected(few.rows, GalleryRequest())]
        for size in (7, 16):
            for n in range(1, len(rows) // size + 1):
                page = few.ids(GalleryRequest(page=n, page_size=size))
                assert page == rows[(n - 1) * size : n * size]
    finally:
        few.run(few.conn.execute("ROLLBACK"))


@holds("gallery.list_newest_documents")
def test_what_arrives_meanwhile_shifts_nothing_behind_a_cursor(
    postgres_server: postgres.Server,
) -> None:
    dsn = postgres_server.create_database("gallery_arriving", template="template_madar")
    for session in opened(dsn, fill(dsn, n=40, every=2)):
        asked = GalleryRequest(page_size=5)
        first, second = session.page(asked), session.ids(replace(asked, page=2))
        oldest = expected(session.rows, asked)[-1]
        arrive = "UPDATE generations SET created_at = now() WHERE id = %s"
        session.run(session.conn.execute(arrive, [oldest.id]))

        behind = session.ids(replace(asked, after=first.next_position(asked)))

        assert behind == second
        assert session.ids(replace(asked, page=2)) != second


@holds("gallery.find_documents")
def test_relevance_puts_the_word_that_was_typed_first(few: Many) -> None:
    asked = GalleryRequest(sort="relevance", search="rocket", page_size=100)
    prompts = [one["prompt"] for one in json.loads(few.page(asked).generations)]

    half = prompts.count(WORDS[3])
    assert half > 5
    assert set(prompts[:half]) == {WORDS[3]}
    assert few.ids(replace(asked, search=None)) == few.ids(GalleryRequest(page_size=100))


@holds("gallery.list_newest_documents", "gallery.find_documents")
def test_an_empty_gallery_and_a_page_behind_the_end_are_empty(few: Many) -> None:
    nothing = few.page(GalleryRequest(), token=BADR)
    behind = few.page(GalleryRequest(page=10_000, page_size=100))

    assert (nothing.generations, nothing.total, nothing.next_at) == ("[]", 0, None)
    assert (behind.generations, behind.total) == ("[]", len(few.rows))
    for sort in SORTS:
        asked = GalleryRequest(sort=sort, search="rocket", page=10_000, page_size=100)
        assert few.ids(asked) == []


@holds("gallery.list_newest_documents", "gallery.find_documents")
def test_the_viewer_comes_along_and_nobody_gets_nothing(few: Many) -> None:
    for asked in (GalleryRequest(), GalleryRequest(sort="oldest", search="cat")):
        page = few.page(asked)
        nobody = Credential(token_hash=NOBODY)
        nothing = few.run(gallery.list_documents(few.conn, nobody, request=asked))
        by_session = Credential(session_id=page.session_id)
        same = few.run(gallery.list_documents(few.conn, by_session, request=asked))

        assert (page.language, page.is_language_chosen) == ("ar", False)
        assert nothing is None
        assert same == page


@pytest.mark.parametrize(
    "search",
    [
        "'",
        "\\",
        "%",
        "a & | ! b",
        "<-> <2>",
        ":*",
        "((",
        "'; DROP TABLE users; --",
        "$1",
        "🚀",
    ],
)
def test_signs_in_a_search_mean_nothing(few: Many, search: str) -> None:
    assert few.page(GalleryRequest(search=search)).total in {0, 35, 70}


Shape = tuple[GalleryRequest, str]
SHAPES: dict[str, Shape] = {
    "newest": (GalleryRequest(), "generations_by_user"),
    "deep page": (GalleryRequest(page=20), "generations_by_user"),
    "oldest": (GalleryRequest(sort="oldest"), ""),
    "most-liked": (GalleryRequest(sort="most-liked"), ""),
    "style": (GalleryRequest(style="neon-glow"), "generations_by_user_style"),
    "liked": (GalleryRequest(liked=True), "generations_liked"),
    "status": (GalleryRequest(status="processing"), ""),
    "times": (
        GalleryRequest(created_from=START, created_before=START + timedelta(days=3)),
        "generations_by_user",
    ),
    "search for a word in many": (GalleryRequest(search="rocket"), ""),
    "search for a rare word": (GalleryRequest(search="zeppelins"), "generations_by_words"),
    "search for nothing there": (GalleryRequest(search="unicorn"), "generations_by_words"),
    "relevance": (GalleryRequest(search="rocket", sort="relevance"), ""),
    "all at once": (
        GalleryRequest(search="cat", style="voxel-3d", status="failed", liked=True, sort="oldest"),
        "",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_no_list_reads_the_table_from_end_to_end(many: Many, name: str) -> None:
    asked, index = SHAPES[name]
    many.run(many.conn.execute("UPDATE generations SET prompt = 'a zeppelin' WHERE seed = 45"))
    many.run(many.conn.execute("ANALYZE generations"))

    before, after = many.run(_scans_around(many.conn, lambda: _list(many.conn, asked)))

    assert after["generations"] == before["generations"], "a sequential scan"
    read = {key for key in after if after[key] > before[key]} - {"generations_pkey"}
    assert index in read if index else read, read


def test_only_what_has_one_good_plan_is_prepared(many: Many) -> None:
    for asked in (GalleryRequest(page_size=3), GalleryRequest(search="rocket", page_size=3)):
        many.run(_list(many.conn, asked))

    cursor = many.run(many.conn.execute("SELECT statement FROM pg_prepared_statements"))
    prepared = " ".join(row[0] for row in many.run(cursor.fetchall()))

    assert "FROM live_viewer" in prepared
    assert "search_query" not in prepared


async def _list(conn: Conn, asked: GalleryRequest) -> None:
    # psycopg prepares what it has sent five times, and five uses later PostgreSQL may go by a plan
    # for any values.
    for _ in range(12):
        assert await gallery.list_documents(conn, Credential(token_hash=AMAL), request=asked)


async def _scans_around(
    conn: Conn, work: Callable[[], Awaitable[None]]
) -> tuple[dict[str, int], dict[str, int]]:
    before = await _scans(conn)
    await work()
    return before, await _scans(conn)


async def _scans(conn: Conn) -> dict[str, int]:
    """How often the table was read from end to end, and each of its indexes."""
    await conn.execute("SELECT pg_stat_force_next_flush()")
    await conn.execute("SELECT pg_stat_clear_snapshot()")
    rows = await conn.execute(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = 'generations'"
        " UNION ALL SELECT indexrelname, idx_scan FROM pg_stat_user_indexes"
        " WHERE relname = 'generations'"
    )
    return dict(await rows.fetchall())
