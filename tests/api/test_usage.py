"""api_usage: a row for each request to the API, written beside the requests."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from madar.actions import usage as usage_log
from madar.actions.maintenance import sweep
from madar.actions.usage import MAX_WAITING, UsageLog
from madar.db import migrate, usage
from madar.db.pool import open_pool
from madar.db.usage import Serving, UsageEntry
from madar.liveness import Liveness
from madar.local import postgres
from madar.resources import open_resources
from tests.api.looking import finish
from tests.conftest import Start
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

ENTRY = UsageEntry(
    user_id=None,
    session_id=None,
    endpoint="/api/styles",
    method="GET",
    status_code=200,
    response_time_ms=3,
    ip_address="203.0.113.7",
    user_agent="curl",
    created_at=datetime.now(UTC),
)


def rows_of(product: Product, agent: str, *, count: int) -> list[Json]:
    """What was noted of requests that called themselves so, once all of it is there."""

    def look() -> list[Json] | None:
        found = product.rows(
            "SELECT * FROM api_usage WHERE user_agent = %s ORDER BY created_at", agent
        )
        return found if len(found) >= count else None

    return eventually(look)


def ask(product: Product, *requests: tuple[str, str], **headers: str) -> list[httpx.Response]:
    with product.anonymous(**headers) as http:
        return [http.request(method, path) for method, path in requests]


def on_loop(dsn: str, use: Callable[[UsageLog], Coroutine[Any, Any, None]]) -> None:
    """A log of usage of a test's own, that nothing empties unless the test does."""

    async def main() -> None:
        async with open_pool(dsn) as pool:
            await use(UsageLog(pool))

    asyncio.run(main())


async def written(log: UsageLog) -> None:
    """What waits is written, as at the end of a process."""
    log.stop()
    await log.run(Liveness())


def test_a_request_of_nobody(product: Product) -> None:
    before = datetime.now(UTC)

    ask(product, ("GET", "/api/styles"), **{"User-Agent": "nobody"})

    row = rows_of(product, "nobody", count=1)[0]
    assert (row["user_id"], row["endpoint"], row["method"]) == (None, "/api/styles", "GET")
    assert row["status_code"] == 200
    assert 0 <= row["response_time_ms"] < 20_000
    assert row["ip_address"] == ip_address("127.0.0.1")
    assert before <= row["created_at"] <= datetime.now(UTC)


def test_a_request_of_somebody_names_the_person_and_the_route_not_the_path(
    product: Product, amal: Person
) -> None:
    created = amal.create()

    amal.get(f"/api/generations/{created['id']}?x=secret", headers={"User-Agent": "amal"})
    amal.get("/api/auth/user", headers={"User-Agent": "amal"})

    me = product.rows("SELECT id FROM users")[0]["id"]
    rows = rows_of(product, "amal", count=2)
    assert [row["endpoint"] for row in rows] == ["/api/generations/{id}", "/api/auth/user"]
    assert [row["user_id"] for row in rows] == [me, me]


def test_what_is_refused_is_noted_too(product: Product, amal: Person) -> None:
    agent = {"User-Agent": "refused"}
    large = {**agent, "Content-Type": "application/json"}
    with product.anonymous(**agent) as http:
        http.get("/api/nothing/here")
        http.get("/api/auth/user")
        http.delete("/api/styles")
    amal.post("/api/generations", content=b"x" * 70_000, headers=large)
    amal.post("/api/generations", json={"style": "no-such-style"}, headers=agent)

    rows = rows_of(product, "refused", count=5)
    assert [(row["method"], row["endpoint"], row["status_code"]) for row in rows] == [
        ("GET", "<unmatched>", 404),
        ("GET", "/api/auth/user", 401),
        ("DELETE", "/api/styles", 405),
        ("POST", "/api/generations", 413),
        ("POST", "/api/generations", 422),
    ]
    assert [row["user_id"] is not None for row in rows] == [False] * 4 + [True]


def test_health_webhooks_files_and_pages_are_not(product: Product) -> None:
    agent = {"User-Agent": "machine"}

    ask(
        product,
        *(("GET", "/api/health"), ("POST", "/api/webhooks/fal"), ("GET", "/docs/errors")),
        *(("GET", "/"), ("GET", "/files/x"), ("GET", "/api/styles")),
        **agent,
    )

    assert [row["endpoint"] for row in rows_of(product, "machine", count=1)] == ["/api/styles"]


def test_an_agent_is_cut_and_holds_no_control_characters(product: Product) -> None:
    agent = b"a\tb\xc2\x85" + "ü".encode() * 2_000 + b"\xff"
    with product.anonymous() as http:
        http.get("/api/styles", headers={b"User-Agent": agent})

    rows = eventually(lambda: product.rows("SELECT user_agent FROM api_usage") or None)
    assert rows[0]["user_agent"].startswith("ab")
    assert len(rows[0]["user_agent"]) == 500
    assert rows[0]["user_agent"].isprintable()


