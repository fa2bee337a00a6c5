"""GET and DELETE /api/auth/sessions, DELETE /api/auth/sessions/{id}; and what an end means."""

import contextlib
import json
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from madar.api.routes import resources
from madar.realtime import listener
from tests.api.looking import is_arabic, problem_in, without_id, written
from tests.api.signing_in import come_back, go_to_google
from tests.conftest import Start
from tests.product import AMAL, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

URL = "/api/auth/sessions"


def sessions_of(person: Person) -> list[dict[str, object]]:
    answer = person.get(URL)
    assert answer.status_code == 200
    return answer.json()["sessions"]


def current(person: Person) -> str:
    [session] = [one for one in sessions_of(person) if one["isCurrent"]]
    return str(session["id"])


def by_cookie(product: Product, person: Person, **headers: str) -> httpx.Client:
    return product.anonymous(Cookie=f"madar={person.cookie}", Origin=product.url, **headers)


# The list


def test_the_list_says_where_one_is_signed_in_newest_first(product: Product) -> None:
    first = product.sign_in(AMAL, **{"User-Agent": "Chromium\t on Linux"})
    second = product.sign_in(AMAL, **{"User-Agent": "x" * 300})

    told = sessions_of(second)

    assert [one.keys() for one in told] == [
        {"id", "isCurrent", "userAgent", "createdAt", "lastSeenAt", "expiresAt"}
    ] * 2
    assert [one["isCurrent"] for one in told] == [True, False]
    assert told[0]["userAgent"] == "x" * 200
    assert told[1]["userAgent"] == "Chromium on Linux"
    assert [one["id"] for one in told] == [current(second), current(first)]
    assert second.get(URL).headers["cache-control"] == "no-store"


def test_nobody_sees_anothers_sessions_and_nothing_secret(amal: Person, badr: Person) -> None:
    told = amal.get(URL).text

    assert current(badr) not in told
    assert amal.cookie not in told
    assert amal.token not in told
    assert "token" not in told


def test_ended_ones_are_not_listed(product: Product, amal: Person) -> None:
    old = product.sign_in(AMAL)
    product.execute("UPDATE user_sessions SET expires_at = now() WHERE id = %s", current(old))

    assert [one["isCurrent"] for one in sessions_of(amal)] == [True]


# One of them


def test_one_session_is_signed_out_from_another(product: Product, amal: Person) -> None:
    at_home = product.sign_in(AMAL)

    answer = amal.http.delete(f"{URL}/{current(at_home)}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers
    problem_in(at_home.get("/api/auth/user"), 401, "not_signed_in")
    assert amal.get("/api/auth/user").status_code == 200


def test_the_own_session_goes_with_its_cookie(product: Product, amal: Person) -> None:
    answer = amal.http.delete(f"{URL}/{current(amal)}")

    assert answer.status_code == 204
    assert answer.headers["set-cookie"] == "madar=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    with by_cookie(product, amal) as http:
        problem_in(http.get("/api/auth/user"), 401, "not_signed_in")


def test_a_strangers_an_unknown_and_a_malformed_one_are_the_same(
    product: Product, amal: Person, badr: Person
) -> None:
    theirs, gone = current(amal), current(product.sign_in(AMAL))
    product.execute("DELETE FROM user_sessions WHERE id = %s", gone)

    answers = [
        badr.http.delete(f"{URL}/{one}")
        for one in (theirs, gone, uuid4(), "x", theirs.upper(), theirs.replace("-", ""), "%00")
    ]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])
    assert amal.get("/api/auth/user").status_code == 200


# All of them


def test_everywhere_means_here_too_and_nobody_else(
    product: Product, amal: Person, badr: Person
) -> None:
    at_home = product.sign_in(AMAL)

    answer = amal.http.delete(URL)

    assert answer.status_code == 204
    assert answer.headers["set-cookie"] == "madar=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    for person in (amal, at_home):
        problem_in(person.get("/api/auth/user"), 401, "not_signed_in")
    assert badr.get("/api/auth/user").status_code == 200


def test_by_cookie_a_foreign_page_ends_nothing(product: Product, amal: Person) -> None:
    before = written(product)

    with product.anonymous(Cookie=f"madar={amal.cookie}", Origin="https://evil.test") as http:
        for path in (URL, f"{URL}/{current(amal)}"):
            problem_in(http.delete(path), 403, "origin_refused")

    assert written(product) == before


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.http.delete(f"{URL}/{uuid4()}", headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])


# How long they live


