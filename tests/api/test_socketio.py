"""/socket.io/ with the client that pages use: socket.io-client of npm."""

import contextlib
import socket
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest

from madar.realtime import follower
from tests.api.looking import finish, is_arabic
from tests.api.socketio_client import (
    POLLING,
    UPGRADED,
    WEBSOCKET,
    Node,
    Page,
    needs_client,
    running_node,
)
from tests.conftest import Start
from tests.product import AMAL, Json, Person, Product, running_web, settings_for
from tests.simulator.harness import Fal

pytestmark = [needs_client, pytest.mark.standing]

WAYS = {"websocket": WEBSOCKET, "polling": POLLING, "upgraded": UPGRADED}


@pytest.fixture(scope="module")
def node() -> Generator[Node]:
    with running_node() as node:
        yield node


def page_of(node: Node, product: Product, person: Person, **options: Any) -> Page:
    given = {"auth": {"token": person.token}, **(options or WEBSOCKET)}
    page = node.page(product.url, **given)
    page.until("connect")
    return page


def refused(page: Page) -> Json:
    event, body = page.next()
    assert (event, body["active"]) == ("connect_error", False)
    assert body["message"] == body["data"]["message"]
    return body["data"]


def change(product: Product, generation_id: str) -> None:
    """As a worker does it: a new version, then the bell."""
    product.execute(
        "UPDATE generations SET version = version + 1, fal_progress = 5 WHERE id = %s",
        generation_id,
    )
    ring(product, generation_id)


def ring(product: Product, generation_id: str) -> None:
    product.execute(
        "SELECT pg_notify('madar_generations', concat_ws(' ', id, version, user_id))"
        " FROM generations WHERE id = %s",
        generation_id,
    )


# Hearing


def test_by_every_way_the_same_is_heard(node: Node, product: Product, amal: Person) -> None:
    created = amal.create()
    pages = {way: node.page(product.url, auth={"token": amal.token}, **WAYS[way]) for way in WAYS}
    for way, page in pages.items():
        first = {page.next()[0] for _ in range(2 if way == "upgraded" else 1)}
        assert first == ({"connect", "upgrade"} if way == "upgraded" else {"connect"})

    for page in pages.values():
        answer = page.ask("join:generation", created["id"])
        assert answer["ok"] is True
        assert answer["snapshot"] == amal.status(created["id"])
    change(product, created["id"])
    progress = {way: page.next() for way, page in pages.items()}
    finish(product, created["id"])
    ring(product, created["id"])
    completed = {way: page.next() for way, page in pages.items()}
    for page in pages.values():
        page.close()

    for way in WAYS:
        event, body = progress[way]
        assert (event, body["version"]) == ("generation:progress", 2)
        assert (body["generationId"], body["progress"]) == (created["id"], 5)
        event, body = completed[way]
        assert (event, body["version"]) == ("generation:completed", 3)
        assert body["result"] == amal.status(created["id"])["result"]


def test_who_asks_for_no_answer_is_told_by_an_event_how_it_is(
    node: Node, product: Product, amal: Person
) -> None:
    begun, done = amal.create()["id"], amal.create()["id"]
    finish(product, done)
    page = page_of(node, product, amal)

    page.say("join:generation", begun)
    page.say("join:generation", {"generationId": done})
    page.say("join:generation", str(uuid4()))
    page.say("leave:generation", begun)
    page.say("shout")
    seen = [page.next() for _ in range(4)]
    page.close()

    assert [(event, body.get("generationId")) for event, body in seen[:2]] == [
        ("generation:progress", begun),
        ("generation:completed", done),
    ]
    assert seen[1][1]["result"]["imageUrl"]
    assert [(event, body["code"]) for event, body in seen[2:]] == [
        ("error", "not_found"),
        ("error", "message_unknown"),
    ]


