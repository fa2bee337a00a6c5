"""What a page of a gallery costs in a large database, statement by statement, without the web.

python bench/gallery.py [generations] [repetitions]

One person owns 10,000 of a million generations, the others about a hundred each. The goal is a
p95 under 200 ms for every list and under 100 ms for one generation.
"""
# needs: time

import asyncio
import hashlib
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg

from madar.db import gallery, generations, migrate
from madar.db.pool import open_pool
from madar.db.sessions import Credential
from madar.db.sql import Connection
from madar.domain.gallery import GalleryRequest
from madar.local import postgres

OWN = 10_000
OTHERS_HAVE = 100
TOKEN = hashlib.sha256(b"bench").digest()
OTHER_TOKEN = hashlib.sha256(b"other").digest()
START = datetime(2026, 1, 1, tzinfo=UTC)

# Every prompt: an adjective, a thing, a place; now and then a rare word and an Arabic sentence.
PEOPLE = """
INSERT INTO users (google_id, email, display_name)
SELECT 'g' || n, n || '@bench.test', 'Person ' || n FROM generate_series(0, {people}) n
"""
SESSIONS = """
INSERT INTO user_sessions (user_id, session_token, expires_at, ends_at)
SELECT id, CASE google_id WHEN 'g0' THEN %s::bytea ELSE %s::bytea END,
       now() + interval '1 day', now() + interval '1 day'
  FROM users WHERE google_id IN ('g0', 'g1')
"""
SEED = """
INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step, deadline_at,
       next_action_at, fal_progress, error_code, is_liked, master_key, result_image_key,
       thumbnail_key, file_size_bytes, image_dimensions, completed_at, created_at)
SELECT u.id,
       CASE WHEN varied.n %% 3 = 0
            THEN (ARRAY['صاروخ أحمر', 'قطة صغيرة', 'شجرة كبيرة', 'كوكب بعيد'])[1 + varied.n %% 4]
                 || ' بخلفية شفافة وألوان زاهية ' || varied.n %% 977
            ELSE (ARRAY['red', 'shiny', 'tiny', 'glowing', 'golden'])[1 + varied.n %% 5] || ' '
                 || (ARRAY['rocket', 'cat', 'planet', 'house', 'tree', 'car', 'heart'])
                    [1 + varied.n %% 7]
                 || ' on a plain background with soft light, number ' || varied.n %% 977 END
       || CASE WHEN varied.n %% 2003 = 0 THEN ' zeppelin' ELSE '' END,
       (ARRAY['voxel-3d', 'minimal-icon', 'glass-morphism', 'neon-glow', 'toy-figurine'])
           [1 + varied.n %% 5],
       'text', varied.n, CASE WHEN varied.n %% 50 = 0 THEN 'failed' ELSE 'completed' END,
       'finalize', now(), NULL, CASE WHEN varied.n %% 50 = 0 THEN 40 ELSE 100 END,
       CASE WHEN varied.n %% 50 = 0 THEN 'timeout' END, varied.n %% 20 = 0,
       'ab/' || md5(m.n::text) || '.png', 'ab/' || md5(m.n::text) || '.webp',
       'cd/' || md5(m.n::text) || '.webp', 400000, '{{"width": 1024, "height": 1024}}',
       now(), '2026-01-01'::timestamptz + m.n * interval '20 seconds'
  FROM generate_series(%s::int, %s::int) AS m (n)
 CROSS JOIN LATERAL (SELECT m.n + m.n / {every} AS n) varied
  JOIN users u
    ON u.google_id = 'g' || CASE WHEN m.n %% {every} = 0 THEN 0 ELSE 1 + m.n %% {people} END
"""


def main(total: int, times: int) -> None:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        settings = {"synchronous_commit": "off", "fsync": "off", "max_wal_size": "4GB"}
        server = postgres.start(Path(folder) / "pg", settings=settings)
        try:
            dsn = server.create_database("madar")
            migrate.up(dsn)
            seed(dsn, total)
            asyncio.run(measure(dsn, total, times))
        finally:
            server.stop()


