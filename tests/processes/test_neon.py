"""As at Neon: requests go through a pooler, LISTEN and the queue around it; the compute sleeps."""

import re
import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import psycopg
import pytest

from madar.db import migrate
from madar.resources import WEB_POOL, direct_connections, pooled_connections
from tests.api.test_create_from_picture import uploaded
from tests.api.test_live import hear, join, join_mine, live, until_final
from tests.conftest import Start
from tests.pooler import SERVERS, needs_pgbouncer, pooling
from tests.processes.proxy import Recorder, Sleeper, proxied
from tests.product import ROCKET, Json, Person, Product
from tests.simulator.harness import eventually

PEOPLE = [f"{name}@madar.test" for name in ("amal", "badr", "dana")]
GALLERY = "/api/generations"
# What outlives a transaction in a session, and so is lost or found by a stranger behind a pooler.
OF_A_SESSION = re.compile(
    r"^\s*(SET\s+(?!LOCAL|TRANSACTION)|RESET|LISTEN|UNLISTEN|PREPARE|EXECUTE|DEALLOCATE|DISCARD"
    r"|DECLARE|LOAD|CREATE\s+(LOCAL\s+|GLOBAL\s+)?TEMP)"
    r"|\bpg_(try_)?advisory_(un)?lock|\bset_config\s*\(|\bpg_temp\b",
    re.IGNORECASE,
)
LEFT_BEHIND = """
    SELECT pg_backend_pid() AS pid,
           ARRAY (SELECT name || ' ' || statement
                    FROM pg_prepared_statements
                   WHERE from_sql OR name LIKE '\\_pg3\\_%')
             || ARRAY (SELECT pg_listening_channels())
             || ARRAY (SELECT name FROM pg_cursors WHERE is_holdable)
             || ARRAY (SELECT objid::text FROM pg_locks WHERE locktype = 'advisory')
             || ARRAY (SELECT relname::text FROM pg_class WHERE relpersistence = 't')
             || ARRAY (SELECT name FROM pg_settings WHERE source = 'session'
                        AND name NOT IN ('application_name', 'client_encoding', 'DateStyle',
                                         'TimeZone', 'standard_conforming_strings',
                                         'IntervalStyle')) AS things
"""


@dataclass(frozen=True, kw_only=True)
class Neon:
    """Two addresses of one database."""

    pooled: str
    direct: str
    recorder: Recorder


@pytest.fixture
def neon(dsn: str, open_folder: Path) -> Generator[Neon]:
    migrate.up(dsn, is_pooled=True)
    with pooling(dsn, open_folder) as pooler, proxied(pooler, Recorder) as (recorder, pooled):
        yield Neon(pooled=pooled, direct=dsn, recorder=recorder)


def journey(product: Product, email: str) -> None:
    """The main job, as somebody with a phone and a page that is open."""
    person = product.sign_in(email)
    source = uploaded(person)
    with live(product, person) as socket:
        made = person.create(textPrompt="a red rocket")["id"]
        other = person.create(inputType="image", sourceUploadId=source["id"])["id"]
        assert join(socket, made)["snapshot"]["id"] == made
        assert list(until_final(socket))[-1]["type"] == "generation:completed"
    for each in (made, other):
        assert person.finished(each)["status"] == "completed"
        link = person.get(f"{GALLERY}/{each}/download").json()["downloadUrl"]
        assert httpx.get(link, trust_env=False).headers["content-type"] == "image/png"
    found = person.get(GALLERY, params={"search": "rockets"}).json()["generations"]
    assert {one["id"] for one in found} == {made, other}
    assert person.http.delete(f"{GALLERY}/{made}").status_code == 204
    left = person.get(GALLERY).json()["generations"]
    assert [one["id"] for one in left] == [other]


def left_behind(pooled: str) -> dict[int, list[str]]:
    """What each of the pooler's connections still carries."""
    found: dict[int, list[str]] = {}
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as conn:
        for _ in range(10 * SERVERS):
            row: Any = conn.execute(LEFT_BEHIND).fetchone()
            found[row[0]] = row[1]
    return found


@needs_pgbouncer
def test_the_main_job_is_done_behind_a_pooler_and_leaves_nothing_in_its_sessions(
    neon: Neon, start: Start
) -> None:
    product = start(dsn=neon.pooled, database_direct_url=neon.direct)
    with product.working(), ThreadPoolExecutor(len(PEOPLE)) as threads:
        list(threads.map(partial(journey, product), PEOPLE))

    steps = Counter(one["endpointId"] for one in product.submissions())
    assert set(steps.values()) <= {len(PEOPLE), 2 * len(PEOPLE)}, "each step was paid for once"
    said = neon.recorder.statements
    assert [text for text in said if OF_A_SESSION.search(text)] == []
    assert any("INSERT INTO generations" in text for text in said)
    assert not any(b"options" in start for start in neon.recorder.starts)
    assert neon.recorder.connections > SERVERS, "they had to share"
    carried = left_behind(neon.pooled)
    assert len(carried) > 1
    assert not any(carried.values()), carried
    with psycopg.connect(neon.pooled) as conn:
        assert conn.execute("SHOW statement_timeout").fetchone() == ("5s",)