def test_after_leaving_nothing_more_is_heard(node: Node, product: Product, amal: Person) -> None:
    left, kept = amal.create()["id"], amal.create()["id"]
    page = page_of(node, product, amal)
    page.ask("join:generation", left)
    page.ask("join:generation", kept)

    assert page.ask("leave:generation", left) == {"ok": True}
    assert page.ask("leave:generation", "x") == {"ok": True}
    change(product, left)
    change(product, kept)
    event, body = page.next()
    page.close()

    assert (event, body["generationId"]) == ("generation:progress", kept)


def test_what_is_not_yours_or_not_there_cannot_be_joined(
    node: Node, product: Product, amal: Person, badr: Person
) -> None:
    others, deleted = badr.create()["id"], amal.create()["id"]
    assert amal.http.delete(f"/api/generations/{deleted}").status_code == 204
    page = page_of(node, product, amal)

    nothing: list[object] = [others, deleted, str(uuid4()), others.upper(), "", None, 5, [], {}]
    answers = [page.ask("join:generation", one) for one in nothing]
    answers.append(page.ask("join:generation"))
    page.close()

    refusal = {"ok": False, "code": "not_found", "message": "There is nothing here."}
    assert answers == [refusal] * len(answers)


def test_one_message_asks_for_everything_of_ones_own(
    node: Node, product: Product, amal: Person, badr: Person
) -> None:
    before = amal.create()["id"]
    page = page_of(node, product, amal)

    first = page.ask("join:mine")
    badr.create()
    after = amal.create()["id"]
    assert page.until("generation:progress")["generationId"] == after
    amal.http.delete(f"/api/generations/{before}")
    assert page.until("generation:deleted")["generationId"] == before
    again = page.ask("join:mine", {"since": first["cursor"]})
    bad = page.ask("join:mine", {"since": 5})
    assert page.ask("leave:mine") == {"ok": True}
    page.close()

    assert [one["id"] for one in first["generations"]] == [before]
    assert (first["ok"], first["deleted"], first["hasMore"]) == (True, [], False)
    assert [one["id"] for one in again["generations"]] == [after]
    assert again["deleted"] == [before]
    assert (bad["ok"], bad["code"]) == (False, "cursor_invalid")


# Signing in


@pytest.mark.parametrize("way", ["websocket", "polling"])
def test_it_signs_in_by_token_header_or_cookie(
    node: Node, product: Product, amal: Person, way: str
) -> None:
    cookie = {"Cookie": f"madar={amal.cookie}"}
    ours, foreign = {"Origin": product.url}, {"Origin": "https://evil.test"}
    welcome: tuple[Json, ...] = (
        {"auth": {"token": amal.token}, "extraHeaders": foreign},
        {"extraHeaders": {"Authorization": f"Bearer {amal.token}"}},
        {"extraHeaders": cookie | ours},
    )
    unwelcome: tuple[tuple[Json, str], ...] = (
        ({}, "not_signed_in"),
        ({"auth": {"token": "x"}, "extraHeaders": cookie | ours}, "not_signed_in"),
        ({"auth": {"token": 5}}, "not_signed_in"),
        ({"extraHeaders": cookie | foreign}, "origin_refused"),
        ({"extraHeaders": cookie}, "origin_refused"),
    )

    for options in welcome:
        page = node.page(product.url, **WAYS[way], **options)
        assert page.next()[0] == "connect"
        page.close()
    for options, code in unwelcome:
        assert refused(node.page(product.url, **WAYS[way], **options))["code"] == code


def test_refusals_speak_the_language_of_the_reader(
    node: Node, product: Product, amal: Person
) -> None:
    arabic = {"extraHeaders": {"Accept-Language": "ar"}, **WEBSOCKET}

    refusal = refused(node.page(product.url, auth={"token": "x"}, **arabic))
    page = page_of(node, product, amal, **arabic)
    answer = page.ask("join:generation", str(uuid4()))
    page.close()

    assert is_arabic(refusal["message"])
    assert is_arabic(answer["message"])


def test_an_eleventh_is_refused_and_one_that_goes_makes_room(
    node: Node, product: Product, amal: Person
) -> None:
    pages = [page_of(node, product, amal) for _ in range(10)]

    assert refused(node.page(product.url, auth={"token": amal.token}, **WEBSOCKET)) == {
        "code": "too_many_sockets",
        "message": "You have ten live connections open already. Close one of them first.",
    }
    pages[0].close()
    eleventh = page_of(node, product, amal, reconnection=False)
    for page in (*pages[1:], eleventh):
        page.close()


