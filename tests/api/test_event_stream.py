"""GET /api/generations/{id}/events."""

import contextlib
import json
import socket
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql

from madar.api import bounds, streams
from madar.local import postgres
from madar.realtime import listener
from tests.api.looking import finish, is_arabic, problem_in, without_id
from tests.api.streaming import FINAL, Event, blocks_of, events_in, followed, opened
from tests.api.test_events_schema import FROM_SERVER
from tests.api.test_live import change
from tests.conftest import Start
from tests.product import AMAL, Json, Person, Product, running_web, settings_for
from tests.simulator.harness import Fal, eventually

pytestmark = pytest.mark.standing

MOST = 10
WELL_WITHIN_THE_DRAIN_S = 1.8


@pytest.fixture
def _rereads_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it before `product`."""
    monkeypatch.setattr(listener, "REREAD_S", 0.2)


def path_of(generation_id: object) -> str:
    return f"/api/generations/{generation_id}/events"


def is_final(event: Event) -> bool:
    return event.type in FINAL or event.data["snapshot"]["status"] in {"completed", "failed"}


# What is told


def test_it_begins_with_the_document_as_it_is_now(amal: Person) -> None:
    created = amal.create()

    with opened(amal, created["id"], Accept_Encoding="gzip, br") as answer:
        blocks = blocks_of(answer)
        first, second = next(blocks), next(blocks)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in answer.headers
    assert "content-length" not in answer.headers
    assert answer.headers["x-request-id"]
    assert first.keys() == {"retry"}
    assert 1000 <= int(first["retry"]) <= 3000
    assert (second["id"], second["event"]) == ("1", "joined")
    assert json.loads(second["data"]) == {
        "type": "joined",
        "generationId": created["id"],
        "version": 1,
        "snapshot": amal.status(created["id"]),
    }


def test_progress_rises_until_the_picture_is_there_and_the_stream_ends(
    product: Product, amal: Person
) -> None:
    created = amal.create()["id"]

    with followed(amal, created) as events:
        heard = [next(events)]
        with product.working():
            heard += events

    joined, *progress, completed = heard
    assert joined.type == "joined"
    assert {event.type for event in progress} <= {"generation:progress"}
    assert (completed.type, completed.data["progress"]) == ("generation:completed", 100)
    for event in heard:
        FROM_SERVER.validate(event.data)
        assert event.id == str(event.data["version"])
        assert event.data["generationId"] == created
    versions = [event.data["version"] for event in heard]
    assert versions == sorted(set(versions))
    assert versions[-1] == amal.status(created)["version"]
    with product.anonymous() as http:
        assert http.get(completed.data["result"]["imageUrl"]).status_code == 200


def test_a_failure_comes_with_code_and_words(product: Product, amal: Person) -> None:
    created = amal.create(textPrompt="a red rocket [sim:refuse]")["id"]

    with followed(amal, created, Accept_Language="ar") as events, product.working():
        *_, failed = events

    assert (failed.type, failed.data["errorCode"]) == ("generation:failed", "content_policy")
    assert is_arabic(failed.data["error"])


def test_what_has_ended_is_told_once_and_the_stream_ends(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    finish(product, created)

    with followed(amal, created) as events:
        heard = list(events)

    assert [event.type for event in heard] == ["joined"]
    assert heard[0].data["snapshot"]["status"] == "completed"
    assert is_final(heard[0])


def test_what_is_deleted_meanwhile_is_told_and_the_stream_ends(amal: Person) -> None:
    created = amal.create()["id"]

    with followed(amal, created) as events:
        next(events)
        assert amal.http.delete(f"/api/generations/{created}").status_code == 204
        heard = list(events)

    assert [event.type for event in heard] == ["generation:deleted"]
    assert heard[0].data["generationId"] == created
    assert int(heard[0].id) == heard[0].data["version"] > 1
    problem_in(amal.get(path_of(created)), 404, "not_found")


# Coming back


def test_who_knows_the_version_hears_only_what_is_newer(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with followed(amal, created, Last_Event_ID="1") as events:
        change(product, created, progress=7)
        first = next(events)

    assert (first.type, first.data["version"]) == ("generation:progress", 2)


def test_who_knows_the_end_need_not_come_again(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    finish(product, created)
    [heard] = _all_of(amal, created)

    for method in ("GET", "HEAD"):
        again = amal.http.request(method, path_of(created), headers={"Last-Event-ID": heard.id})
        assert (again.status_code, again.content) == (204, b"")
        assert again.headers["cache-control"] == "no-store"


def test_a_last_id_that_says_nothing_loses_nothing(product: Product, amal: Person) -> None:
    created, ended = amal.create()["id"], amal.create()["id"]
    finish(product, ended)
    change(product, created)
    version = amal.status(created)["version"]
    odd = ("", "0", "-1", "x", "1e0", "2.0", "٢", "+2", "0x2", str(version + 1), "9" * 30, ended)

    for last in (*odd, str(version - 1)):
        given = [(b"Last-Event-ID", last.encode())]
        with amal.http.stream("GET", path_of(created), headers=given) as answer:
            first = next(events_in(answer))
        assert (first.type, first.data["version"]) == ("joined", version), last
    twice = [(b"Last-Event-ID", b"2"), (b"Last-Event-ID", b"2")]
    with amal.http.stream("GET", path_of(created), headers=twice) as answer:
        assert next(events_in(answer)).type == "joined"
    assert [event.type for event in _all_of(amal, ended, Last_Event_ID="7")] == ["joined"]


def test_nothing_is_lost_between_two_streams(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    with followed(amal, created) as events:
        last = next(events)
    finish(product, created)

    heard = _all_of(amal, created, Last_Event_ID=last.id)

    assert [event.data["snapshot"]["status"] for event in heard] == ["completed"]


# Who may listen


def test_what_is_not_yours_is_not_there(product: Product, amal: Person, badr: Person) -> None:
    mine, deleted = amal.create()["id"], amal.create()["id"]
    product.execute("UPDATE generations SET deleted_at = now() WHERE id = %s", deleted)
    absent = (mine, deleted, uuid4(), "1", UUID(mine).hex, "%00", "صاروخ")

    answers = [badr.get(path_of(one)) for one in absent]
    answers.append(amal.get(path_of(deleted)))
    heads = [badr.http.head(path_of(one)) for one in absent]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])
        assert answer.headers.keys() == answers[0].headers.keys()
    assert [(head.status_code, head.content) for head in heads] == [(404, b"")] * len(absent)


def test_nobody_looks_without_a_session(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with product.anonymous() as http:
        problem_in(http.get(path_of(created)), 401, "not_signed_in")


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.get(path_of(uuid4()), headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])


def test_a_page_signs_in_by_its_cookie(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    headers = {"Cookie": f"madar={amal.cookie}", "Origin": product.url}

    with (
        product.anonymous(**headers) as http,
        http.stream("GET", path_of(created)) as answer,
    ):
        assert next(events_in(answer)).type == "joined"

    assert answer.headers["access-control-allow-origin"] == product.url
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_a_page_elsewhere_may_say_what_it_heard_last(product: Product) -> None:
    asked = {
        "Origin": product.url,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,last-event-id",
    }

    with product.anonymous(**asked) as http:
        assert http.options(path_of(uuid4())).status_code == 200


def test_a_head_tells_the_headers_and_leaves_nothing_open(amal: Person) -> None:
    created = amal.create()["id"]

    for _ in range(MOST + 2):
        answer = amal.http.head(path_of(created))
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


# How it ends


def test_the_eleventh_is_refused_until_one_has_gone(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with contextlib.ExitStack() as held:
        leaving = held.enter_context(contextlib.ExitStack())
        for n in range(MOST - 1):
            events = (leaving if n % 2 else held).enter_context(followed(amal, created))
            next(events)
        live = product.socket(Authorization=f"Bearer {amal.token}")
        other = held.enter_context(live)
        other.send('{"type": "ping"}')
        other.recv(10)

        refused = amal.get(path_of(created), headers={"Accept-Language": "ar"})
        assert is_arabic(problem_in(refused, 429, "too_many_sockets")["detail"])
        problem_in(amal.get(path_of(uuid4())), 429, "too_many_sockets")
        leaving.close()

        for _ in range((MOST - 1) // 2):
            next(held.enter_context(_followed_soon(amal, created)))
        problem_in(amal.get(path_of(created)), 429, "too_many_sockets")


def test_who_goes_away_is_let_go_at_once(amal: Person) -> None:
    created = amal.create()["id"]

    for _ in range(3):
        with contextlib.ExitStack() as held:
            for _ in range(MOST):
                next(held.enter_context(_followed_soon(amal, created)))


def test_a_session_that_ends_is_told_and_the_stream_ends(product: Product, amal: Person) -> None:
    at_home, created = product.sign_in(AMAL), amal.create()["id"]

    with (
        followed(amal, created, Accept_Language="ar") as here,
        followed(at_home, created) as there,
    ):
        next(here)
        next(there)
        amal.post("/api/auth/logout")
        [told] = here
        change(product, created)
        assert next(there).type == "generation:progress"

    assert (told.type, told.data["code"], told.id) == ("error", "not_signed_in", "")
    assert is_arabic(told.data["message"])
    FROM_SERVER.validate(told.data)
    problem_in(amal.get(path_of(created)), 401, "not_signed_in")


@pytest.mark.alone
@pytest.mark.usefixtures("_rereads_soon")
def test_an_account_that_is_closed_is_told_so(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with followed(amal, created) as events:
        next(events)
        product.execute("UPDATE users SET is_active = false")
        [told] = events

    assert (told.type, told.data["code"]) == ("error", "account_closed")


def test_silence_is_broken_for_the_sake_of_proxies(
    monkeypatch: pytest.MonkeyPatch, amal: Person
) -> None:
    assert streams.COMMENT_EVERY_S == 15
    monkeypatch.setattr(streams, "COMMENT_EVERY_S", 0.05)

    with opened(amal, amal.create()["id"]) as answer:
        blocks = blocks_of(answer)
        heard = [next(blocks) for _ in range(5)]

    assert heard[-1].keys() == {""}


def test_who_does_not_read_is_cut_off_and_holds_little(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(streams, "COMMENT", ": " + "x" * 100_000 + "\n\n")
    monkeypatch.setattr(streams, "COMMENT_EVERY_S", 0.001)
    monkeypatch.setattr(streams, "WRITE_WITHIN_S", 0.3)
    created = amal.create()["id"]

    with contextlib.ExitStack() as held:
        lines = [held.enter_context(_unread(product, amal, created)) for _ in range(MOST)]
        held.callback(monkeypatch.undo)
        events = held.enter_context(_followed_soon(amal, created))
        assert next(events).type == "joined"
        sizes = [_size_of(line) for line in lines]

    assert max(sizes) < 8 * 2**20


def test_what_nobody_reads_does_not_keep_the_connection_when_the_stream_has_ended(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(streams, "MAX_UNREAD_BYTES", 2**30)
    monkeypatch.setattr(streams, "FLUSH_WITHIN_S", 0.1)
    monkeypatch.setattr(streams, "COMMENT", ": " + "x" * 2**24 + "\n\n")
    monkeypatch.setattr(streams, "COMMENT_EVERY_S", 0.05)
    created = amal.create()["id"]

    with _unread(product, amal, created) as line:
        assert _is_held(product, line)
        amal.http.delete(f"/api/generations/{created}")
        eventually(lambda: not _is_held(product, line) or None, deadline_s=10)


def test_a_body_that_never_comes_ends_the_stream(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(bounds, "PATIENCE_S", 0.2)
    created = amal.create()["id"]

    with _raw(product, amal, created, "Content-Length: 5\r\n") as line:
        heard = b"".join(iter(lambda: line.recv(65536), b""))

    assert b"event: joined" in heard
    assert heard.endswith(b"0\r\n\r\n")


def test_while_the_database_is_away_the_stream_stays(
    start: Start, postgres_server: postgres.Server
) -> None:
    product = start()
    amal = product.sign_in()
    created = amal.create()["id"]
    [row] = product.rows("SELECT current_database() AS name")
    database = sql.Identifier(row["name"])

    with (
        followed(amal, created) as events,
        psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as admin,
    ):
        next(events)
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [row["name"]],
        )
        problem_in(amal.get(path_of(created)), 503, "database_unavailable")
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))
        change(product, created, progress=5, ring=False)
        heard = next(events)

    assert (heard.type, heard.data["version"]) == ("generation:progress", 2)


def test_the_end_of_the_process_ends_it_and_is_not_held_up_by_it(
    dsn: str, fal: Fal, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as held:
        port, storage = listener.getsockname()[1], str(tmp_path / "files")
        settings = settings_for(dsn=dsn, fal=fal, port=port, storage=storage)
        web = held.enter_context(contextlib.ExitStack())
        web.enter_context(running_web(settings, listener))
        product = Product(settings=settings, fal=fal)
        held.enter_context(product.open)
        amal = product.sign_in()
        events = held.enter_context(followed(amal, amal.create()["id"]))
        next(events)

        began = time.monotonic()
        web.close()
        took_s = time.monotonic() - began

        assert list(events) == []
        assert took_s < WELL_WITHIN_THE_DRAIN_S


# What is written down


def test_the_time_it_took_is_the_time_to_its_first_byte(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with followed(amal, created, User_Agent="streams") as events:
        next(events)
        began = time.monotonic()
        while time.monotonic() - began < 1.2:
            change(product, created)
            next(events)

    row = eventually(lambda: _row_of(product, path="/api/generations/{id}/events"))
    assert (row["method"], row["status_code"], row["user_agent"]) == ("GET", 200, "streams")
    assert row["response_time_ms"] < 1000
    assert row["user_id"]


def test_the_contract_shows_it_as_it_is(product: Product) -> None:
    with product.anonymous() as http:
        document: Json = http.get("/api/openapi.json").json()
    told = document["paths"]["/api/generations/{id}/events"]["get"]
    content = told["responses"]["200"]["content"]
    example = httpx.Response(200, text=content["text/event-stream"]["example"])

    assert content.keys() == {"text/event-stream"}
    assert "204" in told["responses"]
    assert "Last-Event-ID" in {one["name"] for one in told["parameters"]}
    events = list(events_in(example))
    assert [event.type for event in events] == ["joined", "generation:completed"]
    for event in events:
        FROM_SERVER.validate(event.data)


def _all_of(person: Person, generation_id: str, **headers: str) -> list[Event]:
    with followed(person, generation_id, **headers) as events:
        return list(events)


@contextlib.contextmanager
def _followed_soon(person: Person, generation_id: str) -> Generator[Iterator[Event]]:
    """The server hears of a closed connection a moment after it was closed."""
    held = contextlib.ExitStack()

    def look() -> Iterator[Event] | None:
        answer = held.enter_context(opened(person, generation_id))
        if answer.status_code == 200:
            return events_in(answer)
        assert b"too_many_sockets" in answer.read()
        return None

    with held:
        events = eventually(look, deadline_s=5)
        yield events


def _raw(product: Product, person: Person, generation_id: str, more: str = "") -> socket.socket:
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(15)
    line.connect(("127.0.0.1", product.settings.port))
    head = f"GET {path_of(generation_id)} HTTP/1.1\r\nHost: x\r\n{more}"
    line.sendall(f"{head}Authorization: Bearer {person.token}\r\n\r\n".encode())
    return line


@contextlib.contextmanager
def _unread(product: Product, person: Person, generation_id: str) -> Generator[socket.socket]:
    with _raw(product, person, generation_id) as line:
        assert b" 200 OK" in line.recv(15)
        yield line


def _size_of(line: socket.socket) -> int:
    """What was on its way when the server let go."""
    size = 0
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(2**20):
            size += len(piece)
    return size


def _is_held(product: Product, line: socket.socket) -> bool:
    """Whether the server, which is in this process too, still has its end of it open."""
    ends = (product.settings.port, line.getsockname()[1])
    held = psutil.Process().net_connections("tcp4")
    return ends in {(one.laddr.port, one.raddr.port) for one in held if one.raddr}


def _row_of(product: Product, *, path: str) -> Json | None:
    rows = product.rows("SELECT * FROM api_usage WHERE endpoint = %s", path)
    return rows[0] if rows else None