def test_use_moves_the_end_on_but_never_past_the_last_day(product: Product, amal: Person) -> None:
    def times() -> tuple[float, float]:
        [row] = product.rows(
            "SELECT extract(epoch FROM expires_at - now()) / 86400 AS idle,"
            " extract(epoch FROM ends_at - now()) / 86400 AS absolute FROM user_sessions"
        )
        return float(row["idle"]), float(row["absolute"])

    def seen_again() -> bool | None:
        amal.get("/api/auth/user")
        return times()[0] > 1 or None

    assert times() == (pytest.approx(7, abs=0.01), pytest.approx(30, abs=0.01))
    earlier = "last_seen_at = now() - interval '6 days', expires_at = now() + interval '1 hour'"

    product.execute(f"UPDATE user_sessions SET {earlier}")
    eventually(seen_again)
    assert times()[0] == pytest.approx(7, abs=0.01)
    product.execute(f"UPDATE user_sessions SET {earlier}, ends_at = now() + interval '2 days'")
    eventually(seen_again)

    assert times() == (pytest.approx(2, abs=0.01), pytest.approx(2, abs=0.01))


# What an end means


ENDS = {
    "expired": "UPDATE user_sessions SET expires_at = now() WHERE user_id = %s",
    "signed out": "DELETE FROM user_sessions WHERE user_id = %s",
    "deactivated": "UPDATE users SET is_active = false WHERE id = %s",
    "deleted": "DELETE FROM users WHERE id = %s",
}
GOODBYES = {
    "expired": (4401, "not_signed_in"),
    "signed out": (4401, "not_signed_in"),
    "deactivated": (4403, "account_closed"),
    "deleted": (4403, "account_closed"),
}
OPERATIONS = [
    (verb, resource.path)
    for resource in resources
    for verb, operation in resource.operations.items()
    if operation.is_signed_in
]


@pytest.mark.parametrize("end", ENDS)
def test_afterwards_every_operation_knows_nobody(product: Product, amal: Person, end: str) -> None:
    assert len(OPERATIONS) >= 15
    generation = amal.create()["id"]
    user = amal.get("/api/auth/user").json()["id"]
    product.execute(ENDS[end], user)
    before = written(product)

    with by_cookie(product, amal) as http:
        for verb, path in OPERATIONS:
            address = path.replace("{id}", generation)
            for answer in (amal.http.request(verb, address), http.request(verb, address)):
                problem_in(answer, 401, "not_signed_in")

    assert written(product) == before


def goodbye(socket: ClientConnection) -> tuple[int, str] | None:
    """The server's, within the ten seconds that were promised."""
    try:
        socket.recv(timeout=10)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None
    return None


def listening(socket: ClientConnection, token: str) -> None:
    socket.send(json.dumps({"type": "auth", "token": token}))
    socket.send(json.dumps({"type": "ping"}))
    assert json.loads(socket.recv(timeout=10)) == {"type": "pong"}


@pytest.mark.parametrize("end", ENDS)
def test_open_sockets_of_every_process_hear_of_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(listener, "REREAD_S", 0.2)
    one, other = start(), start()
    amal, badr = one.sign_in(AMAL), one.sign_in("badr@madar.test")
    user = amal.get("/api/auth/user").json()["id"]

    with one.socket() as here, other.socket() as there, other.socket() as another:
        for socket, person in ((here, amal), (there, amal), (another, badr)):
            listening(socket, person.token)
        one.execute(ENDS[end], user)

        assert goodbye(here) == goodbye(there) == GOODBYES[end]
        another.send('{"type": "ping"}')
        assert json.loads(another.recv(timeout=10)) == {"type": "pong"}


def test_the_other_process_hears_of_a_sign_out_as_often_as_it_looks_in_earnest(
    start: Start,
) -> None:
    """The one test that waits as people do; all ways out at once."""
    one, other = start(), start()
    people = [one.sign_in(AMAL) for _ in range(4)]
    deleted = one.sign_in("huda@madar.test")

    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(other.socket()) for _ in (*people, deleted)]
        for socket, person in zip(sockets, (*people, deleted), strict=True):
            listening(socket, person.token)

        people[0].post("/api/auth/logout")
        people[1].http.delete(f"{URL}/{current(people[2])}")
        people[3].http.delete(URL)
        assert deleted.http.delete("/api/user").status_code == 202

        heard = [goodbye(socket) for socket in sockets]
        assert heard == [*[GOODBYES["signed out"]] * 4, GOODBYES["deleted"]]


def test_a_rotated_session_loses_its_sockets(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REREAD_S", 0.2)
    returned = go_to_google(product)
    with product.socket() as socket:
        listening(socket, amal.token)
        cookies = f"{returned.cookie}; madar={amal.cookie}"
        assert come_back(product, returned, cookie=cookies).status_code == 200

        assert goodbye(socket) == (4401, "not_signed_in")
