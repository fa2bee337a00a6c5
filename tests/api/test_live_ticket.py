"""POST /api/live/ticket, and the ticket at the handshake of /ws."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from madar.actions import tickets
from madar.actions.maintenance import sweep
from madar.resources import open_resources
from tests.api.looking import is_arabic, problem_in, written
from tests.product import Json, Person, Product

pytestmark = pytest.mark.standing

URL = "/api/live/ticket"
REFUSED = (4401, "not_signed_in")
NOTHING = "A" * 43


def ticket_of(person: Person) -> str:
    answer = person.post(URL)
    assert answer.status_code == 201, answer.text
    return answer.json()["ticket"]


def knock(product: Product, protocols: Sequence[str], **headers: str) -> ClientConnection:
    url = product.url.replace("http://", "ws://") + "/ws"
    offered = [Subprotocol(one) for one in protocols]
    return connect(url, subprotocols=offered, additional_headers=headers, proxy=None)


def with_ticket(product: Product, ticket: str, **headers: str) -> ClientConnection:
    return knock(product, ["madar.v1", f"ticket.{ticket}"], **headers)


def ask(socket: ClientConnection, **message: str) -> Json:
    socket.send(json.dumps(message))
    return json.loads(socket.recv(timeout=15))


def outcome(socket: ClientConnection) -> Json | tuple[int, str]:
    """What a ping is answered, or how the socket was closed."""
    try:
        return ask(socket, type="ping")
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


# Who gets one


def test_a_ticket_opens_one_socket_of_that_person(product: Product, amal: Person) -> None:
    created = amal.create()

    answer = amal.post(URL)

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"ticket", "expiresAt"}
    [row] = product.rows("SELECT now() AS now")
    left_s = (datetime.fromisoformat(answer.json()["expiresAt"]) - row["now"]).total_seconds()
    assert 20 < left_s <= 30
    with with_ticket(product, answer.json()["ticket"]) as socket:
        joined = ask(socket, type="join:generation", generationId=created["id"])
    assert (joined["type"], joined["snapshot"]["id"]) == ("joined", created["id"])


def test_nobody_gets_none(product: Product) -> None:
    with product.anonymous() as http:
        problem_in(http.post(URL), 401, "not_signed_in")
        arabic = http.post(URL, headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(arabic, 401, "not_signed_in")["detail"])
    assert product.rows("SELECT FROM live_tickets") == []


def test_a_cookie_gets_one_for_our_own_pages_only(product: Product, amal: Person) -> None:
    with product.anonymous(Cookie=f"madar={amal.cookie}") as http:
        for origin in ({"Origin": "https://evil.test"}, {"Origin": "null"}, {}):
            problem_in(http.post(URL, headers=origin), 403, "origin_refused")
        given = http.post(URL, headers={"Origin": product.url})

    assert given.status_code == 201
    with with_ticket(product, given.json()["ticket"]) as socket:
        assert outcome(socket) == {"type": "pong"}


def test_a_stranger_sees_with_a_ticket_what_is_a_strangers(
    product: Product, amal: Person, badr: Person
) -> None:
    created = amal.create()

    with with_ticket(product, ticket_of(badr)) as socket:
        answer = ask(socket, type="join:generation", generationId=created["id"])

    assert (answer["type"], answer["code"]) == ("error", "not_found")


def test_only_its_hash_is_kept(product: Product, amal: Person) -> None:
    ticket = ticket_of(amal)

    [row] = product.rows("SELECT token_hash, t::text AS whole FROM live_tickets t")

    assert row["token_hash"] == hashlib.sha256(ticket.encode()).digest()
    assert ticket not in row["whole"]


def test_of_many_open_ones_the_oldest_go(product: Product, amal: Person, badr: Person) -> None:
    other = ticket_of(badr)
    first, second, *_ = [ticket_of(amal) for _ in range(tickets.MAX_TICKETS + 1)]

    [row] = product.rows("SELECT count(*) AS n FROM live_tickets")

    assert row["n"] == tickets.MAX_TICKETS + 1
    with with_ticket(product, first) as socket:
        assert outcome(socket) == REFUSED
    for ticket in (second, other):
        with with_ticket(product, ticket) as socket:
            assert outcome(socket) == {"type": "pong"}


def test_many_asked_for_at_once_stay_as_many_as_may_be_open(product: Product, amal: Person) -> None:
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(amal.post, [URL] * tickets.MAX_TICKETS * 2))

    assert {one.status_code for one in given} == {201}
    [row] = product.rows("SELECT count(*) AS n FROM live_tickets")
    assert row["n"] == tickets.MAX_TICKETS


# What it is good for


def test_the_protocol_is_named_and_the_ticket_never_said_back(
    product: Product, amal: Person
) -> None:
    offers = {
        "usual": ["madar.v1", "ticket.{}"],
        "the other way round": ["ticket.{}", "madar.v1"],
        "with others": ["chat", "ticket.{}", "madar.v1"],
        "alone": ["ticket.{}"],
    }
    named: dict[str, str | None] = {}

    for name, offer in offers.items():
        with knock(product, [one.format(ticket_of(amal)) for one in offer]) as socket:
            assert outcome(socket) == {"type": "pong"}
            assert socket.response
            named[name] = socket.response.headers.get("Sec-WebSocket-Protocol")

    assert named == {**dict.fromkeys(offers, "madar.v1"), "alone": None}


def test_it_decides_whatever_else_is_shown(product: Product, amal: Person, badr: Person) -> None:
    created = amal.create()
    badrs = {
        "header": {"Authorization": f"Bearer {badr.token}"},
        "cookie": {"Cookie": f"madar={badr.cookie}", "Origin": "https://evil.test"},
    }
    for shown in badrs.values():
        with with_ticket(product, ticket_of(amal), **shown) as socket:
            joined = ask(socket, type="join:generation", generationId=created["id"])
            assert joined["type"] == "joined"
        with with_ticket(product, NOTHING, **shown) as socket:
            assert outcome(socket) == REFUSED


@pytest.mark.parametrize(
    "ticket", [NOTHING, "", "A", "A" * 42 + "~", "A" * 44, "A" * 3000, "!00", ".", "ticket.A"]
)
def test_what_is_no_ticket_is_shown_the_door(product: Product, ticket: str) -> None:
    with with_ticket(product, ticket) as socket:
        assert socket.subprotocol == "madar.v1"
        assert outcome(socket) == REFUSED


ARABIC, ENGLISH = {"Accept-Language": "ar"}, {"Accept-Language": "en"}


def answer_in(product: Product, ticket: str, **headers: str) -> str:
    """The sentence of a refused join."""
    with with_ticket(product, ticket, **headers) as socket:
        return ask(socket, type="join:generation", generationId=NOTHING)["message"]


def test_its_socket_speaks_the_language_in_which_it_was_asked_for(
    product: Product, amal: Person
) -> None:
    arabic, english = (
        amal.post(URL, headers=asked).json()["ticket"] for asked in (ARABIC, ENGLISH)
    )

    assert is_arabic(answer_in(product, arabic, **ENGLISH))
    assert not is_arabic(answer_in(product, english, **ARABIC))


def test_a_chosen_language_comes_before_that(product: Product, amal: Person) -> None:
    before = amal.post(URL, headers=ENGLISH).json()["ticket"]
    assert amal.http.patch("/api/user/profile", json={"language": "ar"}).status_code == 200
    after = amal.post(URL, headers=ENGLISH).json()["ticket"]

    assert is_arabic(answer_in(product, before))
    assert is_arabic(answer_in(product, after))


# Once, and soon


def test_it_is_good_once(product: Product, amal: Person) -> None:
    ticket = ticket_of(amal)

    with with_ticket(product, ticket) as first, with_ticket(product, ticket) as second:
        assert outcome(second) == REFUSED
        assert outcome(first) == {"type": "pong"}
    with with_ticket(product, ticket) as later:
        assert outcome(later) == REFUSED


def test_of_two_at_once_exactly_one_gets_in(product: Product, amal: Person) -> None:
    together = Barrier(4)

    def enter(ticket: str) -> Json | tuple[int, str]:
        together.wait(15)
        with with_ticket(product, ticket) as socket:
            return outcome(socket)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            found = list(threads.map(enter, [ticket_of(amal)] * 4))
            assert sorted(found, key=str) == [REFUSED] * 3 + [{"type": "pong"}]


def test_one_that_is_too_old_is_none(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "TICKET_LIFE_S", 0)

    with with_ticket(product, ticket_of(amal)) as socket:
        assert outcome(socket) == REFUSED


ENDS = {
    "expired": "UPDATE user_sessions SET expires_at = now() WHERE user_id = %s",
    "signed out": "DELETE FROM user_sessions WHERE user_id = %s",
    "deactivated": "UPDATE users SET is_active = false WHERE id = %s",
    "deleted": "DELETE FROM users WHERE id = %s",
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_with_its_session(product: Product, amal: Person, end: str) -> None:
    ticket, user = ticket_of(amal), amal.get("/api/auth/user").json()["id"]

    product.execute(ENDS[end], user)

    with with_ticket(product, ticket) as socket:
        assert outcome(socket) == REFUSED


def test_the_sweep_leaves_only_those_that_are_good(product: Product, amal: Person) -> None:
    old, good = ticket_of(amal), ticket_of(amal)
    product.execute(
        "UPDATE live_tickets SET expires_at = now() WHERE token_hash = %s",
        hashlib.sha256(old.encode()).digest(),
    )
    before = written(product)

    async def swept() -> None:
        async with open_resources(product.settings) as resources:
            await sweep(resources)

    asyncio.run(swept())

    [row] = product.rows("SELECT token_hash FROM live_tickets")
    assert row["token_hash"] == hashlib.sha256(good.encode()).digest()
    assert written(product) == before
