"""When a live connection ends because of whose it is, and what it is told then."""

import json
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from madar.realtime import follower, listener
from tests.product import AMAL, Person, Product

SIGNED_OUT, CLOSED, RENEWED = (4401, "not_signed_in"), (4403, "account_closed"), (1012, "renew")
PROMISED_S = 10


def listens(socket: ClientConnection) -> bool:
    socket.send(json.dumps({"type": "ping"}))
    return json.loads(socket.recv(timeout=PROMISED_S)) == {"type": "pong"}


def goodbye(socket: ClientConnection) -> tuple[int, str] | None:
    try:
        socket.recv(timeout=PROMISED_S)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None
    return None


def sign_out(person: Person) -> httpx.Response:
    return person.post("/api/auth/logout")


def sign_out_everywhere(person: Person) -> httpx.Response:
    return person.http.delete("/api/auth/sessions")


def leave(person: Person) -> httpx.Response:
    return person.http.delete("/api/user")


@pytest.mark.parametrize(
    ("end", "heard"),
    [(sign_out, SIGNED_OUT), (sign_out_everywhere, SIGNED_OUT), (leave, CLOSED)],
)
def test_where_it_is_done_it_is_heard_at_once(
    product: Product,
    amal: Person,
    badr: Person,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Person], httpx.Response],
    heard: tuple[int, str],
) -> None:
    monkeypatch.setattr(listener, "REREAD_S", 600)
    with (
        product.socket(Authorization=f"Bearer {amal.token}") as socket,
        product.socket(Authorization=f"Bearer {badr.token}") as another,
    ):
        assert listens(socket)

        assert end(amal).is_success

        assert goodbye(socket) == heard
        assert listens(another)


def test_another_session_of_the_same_person_stays(product: Product, amal: Person) -> None:
    at_home = product.sign_in(AMAL)

    with product.socket(Authorization=f"Bearer {at_home.token}") as socket:
        assert listens(socket)
        sign_out(amal)
        assert listens(socket)


def test_who_is_disabled_hears_it_and_comes_in_no_more(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REREAD_S", 0.2)
    shown = {"Authorization": f"Bearer {amal.token}"}

    with product.socket(**shown) as socket:
        assert listens(socket)
        product.execute("UPDATE users SET is_active = false")
        assert goodbye(socket) == CLOSED
    with product.socket(**shown) as socket:
        socket.send(json.dumps({"type": "auth", "token": amal.token}))
        assert goodbye(socket) == SIGNED_OUT


def test_nothing_stays_open_for_ever(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "LIFE_S", 0.5)

    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        assert listens(socket)
        assert goodbye(socket) == RENEWED