def seed(dsn: str, total: int) -> None:
    started = time.monotonic()
    numbers = {"people": total // OTHERS_HAVE, "every": total // OWN}
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(PEOPLE.format(**numbers).encode())
        conn.execute(SESSIONS.encode(), [TOKEN, OTHER_TOKEN])
        step = 50_000
        for first in range(1, total + 1, step):
            last = min(first + step - 1, total)
            conn.execute(SEED.format(**numbers).encode(), [first, last])
        loaded = time.monotonic() - started
        conn.execute("VACUUM ANALYZE")
        sizes = conn.execute(
            "SELECT count(*), pg_size_pretty(pg_table_size('generations')), "
            "pg_size_pretty(pg_relation_size('generations_by_words')) FROM generations"
        ).fetchone()
        assert sizes
        print(f"{sizes[0]} generations in {loaded:.0f} s, table {sizes[1]}, words {sizes[2]}")


def shapes(total: int) -> dict[str, GalleryRequest]:
    middle = START + timedelta(seconds=20 * total / 2)
    return {
        "newest": GalleryRequest(),
        "newest, page 250": GalleryRequest(page=250),
        "newest, last page": GalleryRequest(page=OWN // 20),
        "oldest": GalleryRequest(sort="oldest"),
        "most-liked": GalleryRequest(sort="most-liked"),
        "most-liked, page 250": GalleryRequest(sort="most-liked", page=250),
        "style": GalleryRequest(style="neon-glow"),
        "liked": GalleryRequest(liked=True),
        "not liked": GalleryRequest(liked=False),
        "status=failed": GalleryRequest(status="failed"),
        "status=processing": GalleryRequest(status="processing"),
        "one day": GalleryRequest(created_from=middle, created_before=middle + timedelta(days=1)),
        "everything at once": GalleryRequest(
            search="cat", style="toy-figurine", status="completed", liked=True, created_from=START
        ),
        "search, in 2/3 (background)": GalleryRequest(search="backgrounds"),
        "search, Arabic, in 1/12 (صواريخ)": GalleryRequest(search="صواريخ"),
        "search, rare (zeppelin)": GalleryRequest(search="zeppelins"),
        "search, no hit": GalleryRequest(search="unicorn"),
        "search, phrase": GalleryRequest(search='"red rocket"'),
        "search, without": GalleryRequest(search="rocket -red"),
        "search, 30 alternatives": GalleryRequest(
            search=" or ".join(["صواريخ", "cats", "كواكب"] * 10)
        ),
        "relevance, rare": GalleryRequest(search="zeppelin", sort="relevance"),
        "relevance, in 2/3": GalleryRequest(search="background", sort="relevance"),
        "relevance, in 2/3, page 250": GalleryRequest(
            search="background", sort="relevance", page=250
        ),
    }


async def measure(dsn: str, total: int, times: int) -> None:
    async with open_pool(dsn) as pool, pool.connection() as conn:
        print(f"{'':36}{'total':>7}{'p50 ms':>9}{'p95 ms':>9}{'small: p50':>12}{'p95':>8}")
        for name, request in shapes(total).items():
            await show(conn, name, request, times)
        for name in ("newest", "oldest", "most-liked", "search, in 2/3 (background)"):
            deep = replace(shapes(total)[name], page=250)
            page = await gallery.list_documents(conn, Credential(token_hash=TOKEN), request=deep)
            assert page
            after = replace(deep, after=page.next_position(deep))
            await show(conn, f"cursor at 5,000: {name}", after, times)
        await show_one(conn, times)


async def show(conn: Connection, name: str, request: GalleryRequest, times: int) -> None:
    found, own = await timed(conn, TOKEN, request, times)
    _, small = await timed(conn, OTHER_TOKEN, request, times)
    print(f"{name:36}{found:7}{p(own, 50):9.1f}{p(own, 95):9.1f}"
          f"{p(small, 50):12.1f}{p(small, 95):8.1f}")  # fmt: skip


async def timed(
    conn: Connection, token: bytes, request: GalleryRequest, times: int
) -> tuple[int, list[float]]:
    total, ms = 0, list[float]()
    for _ in range(times):
        began = time.perf_counter()
        page = await gallery.list_documents(conn, Credential(token_hash=token), request=request)
        ms.append((time.perf_counter() - began) * 1000)
        assert page
        total = page.total
    return total, ms


async def show_one(conn: Connection, times: int) -> None:
    row = await (await conn.execute("SELECT g.id FROM generations g JOIN users u "
                                    "ON u.id = g.user_id WHERE u.google_id = 'g0' "
                                    "ORDER BY g.id LIMIT 500")).fetchall()  # fmt: skip
    ids: list[UUID] = [one[0] for one in row]
    ms: list[float] = []
    for n in range(max(times, 200)):
        began = time.perf_counter()
        await generations.get_seen_generation(
            conn, Credential(token_hash=TOKEN), id=ids[n % len(ids)]
        )
        ms.append((time.perf_counter() - began) * 1000)
    print(f"{'status of one generation':36}{'':7}{p(ms, 50):9.1f}{p(ms, 95):9.1f}")


def p(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(given[0] if given else 1_000_000, given[1] if len(given) > 1 else 40)
