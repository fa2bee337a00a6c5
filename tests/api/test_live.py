"""GET /ws."""

import contextlib
import json
from collections.abc import Generator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from madar.realtime import listener
from tests.api.looking import is_arabic, problem_in
from tests.product import AMAL, Json, Person, Product
from tests.simulator.harness import eventually

WAIT_S = 15


@pytest.fixture
def _rereads_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it before `product`: what is re-read every 5 s is re-read every 0.2 s."""
    monkeypatch.setattr(listener, "REREAD_S", 0.2)


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


def change(product: Product, generation_id: str, *, progress: int = 0, ring: bool = True) -> None:
    """As a worker does it: a new version, then the bell."""
    product.execute(
        "UPDATE generations SET version = version + 1, fal_progress = %s WHERE id = %s",
        *(progress, generation_id),
    )
    if ring:
        product.execute("SELECT pg_notify('madar_generations', %s)", f"{generation_id} 2")


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
    for message in (b"{}", "x" * 4097):
        with live(product, amal) as socket:
            socket.send(message)
            assert closed_with(socket)[0] == 1003
    with live(product, amal) as socket:
        socket.send("x" * 4096)
        assert hear(socket)["code"] == "message_unknown"


def test_too_many_joined_end_the_socket(product: Product, amal: Person) -> None:
    first = amal.create()["id"]
    product.execute(
        "INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at)"
        " SELECT user_id, 'x', style, 'text', 1, 'draw', now() FROM generations,"
        " generate_series(1, 100)"
    )
    ids = [str(row["id"]) for row in product.rows("SELECT id FROM generations WHERE seed = 1")]

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


@pytest.mark.usefixtures("_rereads_soon")
def test_a_session_ended_elsewhere_closes_its_sockets(product: Product, amal: Person) -> None:
    with live(product, amal) as socket:
        assert ask(socket, type="ping") == {"type": "pong"}
        product.execute("DELETE FROM user_sessions")
        assert closed_with(socket) == (4401, "not_signed_in")


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
