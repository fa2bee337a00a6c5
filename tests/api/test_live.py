"""GET /ws."""

import contextlib
import json
import socket as sockets
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from madar.api import connections
from madar.api import live as door
from madar.realtime import follower, inbox, listener
from tests.api.looking import finish, is_arabic, problem_in
from tests.conftest import Start
from tests.product import AMAL, Json, Person, Product, running_web, settings_for
from tests.simulator.harness import Fal, eventually

pytestmark = pytest.mark.standing

WAIT_S = 15


@pytest.fixture
def _rereads_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it before `product`: what is re-read every 5 s is re-read every 0.2 s."""
    monkeypatch.setattr(listener, "REREAD_S", 0.2)


@pytest.fixture
def keeping(start: Start) -> Product:
    """With a trash."""
    return start(trash_days=30)


@contextlib.contextmanager
def live(product: Product, person: Person, **headers: str) -> Generator[ClientConnection]:
    given = {"Authorization": f"Bearer {person.token}", **headers}
    with product.socket(**given) as socket:
        yield socket


def say(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def hear(socket: ClientConnection) -> Json:
    return json.loads(socket.recv(timeout=WAIT_S))


def ask(socket: ClientConnection, **message: Any) -> Json:
    say(socket, **message)
    return hear(socket)


def join(socket: ClientConnection, generation_id: object) -> Json:
    return ask(socket, type="join:generation", generationId=generation_id)


def join_mine(socket: ClientConnection, **since: object) -> Json:
    return ask(socket, type="join:mine", **since)


def until_final(socket: ClientConnection) -> Iterator[Json]:
    while True:
        event = hear(socket)
        yield event
        if event["type"] in {"generation:completed", "generation:failed"}:
            return


def closed_with(socket: ClientConnection) -> tuple[int | None, str | None]:
    """The server's goodbye, after whatever it still had to say."""
    try:
        while True:
            socket.recv(timeout=WAIT_S)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, None)


# Who may listen


def test_a_token_in_the_first_message_signs_in(product: Product, amal: Person) -> None:
    created = amal.create()

    with product.socket() as socket:
        say(socket, type="auth", token=amal.token)
        joined = join(socket, created["id"])

    assert (joined["type"], joined["snapshot"]["id"]) == ("joined", created["id"])