def test_another_namespace_is_not_ours(node: Node, product: Product, amal: Person) -> None:
    page = node.page(f"{product.url}/admin", auth={"token": amal.token}, **WEBSOCKET)

    event, body = page.next()

    assert (event, body["active"]) == ("connect_error", False)


# Ends


@pytest.mark.parametrize("way", ["websocket", "polling"])
def test_who_signs_out_is_told_and_does_not_come_back(
    node: Node, product: Product, amal: Person, way: str
) -> None:
    at_home = product.sign_in(AMAL)
    here = page_of(node, product, amal, **WAYS[way])
    there = page_of(node, product, at_home, **WAYS[way])

    amal.post("/api/auth/logout")
    error, gone = here.next(), here.next()
    still = there.ask("leave:mine")
    there.close()

    assert error[0] == "error"
    assert error[1]["code"] == "not_signed_in"
    assert gone == ("disconnect", {"reason": "io server disconnect", "active": False})
    assert still == {"ok": True}


def test_who_follows_too_much_or_talks_too_much_is_told(
    monkeypatch: pytest.MonkeyPatch, node: Node, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(follower, "MAX_JOINED", 1)
    first, second = amal.create()["id"], amal.create()["id"]
    page = page_of(node, product, amal)

    assert page.ask("join:generation", first)["ok"]
    assert page.ask("join:generation", second)["code"] == "too_many_joined"
    assert page.ask("join:generation", first)["ok"]
    for _ in range(200):
        page.say("leave:mine")
    error, gone = page.next(), page.next()

    assert error[0] == "error"
    assert error[1]["code"] == "too_many_messages"
    assert gone == ("disconnect", {"reason": "io server disconnect", "active": False})


def test_who_is_old_comes_back_by_itself(
    monkeypatch: pytest.MonkeyPatch, node: Node, product: Product, amal: Person
) -> None:
    monkeypatch.setattr(follower, "LIFE_S", 0.3)
    page = page_of(node, product, amal)
    monkeypatch.setattr(follower, "LIFE_S", 3600)

    assert page.next() == ("disconnect", {"reason": "transport close", "active": True})
    assert page.next()[0] == "connect"
    page.close()


def test_after_a_restart_they_come_back_and_see_what_happened_meanwhile(
    node: Node, dsn: str, fal: Fal, tmp_path: Any
) -> None:
    def listening(port: int = 0) -> socket.socket:
        return stack.enter_context(socket.create_server(("127.0.0.1", port)))

    with contextlib.ExitStack() as stack:
        listener = listening()
        port = listener.getsockname()[1]
        settings = settings_for(dsn=dsn, fal=fal, port=port, storage=str(tmp_path))
        product = stack.enter_context(_closing(Product(settings=settings, fal=fal)))
        with running_web(settings, listener):
            amal = product.sign_in(AMAL)
            created = amal.create()["id"]
            pages = [page_of(node, product, amal, **WAYS[way]) for way in WAYS]
            for page in pages:
                assert page.ask("join:generation", created)["snapshot"]["version"] == 1
        finish(product, created)
        with running_web(settings, listening(port)):
            for page in pages:
                assert page.until("disconnect")["active"] is True
                page.until("connect")
                answer = page.ask("join:generation", created)
                assert answer["snapshot"] == amal.status(created)
                assert answer["snapshot"]["status"] == "completed"
                page.close()


@contextlib.contextmanager
def _closing(product: Product) -> Generator[Product]:
    with product.open:
        yield product


def test_while_the_database_is_away_they_go_on_trying(
    node: Node, start: Start, tmp_path: Any, amal: Person
) -> None:
    away = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")

    page = node.page(away.url, auth={"token": amal.token}, **WEBSOCKET)
    seen = page.next()
    page.close()

    assert seen == ("disconnect", {"reason": "transport close", "active": True})