# The compute sleeps, and wakes when somebody knocks


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Both addresses of it lead through a proxy."""

    pooled: str
    direct: str
    proxies: tuple[Sleeper, Sleeper]

    @contextmanager
    def sleeping(self, *, wakes_after_s: float) -> Generator[None]:
        """Everything is cut; who knocks waits until it is awake."""
        for proxy in self.proxies:
            proxy.sleep()
        eventually(lambda: sum(proxy.knocks for proxy in self.proxies) or None)
        waking = threading.Timer(wakes_after_s, self._wake)
        waking.start()
        try:
            yield
        finally:
            waking.join()

    def _wake(self) -> None:
        for proxy in self.proxies:
            proxy.wake()


@pytest.fixture
def compute(dsn: str, open_folder: Path) -> Generator[Compute]:
    migrate.up(dsn, is_pooled=True)
    with (
        pooling(dsn, open_folder) as pooler,
        proxied(pooler, Sleeper) as (one, pooled),
        proxied(dsn, Sleeper) as (other, direct),
    ):
        yield Compute(pooled=pooled, direct=direct, proxies=(one, other))


@dataclass(frozen=True, kw_only=True)
class Answered:
    status: int
    after_s: float
    retry_after: str | None
    told: Json


def ask(person: Person, key: str) -> list[Answered]:
    """A list, and a creation that carries its key."""
    requests = (
        lambda: person.get(GALLERY),
        lambda: person.post(GALLERY, json=ROCKET, headers={"Idempotency-Key": key}),
    )
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(_timed, requests))


def _timed(request: Any) -> Answered:
    began_at = monotonic()
    answer = request()
    return Answered(
        status=answer.status_code,
        after_s=monotonic() - began_at,
        retry_after=answer.headers.get("retry-after"),
        told=answer.json(),
    )


@needs_pgbouncer
@pytest.mark.timeout(180)
def test_a_compute_that_slept_costs_a_moment_or_a_503_and_nothing_else(
    compute: Compute, start: Start
) -> None:
    product = start(dsn=compute.pooled, database_direct_url=compute.direct)
    amal = product.sign_in()
    with product.working(), live(product, amal) as socket:
        assert join_mine(socket)["mine"]
        under_way = amal.create(textPrompt="a cup [sim:slow]")["id"]

        with compute.sleeping(wakes_after_s=0.5):
            short = ask(amal, "short")
        with compute.sleeping(wakes_after_s=6):
            long = ask(amal, "long")
        again = eventually(lambda: _when_created(amal, "long"), deadline_s=30)
        ids = {under_way, short[1].told["id"], again}
        heard = until_completed(socket, ids)
        done = [amal.finished(each)["status"] for each in ids]

    assert [one.status for one in short] == [200, 201], "who comes to a short sleep waits"
    for one in long:
        assert one.status == 503
        assert one.retry_after
        assert one.after_s < 5
    assert heard == ids
    assert done == ["completed"] * 3
    steps = Counter(one["endpointId"] for one in product.submissions())
    assert set(steps.values()) == {3}, "each step was paid for once"


def _when_created(person: Person, key: str) -> str | None:
    answer = ask(person, key)[1]
    assert answer.status in {201, 503}
    return answer.told.get("id")


def until_completed(socket: Any, ids: set[str]) -> set[str]:
    completed: set[str] = set()
    while completed < ids:
        event = hear(socket)
        if event["type"] == "generation:completed":
            completed.add(event["generationId"])
    return completed


# Connections


CROWD = 30
OURS = """
    SELECT count(*)
      FROM pg_stat_activity
     WHERE datname = current_database()
       AND application_name = 'madar'
"""
CUT = """
    SELECT count(pg_terminate_backend(pid))
      FROM pg_stat_activity
     WHERE datname = current_database()
       AND application_name = 'madar'
"""


@contextmanager
def counting(dsn: str) -> Generator[list[int]]:
    """How many connections Madar has open, again and again."""
    seen: list[int] = []
    stop = threading.Event()

    def count() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            while not stop.wait(0.02):
                row: Any = conn.execute(OURS).fetchone()
                seen.append(row[0])

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(10)


def test_a_machine_opens_no_more_connections_than_it_promises(dsn: str, start: Start) -> None:
    product = start()
    amal = product.sign_in()
    with (
        counting(dsn) as seen,
        product.working(),
        psycopg.connect(dsn, autocommit=True) as other,
        ThreadPoolExecutor(CROWD) as crowd,
    ):
        ids = [amal.create(seed=seed)["id"] for seed in range(4)]
        with other.transaction():  # whoever asks now holds its connection for a while
            other.execute("LOCK TABLE generations")
            waiting = [crowd.submit(amal.get, GALLERY) for _ in range(CROWD)]
            eventually(lambda: seen[-1:] > [WEB_POOL + 1] or None)
        answers = {one.result().status_code for one in waiting}
        again = [crowd.submit(amal.get, GALLERY) for _ in range(2 * CROWD)]
        other.execute(CUT)
        answers |= {one.result().status_code for one in again}
        done = {amal.finished(each)["status"] for each in ids}

    assert done == {"completed"}
    assert answers <= {200, 503}
    assert max(seen) <= pooled_connections() + direct_connections(product.settings)