def test_a_header_signs_in_and_auth_again_is_harmless(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        again = ask(socket, type="auth", token=amal.token)

    assert again == {"type": "authenticated"}


def test_a_cookie_signs_in_from_our_own_pages_only(product: Product, amal: Person) -> None:
    cookie = f"madar={amal.cookie}"

    with product.socket(Cookie=cookie, Origin=product.url) as socket:
        assert ask(socket, type="ping") == {"type": "pong"}
    for origin in ({"Origin": "https://evil.test"}, {"Origin": "null"}, {}):
        with pytest.raises(InvalidStatus) as refused, product.socket(Cookie=cookie, **origin):
            pass
        response = refused.value.response
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert json.loads(response.body or b"")["code"] == "origin_refused"


def test_a_bad_first_message_is_shown_the_door(product: Product, amal: Person) -> None:
    bad = (
        '{"type": "auth", "token": "x"}',
        '{"type": "auth", "token": "\\ud800"}',
        '{"type": "auth"}',
        f'{{"type": "join:generation", "token": "{amal.token}"}}',
        "not json",
        "[" * 4000,
        "null",
    )
    for text in bad:
        with product.socket() as socket:
            socket.send(text)
            assert closed_with(socket) == (4401, "not_signed_in"), text


def test_silence_is_shown_the_door_after_five_seconds(product: Product) -> None:
    with product.socket() as socket:
        assert closed_with(socket) == (4401, "not_signed_in")


def test_a_wrong_cookie_may_still_say_a_right_token(product: Product, amal: Person) -> None:
    with product.socket(Cookie="madar=x", Origin=product.url) as socket:
        say(socket, type="auth", token=amal.token)
        assert ask(socket, type="ping") == {"type": "pong"}


def test_the_protocol_is_named_when_it_was_offered(product: Product, amal: Person) -> None:
    url = product.url.replace("http://", "ws://") + "/ws"
    headers = {"Authorization": f"Bearer {amal.token}"}
    picked: list[str | None] = []

    for offered in (["other", "madar.v1"], ["other"]):
        protocols = [Subprotocol(name) for name in offered]
        with connect(url, additional_headers=headers, subprotocols=protocols, proxy=None) as socket:
            assert ask(socket, type="ping") == {"type": "pong"}
            picked.append(socket.subprotocol)

    assert picked == ["madar.v1", None]


# Joining


def test_joining_answers_the_document_as_it_is_now(product: Product, amal: Person) -> None:
    created = amal.create()

    with live(product, amal) as socket:
        joined = join(socket, created["id"])

    assert joined == {
        "type": "joined",
        "generationId": created["id"],
        "version": 1,
        "snapshot": amal.status(created["id"]),
    }


def test_what_is_not_yours_cannot_be_joined(product: Product, amal: Person, badr: Person) -> None:
    mine, nobodys = amal.create()["id"], str(uuid4())
    malformed: tuple[object, ...] = (mine.upper(), UUID(mine).hex, "1", "", None, 5, {}, "\ud800")

    with live(product, badr) as socket:
        answers = {one: join(socket, one) for one in (mine, nobodys)}
        others = [join(socket, one) for one in malformed if one != mine]
        others.append(ask(socket, type="join:generation"))

    error = {"type": "error", "code": "not_found", "message": "There is nothing here."}
    assert answers == {one: {**error, "generationId": one} for one in (mine, nobodys)}
    assert others == [error] * len(others)


def test_a_stranger_hears_nothing_of_it(product: Product, amal: Person, badr: Person) -> None:
    created = amal.create()

    with live(product, badr) as his, live(product, amal) as hers:
        join(his, created["id"])
        join(hers, created["id"])
        with product.working():
            events = list(until_final(hers))
        assert ask(his, type="ping") == {"type": "pong"}

    assert events[-1]["type"] == "generation:completed"


def test_a_refusal_speaks_arabic(product: Product, amal: Person) -> None:
    with live(product, amal, **{"Accept-Language": "ar"}) as socket:
        answer = join(socket, str(uuid4()))

    assert answer["code"] == "not_found"
    assert is_arabic(answer["message"])


# Events


def test_progress_rises_until_the_picture_is_there(product: Product, amal: Person) -> None:
    created = amal.create()

    with live(product, amal) as socket:
        joined = join(socket, created["id"])
        with product.working():
            events = list(until_final(socket))

    *progress, completed = events
    assert progress
    assert {event["type"] for event in progress} == {"generation:progress"}
    assert {event["stage"] for event in progress} <= {
        *("queued", "processing", "generating", "finalizing"),
    }
    versions = [joined["version"], *(event["version"] for event in events)]
    assert versions == sorted(set(versions))
    shown = [event["progress"] for event in events]
    assert shown == sorted(shown)
    assert (completed["type"], completed["status"]) == ("generation:completed", "completed")
    assert completed["progress"] == 100
    assert all(event["generationId"] == created["id"] for event in events)
    with product.anonymous() as http:
        for name in ("imageUrl", "thumbnailUrl", "masterUrl"):
            assert http.get(completed["result"][name]).status_code == 200


def test_a_failure_comes_with_code_and_words(product: Product, amal: Person) -> None:
    created = amal.create(textPrompt="a red rocket [sim:refuse]")

    with live(product, amal, **{"Accept-Language": "ar"}) as socket:
        join(socket, created["id"])
        with product.working():
            *_, failed = until_final(socket)

    assert failed["type"] == "generation:failed"
    assert (failed["status"], failed["errorCode"]) == ("failed", "content_policy")
    assert is_arabic(failed["error"])


RING = (
    "SELECT pg_notify('madar_generations', concat_ws(' ', id, version, user_id))"
    " FROM generations WHERE id = ANY(%s)"
)
CHANGE = (
    "UPDATE generations SET version = version + 1, fal_progress = %s, updated_at = now()"
    " WHERE id = ANY(%s)"
)


def change(product: Product, *generation_ids: str, progress: int = 0, ring: bool = True) -> None:
    """As a worker does it: a new version, then the bell."""
    ids = [UUID(one) for one in generation_ids]
    product.execute(CHANGE, progress, ids)
    if ring:
        product.execute(RING, ids)


def finish_and_ring(product: Product, generation_id: str) -> None:
    finish(product, generation_id)
    product.execute(RING, [UUID(generation_id)])


def connected(product: Product) -> psycopg.Connection[Any]:
    return psycopg.connect(str(product.settings.database_url), autocommit=True)


def many(product: Product, n: int, *, prompt: str = "a red rocket") -> list[str]:
    """So many more of the person who has one, without anybody noticing."""
    made = product.rows(
        "INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at)"
        " SELECT user_id, %s, style, 'text', 1, 'draw', now()"
        " FROM (SELECT user_id, style FROM generations LIMIT 1) one, generate_series(1, %s)"
        " RETURNING id",
        *(prompt, n),
    )
    return [str(row["id"]) for row in made]


def test_after_leaving_nothing_more_is_heard(product: Product, amal: Person) -> None:
    left, kept = amal.create()["id"], amal.create()["id"]

    with live(product, amal) as socket:
        join(socket, left)
        join(socket, kept)
        say(socket, type="leave:generation", generationId=left)
        say(socket, type="leave:generation", generationId=left)
        say(socket, type="leave:generation", generationId="x")
        assert ask(socket, type="ping") == {"type": "pong"}
        change(product, left)
        change(product, kept)
        assert hear(socket)["generationId"] == kept
        assert ask(socket, type="ping") == {"type": "pong"}


def test_the_bell_of_a_release_before_this_one_is_heard(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with live(product, amal) as socket:
        join(socket, created)
        change(product, created, ring=False)
        product.execute("SELECT pg_notify('madar_generations', 'no bell of ours')")
        product.execute("SELECT pg_notify('madar_generations', %s)", f"{created} 2")
        assert hear(socket)["version"] == 2


def test_a_burst_of_progress_is_told_at_a_pace_that_a_person_sees(
    product: Product, amal: Person
) -> None:
    created = amal.create()["id"]
    ids, versions, began_at = [UUID(created)], list[int](), time.monotonic()

    with live(product, amal) as socket, connected(product) as conn:
        join(socket, created)
        for progress in range(1, 61):
            conn.execute(CHANGE, (progress, ids))
            conn.execute(RING, (ids,))
        while versions[-1:] != [61]:
            versions.append(hear(socket)["version"])

    assert versions == sorted(versions)
    assert len(versions) <= (time.monotonic() - began_at) / 0.1 + 1


def test_what_is_final_waits_for_no_pace(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(inbox, "PROGRESS_EVERY_S", 3600)
    first, second = amal.create()["id"], amal.create()["id"]

    with live(product, amal) as socket:
        join(socket, first)
        join(socket, second)
        change(product, first)
        assert hear(socket)["type"] == "generation:progress"
        change(product, first, second)
        finish_and_ring(product, second)
        event = hear(socket)

    assert (event["generationId"], event["type"]) == (second, "generation:completed")


def test_what_is_deleted_says_so_and_is_joined_no_more(keeping: Product) -> None:
    amal = keeping.sign_in(AMAL)
    created = amal.create()["id"]
    finish(keeping, created)

    with live(keeping, amal) as socket:
        joined = join(socket, created)
        amal.http.delete(f"/api/generations/{created}")
        event = hear(socket)
        assert join(socket, created)["code"] == "not_found"
        amal.post(f"/api/generations/{created}/restore")
        assert ask(socket, type="ping") == {"type": "pong"}
        assert join(socket, created)["version"] > event["version"] > joined["version"]

    assert event == {
        "type": "generation:deleted",
        "generationId": created,
        "version": event["version"],
    }


def test_whatever_is_asked_while_things_change_versions_never_fall(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(inbox, "PROGRESS_EVERY_S", 0)
    created = amal.create()["id"]
    ids, stop = [UUID(created)], threading.Event()

    def change_for_ever() -> None:
        with connected(product) as conn:
            while not stop.wait(0.002):
                conn.execute(CHANGE, (0, ids))
                conn.execute(RING, (ids,))

    changing, told = threading.Thread(target=change_for_ever), list[Json]()
    with live(product, amal) as socket:
        changing.start()
        for n in range(60):
            if n % 2:
                say(socket, type="join:mine")
            else:
                say(socket, type="join:generation", generationId=created)
            told.append(hear(socket))
        stop.set()
        changing.join()
        say(socket, type="ping")
        while (message := hear(socket)) != {"type": "pong"}:
            told.append(message)

    told = [one["generations"][0] if "mine" in one else one for one in told]
    versions = [one["version"] for one in told]
    assert len(set(versions)) > 10
    assert versions == sorted(versions)


# All that is mine


def test_one_message_asks_for_everything_that_goes_on(
    product: Product, amal: Person, badr: Person
) -> None:
    first, second = amal.create()["id"], amal.create(customColors=["#ff0000"])["id"]
    badr.create()

    with live(product, amal) as socket:
        mine = join_mine(socket)

    assert mine == {
        "type": "joined",
        "mine": True,
        "generations": [amal.status(second), amal.status(first)],
        "deleted": [],
        "cursor": mine["cursor"],
        "hasMore": False,
    }


def test_what_another_tab_does_is_heard_and_by_nobody_else(
    keeping: Product,
) -> None:
    amal, badr = keeping.sign_in(AMAL), keeping.sign_in("badr@madar.test")

    with live(keeping, badr) as his, live(keeping, amal) as hers:
        join_mine(his)
        join_mine(hers)
        created = amal.create()["id"]
        heard = [hear(hers)]
        finish_and_ring(keeping, created)
        heard.append(hear(hers))
        amal.http.delete(f"/api/generations/{created}")
        heard.append(hear(hers))
        amal.post(f"/api/generations/{created}/restore")
        heard.append(hear(hers))
        assert ask(his, type="ping") == {"type": "pong"}

    assert [(one["type"], one["generationId"]) for one in heard] == [
        ("generation:progress", created),
        ("generation:completed", created),
        ("generation:deleted", created),
        ("generation:completed", created),
    ]
    versions = [one["version"] for one in heard]
    assert versions == sorted(set(versions))


def test_whoever_was_away_knows_what_somebody_who_stayed_knows(keeping: Product) -> None:
    amal = keeping.sign_in(AMAL)
    old, changed, gone = (amal.create()["id"] for _ in range(3))
    with live(keeping, amal) as socket:
        cursor = join_mine(socket)["cursor"]
    keeping.execute("UPDATE generations SET updated_at = now() - interval '1 hour'")

    change(keeping, changed, progress=5)
    amal.http.delete(f"/api/generations/{gone}")
    added = amal.create()["id"]
    with live(keeping, amal) as socket:
        missed = join_mine(socket, since=cursor)

    assert [one["id"] for one in missed["generations"]] == [added, changed]
    assert old not in json.dumps(missed)
    assert missed["deleted"] == [gone]
    assert int(missed["cursor"]) > int(cursor)
    assert not missed["hasMore"]


def test_a_cursor_that_is_none_of_ours_is_refused(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        bad: tuple[object, ...] = ("", "x", "-1", "1" * 19, "١", 5, {}, [], True)
        assert join_mine(socket)["mine"]
        for since in bad:
            answer = join_mine(socket, since=since)
            assert (answer["type"], answer["code"]) == ("error", "cursor_invalid"), since
        amal.create()
        assert ask(socket, type="ping") == {"type": "pong"}
        assert join_mine(socket, since=None)["mine"]


def test_who_leaves_all_that_is_theirs_keeps_what_they_joined_by_name(
    product: Product, amal: Person
) -> None:
    joined, other = amal.create()["id"], amal.create()["id"]

    with live(product, amal) as socket:
        join_mine(socket)
        join(socket, joined)
        say(socket, type="leave:mine")
        say(socket, type="leave:mine")
        assert ask(socket, type="ping") == {"type": "pong"}
        change(product, other)
        change(product, joined)
        assert hear(socket)["generationId"] == joined
        assert ask(socket, type="ping") == {"type": "pong"}


@pytest.mark.alone
@pytest.mark.usefixtures("_rereads_soon")
def test_lost_bells_cost_a_follower_seconds_not_the_news(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with live(product, amal) as socket:
        join_mine(socket)
        change(product, created, progress=5, ring=False)
        event = hear(socket)
        [added] = many(product, 1)
        assert hear(socket)["generationId"] == added
        product.execute("DELETE FROM generations WHERE id = %s", added)
        gone = hear(socket)

    assert (event["version"], event["progress"]) == (2, 5)
    assert (gone["type"], gone["generationId"]) == ("generation:deleted", added)


def test_too_much_at_once_is_told_by_one_snapshot(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(inbox, "MAX_WAITING", 10)
    joined = amal.create()["id"]
    ids = many(product, 20)

    with live(product, amal) as socket:
        before = join_mine(socket)
        join(socket, joined)
        change(product, joined, *ids, progress=3)
        resync = hear(socket)
        change(product, joined, progress=4)
        after = hear(socket)

    assert (resync["type"], resync["resync"]) == ("joined", True)
    assert {one["id"] for one in resync["generations"]} == {joined, *ids}
    assert {one["version"] for one in resync["generations"]} == {2}
    assert int(resync["cursor"]) > int(before["cursor"])
    assert (after["generationId"], after["version"]) == (joined, 3)


# Manners of readers


def test_a_reader_that_never_reads_delays_nobody_and_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(door, "WRITE_WITHIN_S", 0.5)
    monkeypatch.setattr(connections, "FLUSH_WITHIN_S", 0.1)
    created = amal.create()["id"]
    many(product, 200, prompt="a red rocket " * 75)
    address = urlsplit(product.url)
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect((address.hostname, address.port))

    stalling = connect(
        f"ws://{address.netloc}/ws",
        sock=narrow,
        additional_headers={"Authorization": f"Bearer {amal.token}"},
        max_queue=1,
        close_timeout=0.2,
        proxy=None,
    )

    def is_cut_off() -> bool | None:
        try:
            say(stalled, type="ping")
        except ConnectionClosed:
            return True
        return None

    with stalling as stalled, live(product, amal) as other:
        for _ in range(40):
            say(stalled, type="join:mine")
        join(other, created)
        change(product, created)
        assert hear(other)["version"] == 2
        assert eventually(is_cut_off)
        assert ask(other, type="ping") == {"type": "pong"}


def test_who_only_listens_is_not_taken_for_dead(dsn: str, fal: Fal, tmp_path: Path) -> None:
    pings = {"ws_ping_interval": 0.2, "ws_ping_timeout": 0.2}
    with sockets.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as stack:
        port, storage = listening.getsockname()[1], str(tmp_path / "files")
        settings = settings_for(dsn=dsn, fal=fal, port=port, storage=storage)
        stack.enter_context(running_web(settings, listening, **pings))
        product = Product(settings=settings, fal=fal)
        stack.enter_context(product.open)
        amal = product.sign_in(AMAL)
        created = amal.create()["id"]
        with live(product, amal) as socket:
            join(socket, created)
            with pytest.raises(TimeoutError):
                socket.recv(timeout=1.5)
            change(product, created)
            assert hear(socket)["version"] == 2


def test_an_eleventh_socket_waits_until_one_of_ten_goes(product: Product, amal: Person) -> None:
    with contextlib.ExitStack() as ten:
        first, *_ = [ten.enter_context(live(product, amal)) for _ in range(10)]
        assert ask(first, type="ping") == {"type": "pong"}
        with live(product, amal) as refused:
            assert closed_with(refused) == (4429, "too_many_sockets")
        first.close()

        def again() -> bool | None:
            with live(product, amal) as socket, contextlib.suppress(ConnectionClosed):
                return ask(socket, type="ping") == {"type": "pong"}
            return None

        assert eventually(again)


def test_nobody_stays_for_ever(
    monkeypatch: pytest.MonkeyPatch, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(follower, "LIFE_S", 0.2)

    with live(product, amal) as socket:
        assert closed_with(socket) == (1012, "renew")


@pytest.mark.alone
@pytest.mark.usefixtures("_rereads_soon")
def test_a_lost_bell_costs_seconds_not_the_news(product: Product, amal: Person) -> None:
    created = amal.create()

    with live(product, amal) as socket:
        join(socket, created["id"])
        change(product, created["id"], progress=5, ring=False)
        event = hear(socket)

    assert (event["version"], event["progress"]) == (2, 5)


def test_news_arrive_after_the_listening_connection_was_killed(
    product: Product, amal: Person
) -> None:
    created = amal.create()
    listening = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query "

    with live(product, amal) as socket:
        join(socket, created["id"])
        [before] = product.rows(listening + "LIKE 'LISTEN%%'")
        product.execute("SELECT pg_terminate_backend(%s)", before["pid"])
        change(product, created["id"], progress=5, ring=False)
        event = hear(socket)

        assert (event["version"], event["progress"]) == (2, 5)
        eventually(lambda: product.rows(listening + "LIKE 'LISTEN%%'") or None)
        change(product, created["id"], progress=6)
        assert hear(socket)["version"] == 3


# Manners


def test_unknown_messages_are_answered_not_obeyed(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        for text in ("{}", "[]", "null", "x", '{"type": 5}', '{"type": "shout"}', "[" * 4000):
            socket.send(text)
            assert hear(socket) == {
                "type": "error",
                "code": "message_unknown",
                "message": "There is no such message here.",
            }
        assert ask(socket, type="ping") == {"type": "pong"}


def test_a_binary_or_an_endless_message_ends_the_socket(product: Product, amal: Person) -> None:
    for message, code in ((b"{}", 1003), ("x" * 4097, 1009), ("ع" * 2049, 1009)):
        with live(product, amal) as socket:
            socket.send(message)
            assert closed_with(socket)[0] == code
    with live(product, amal) as socket:
        socket.send("x" * 4096)
        assert hear(socket)["code"] == "message_unknown"


def test_too_many_joined_end_the_socket(product: Product, amal: Person) -> None:
    first, ids = amal.create()["id"], many(product, 100)

    with live(product, amal) as socket:
        for generation_id in [first, *ids[:99]]:
            assert join(socket, generation_id)["type"] == "joined"
        assert join(socket, first)["type"] == "joined", "one that is joined already costs nothing"
        say(socket, type="join:generation", generationId=ids[99])
        assert closed_with(socket) == (1008, "too_many_joined")


def test_logging_out_closes_the_sockets_of_that_session(product: Product, amal: Person) -> None:
    at_home = product.sign_in(AMAL)

    with live(product, amal) as here, live(product, at_home) as there:
        assert ask(here, type="ping") == {"type": "pong"}
        amal.post("/api/auth/logout")
        assert closed_with(here) == (4401, "not_signed_in")
        assert ask(there, type="ping") == {"type": "pong"}


@pytest.mark.alone
@pytest.mark.usefixtures("_rereads_soon")
def test_a_session_ended_elsewhere_closes_its_sockets(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        assert ask(socket, type="ping") == {"type": "pong"}
        product.execute("DELETE FROM user_sessions")
        assert closed_with(socket) == (4401, "not_signed_in")


@pytest.mark.alone
@pytest.mark.usefixtures("_rereads_soon")
def test_an_account_that_is_closed_closes_its_sockets(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        assert ask(socket, type="ping") == {"type": "pong"}
        product.execute("UPDATE users SET is_active = false")
        assert closed_with(socket) == (4403, "account_closed")


def test_an_account_that_is_deleted_closes_its_sockets(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        assert ask(socket, type="ping") == {"type": "pong"}
        assert amal.http.delete("/api/user").status_code == 202
        assert closed_with(socket) == (4403, "account_closed")


def test_plain_http_finds_nothing_there(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/ws")

    problem_in(answer, 404, "not_found")


def test_a_flood_of_messages_is_shown_the_door(product: Product, amal: Person) -> None:
    def talk(socket: ClientConnection) -> None:
        for _ in range(2000):
            socket.send('{"type": "ping"}')
            socket.recv(10)

    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            talk(socket)

        assert closed.value.rcvd
        assert closed.value.rcvd.code == 4429