def test_an_odd_method_and_an_odd_path_are_noted(product: Product) -> None:
    agent = {"User-Agent": "odd"}

    ask(product, ("UNSUBSCRIBE", "/api/styles"), ("GET", "/api/%00ü/%ff"), **agent)

    rows = rows_of(product, "odd", count=2)
    assert [(row["method"], row["endpoint"]) for row in rows] == [
        ("UNSUBSCRIB", "/api/styles"),
        ("GET", "<unmatched>"),
    ]


def test_the_address_is_that_behind_the_proxy(start: Start) -> None:
    product = start(trusted_proxy="fly")

    ask(product, ("GET", "/api/styles"), **{"Fly-Client-IP": "2001:db8::7", "User-Agent": "fly"})

    assert rows_of(product, "fly", count=1)[0]["ip_address"] == ip_address("2001:db8::7")


def test_what_waits_at_the_end_is_written(dsn: str, conn: psycopg.Connection[Any]) -> None:
    async def use(log: UsageLog) -> None:
        log.record(ENTRY)
        await written(log)

    on_loop(dsn, use)

    assert conn.execute("SELECT count(*) FROM api_usage").fetchone() == (1,)


def test_a_burst_stays_bounded_and_what_is_lost_is_counted(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    async def use(log: UsageLog) -> None:
        for _ in range(10_000):
            log.record(replace(ENTRY, session_id=uuid4()))
        assert log.waiting == MAX_WAITING
        assert log.dropped == 10_000 - MAX_WAITING
        await written(log)
        assert log.waiting == 0

    on_loop(dsn, use)

    assert conn.execute("SELECT count(*) FROM api_usage").fetchone() == (MAX_WAITING,)


def test_a_batch_is_one_statement(dsn: str) -> None:
    async def use(log: UsageLog) -> None:
        for _ in range(300):
            log.record(ENTRY)
        await written(log)

    on_loop(dsn, use)

    with psycopg.connect(dsn) as conn:
        one = conn.execute("SELECT count(*), count(DISTINCT xmin::text) FROM api_usage").fetchone()
    assert one == (300, 1)


def test_a_person_who_left_meanwhile_is_nobody_and_spoils_nothing(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    here, marked, gone = _make_user(conn, "here"), _make_user(conn, "marked"), uuid4()
    conn.execute("UPDATE users SET deleted_at = now() WHERE id = %s", [marked])

    async def use(log: UsageLog) -> None:
        for n, user_id in enumerate((here, marked, gone, None)):
            log.record(replace(ENTRY, user_id=user_id, response_time_ms=n))
        await written(log)

    on_loop(dsn, use)

    rows = conn.execute(
        "SELECT user_id, ip_address IS NULL, user_agent IS NULL FROM api_usage"
        " ORDER BY response_time_ms"
    ).fetchall()
    assert rows == [
        (here, False, False),
        (None, True, True),
        (None, True, True),
        (None, False, False),
    ]


def test_a_person_who_leaves_takes_user_address_and_agent_along(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    leaving, staying = _make_user(conn, "leaving"), _make_user(conn, "staying")

    async def use(log: UsageLog) -> None:
        for user_id in (leaving, staying, leaving):
            log.record(replace(ENTRY, user_id=user_id))
        await written(log)
        async with open_pool(dsn) as pool, pool.connection() as own:
            await usage.anonymise_usage(own, user_id=leaving, n=100)

    on_loop(dsn, use)

    rows = conn.execute(
        "SELECT user_id, ip_address::text, user_agent, count(*)::int FROM api_usage"
        " GROUP BY 1, 2, 3 ORDER BY 4"
    ).fetchall()
    assert rows == [(staying, "203.0.113.7/32", "curl", 1), (None, None, None, 2)]


def test_a_batch_under_way_cannot_bring_back_who_is_leaving(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    leaving = _make_user(conn, "leaving")

    async def use(log: UsageLog) -> None:
        log.record(replace(ENTRY, user_id=leaving))
        await written(log)

    with psycopg.connect(dsn) as deletion, ThreadPoolExecutor() as threads:
        deletion.execute("UPDATE users SET deleted_at = now() WHERE id = %s", [leaving])
        batch = threads.submit(on_loop, dsn, use)
        eventually(lambda: conn.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
        deletion.execute("UPDATE api_usage SET user_id = NULL WHERE user_id = %s", [leaving])
        deletion.commit()
        batch.result()

    rows = conn.execute("SELECT user_id, ip_address, user_agent FROM api_usage").fetchall()
    assert rows == [(None, None, None)]


def test_rows_go_after_thirty_days_and_servings_after_one(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    generation = amal.create()["id"]
    conn.execute("DELETE FROM api_usage")
    conn.execute(
        "INSERT INTO api_usage (endpoint, method, status_code, created_at)"
        " SELECT '/api/styles', 'GET', n, now() - make_interval(days => n)"
        "   FROM generate_series(1, 6000) n"
    )
    conn.execute(
        "INSERT INTO file_servings (generation_id, kind, link_hash, served_at)"
        " SELECT %s, 'view', int4send(n), now() - make_interval(hours => n)"
        "   FROM generate_series(1, 6000) n",
        [generation],
    )

    async def main() -> None:
        async with open_resources(product.settings) as resources:
            await sweep(resources)

    asyncio.run(main())

    old = conn.execute("SELECT max(status_code) FROM api_usage WHERE user_agent IS NULL").fetchone()
    assert old == (29,)
    assert conn.execute("SELECT count(*) FROM file_servings").fetchone() == (23,)


def test_a_session_that_is_used_lives_on_up_to_its_end(product: Product, amal: Person) -> None:
    product.execute("UPDATE user_sessions SET last_seen_at = now() - interval '10 minutes',"
                    " expires_at = now() + interval '1 day',"
                    " ends_at = now() + interval '3 days'")  # fmt: skip

    amal.get("/api/auth/user")

    def look() -> Json | None:
        row = product.rows("SELECT expires_at = ends_at AS is_moved, last_seen_at > now()"
                           " - interval '1 minute' AS is_seen FROM user_sessions")[0]  # fmt: skip
        return row if row["is_seen"] else None

    assert eventually(look)["is_moved"]


def test_a_session_is_written_every_five_minutes_and_an_ended_one_stays_ended(
    dsn: str, conn: psycopg.Connection[Any]
) -> None:
    user_id = _make_user(conn, "amal")
    lately = _make_session(conn, user_id, seen="4 minutes", expires="1 day")
    ended = _make_session(conn, user_id, seen="10 minutes", expires="-1 second")
    due = _make_session(conn, user_id, seen="10 minutes", expires="1 day")

    async def use(log: UsageLog) -> None:
        for session_id in (lately, ended, due, due, uuid4()):
            log.record(replace(ENTRY, session_id=session_id))
        await written(log)

    on_loop(dsn, use)

    moved = conn.execute(
        "SELECT id FROM user_sessions WHERE last_seen_at > now() - interval '1 minute'"
        "   AND expires_at > now() + interval '6 days'"
    ).fetchall()
    assert moved == [(due,)]


@pytest.fixture
def own_server(open_folder: Path) -> Generator[postgres.Server]:
    server = postgres.start(open_folder / "pg")
    yield server
    server.stop()


def test_while_the_database_is_away_requests_go_on_and_what_was_taken_is_counted_later(
    start: Start, own_server: postgres.Server, open_folder: Path
) -> None:
    dsn = own_server.create_database("madar")
    migrate.up(dsn)
    product = start(dsn=dsn)
    amal = product.sign_in()
    generation_id = amal.create()["id"]
    finish(product, generation_id)
    image = amal.status(generation_id)["result"]["imageUrl"]
    own_server.stop()

    with product.anonymous(**{"User-Agent": "lost"}) as http:
        answers = [http.get("/api/nothing").status_code for _ in range(250)]
        taken = http.get(image)
    eventually(lambda: ask(product, ("GET", "/api/styles"))[0].status_code == 503 or None)

    assert set(answers) == {404}
    assert taken.status_code == 200
    again = postgres.start(open_folder / "pg")
    try:
        eventually(lambda: ask(product, ("GET", "/api/styles"))[0].status_code == 200 or None)
        ask(product, ("GET", "/api/styles"), **{"User-Agent": "later"})
        assert rows_of(product, "later", count=1)
        counted = "SELECT 1 FROM generations WHERE view_count = 1"
        eventually(lambda: product.rows(counted) or None)
    finally:
        again.stop()


def test_rows_that_nobody_takes_are_counted_and_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serving = Serving(kind="view", object_key="aa/x.webp", link_hash=b"x")

    async def use(log: UsageLog) -> None:
        for _ in range(3):
            log.record(ENTRY)
            log.count(serving)
            await written(log)
        assert (log.waiting, log.dropped) == (0, 3)

    on_loop(f"postgresql://postgres@/madar?host={tmp_path}", use)

    told = [record.message for record in caplog.records if record.name == usage_log.__name__]
    assert told == ["usage.interrupted"]


def _make_user(conn: psycopg.Connection[Any], name: str) -> UUID:
    row = conn.execute(
        "INSERT INTO users (google_id, email, display_name) VALUES (%s, %s, %s) RETURNING id",
        [name, f"{name}@madar.test", name],
    ).fetchone()
    assert row
    return row[0]


def _make_session(conn: psycopg.Connection[Any], user_id: UUID, *, seen: str, expires: str) -> UUID:
    row = conn.execute(
        "INSERT INTO user_sessions (user_id, session_token, last_seen_at, expires_at, ends_at)"
        " VALUES (%s, %s, now() - %s::interval, now() + %s::interval, now() + interval '9 days')"
        " RETURNING id",
        [user_id, uuid4().bytes, seen, expires],
    ).fetchone()
    assert row
    return row[0]
