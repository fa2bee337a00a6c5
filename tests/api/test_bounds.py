"""How large and how slow a request may be, whatever it asks for."""

import contextlib
import json
import socket
from collections.abc import Generator, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse

import pytest
from starlette.requests import HTTPConnection as Connection

from madar.api import bounds
from madar.api.request import cookies_of
from tests.api.looking import is_arabic, problem_in, written
from tests.product import ROCKET, Person, Product

pytestmark = pytest.mark.standing

URL, UPLOADS = "/api/generations", "/api/uploads/image"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def test_an_address_of_more_than_eight_kilobytes_is_refused(amal: Person) -> None:
    amal.http.headers["Accept-Language"] = "ar"

    long = amal.get(f"{URL}?search={'x' * 8192}")
    path = amal.get("/" + "x" * 8192)
    fits = amal.get("/" + "x" * 8000)

    for answer in (long, path):
        assert is_arabic(problem_in(answer, 414, "address_too_long")["detail"])
    problem_in(fits, 404, "not_found")


def test_headers_of_more_than_sixteen_kilobytes_are_refused(amal: Person) -> None:
    one = amal.get("/api/styles", headers={"X-Long": "x" * 16_384})
    many = amal.get("/api/styles", headers={f"X-{n}": "x" * 100 for n in range(170)})
    fits = amal.get("/api/styles", headers={"X-Long": "x" * 12_000})

    for answer in (one, many):
        assert problem_in(answer, 431, "headers_too_large")["params"] == {"limit_kb": 16}
    assert fits.status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
def test_a_compressed_body_is_refused_unread(product: Product, amal: Person, coding: str) -> None:
    for path, kind in ((URL, JSON), (URL, FORM), (UPLOADS, FORM)):
        answer = amal.post(path, content=b"\x1f\x8b", headers={**kind, "Content-Encoding": coding})
        problem_in(answer, 415, "encoding_unknown")
    plain = amal.post(URL, json=ROCKET, headers={"Content-Encoding": "identity"})

    assert plain.status_code == 201
    assert written(product)["generations"] == 1


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(
    product: Product, amal: Person
) -> None:
    refused = {
        (URL, JSON["Content-Type"]): (64 * 1024, "body_too_large"),
        (URL, FORM["Content-Type"]): (10 * 2**20 + 64 * 1024, "upload_too_large"),
        (UPLOADS, FORM["Content-Type"]): (10 * 2**20 + 64 * 1024, "upload_too_large"),
        (UPLOADS, JSON["Content-Type"]): (64 * 1024, "body_too_large"),
        ("/api/user/profile", FORM["Content-Type"]): (64 * 1024, "body_too_large"),
    }
    for (path, kind), (limit, code) in refused.items():
        assert _announcing(product, amal, path, kind, limit + 1) == (413, code)


def _announcing(
    product: Product, person: Person, path: str, kind: str, length: int
) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", product.settings.port, timeout=10)) as http:
        http.putrequest("POST", path)
        http.putheader("Authorization", f"Bearer {person.token}")
        http.putheader("Content-Type", kind)
        http.putheader("Content-Length", str(length))
        http.endheaders()
        answer = http.getresponse()
        return answer.status, json.loads(answer.read())["code"]


def test_a_body_in_chunks_has_the_same_limit(product: Product, amal: Person) -> None:
    def chunks(size: int) -> Iterator[bytes]:
        for _ in range(size // 4096 + 1):
            yield b"x" * 4096

    as_json = amal.post(URL, content=chunks(64 * 1024), headers=JSON)
    as_form = amal.post(URL, content=chunks(11 * 2**20), headers=FORM)

    problem_in(as_json, 413, "body_too_large")
    assert as_form.status_code in {400, 413}  # no form at all ends it even earlier
    assert written(product)["generations"] == 0


def test_a_body_that_does_not_come_is_given_up(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "PATIENCE_S", 0.2)

    for kind in (JSON, FORM):
        with _begun(product, amal, kind["Content-Type"]) as begun:
            answer = HTTPResponse(begun)
            answer.begin()
            body = json.loads(answer.read())
            assert (answer.status, body["code"]) == (408, "body_too_slow")
            assert body["retryable"]
            assert answer.headers["Connection"] == "close"
            assert begun.recv(1) == b"", "the connection is closed"


def test_a_body_may_not_take_longer_than_its_time_at_any_pace(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "PATIENCE_S", 30)
    monkeypatch.setattr(bounds, "BODY_S", 0.3)

    with _begun(product, amal, JSON["Content-Type"]) as begun:
        answer = HTTPResponse(begun)
        answer.begin()

    assert answer.status == 408
    assert amal.post(URL, json=ROCKET).status_code == 201


@contextlib.contextmanager
def _begun(product: Product, person: Person, kind: str) -> Generator[socket.socket]:
    """A request whose body stops in the middle."""
    with socket.create_connection(("127.0.0.1", product.settings.port), timeout=10) as begun:
        head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
        begun.sendall(f"{head}Content-Type: {kind}\r\nContent-Length: 99\r\n\r\n--x".encode())
        yield begun


def test_deep_json_is_refused_as_what_it_is(amal: Person) -> None:
    for depth in (33, 900, 30_000):
        body = b'{"style":' + b"[" * depth + b"]" * depth + b"}"
        answer = amal.post(URL, content=body, headers=JSON)
        assert answer.status_code in {400, 422}
        problem_in(answer, answer.status_code, answer.json()["code"])


def test_each_type_goes_where_it_is_taken(product: Product, amal: Person) -> None:
    body = json.dumps(ROCKET).encode()
    refused = {
        "text/plain": "wrong_content_type",
        "application/x-www-form-urlencoded": "wrong_content_type",
        "application/problem+json": "wrong_content_type",
        "multipart/mixed; boundary=x": "wrong_content_type",
        "multipart/form-data-x; boundary=x": "wrong_content_type",
        "": "content_type_missing",
        ";": "content_type_missing",
    }
    for kind, code in refused.items():
        problem_in(amal.post(URL, content=body, headers={"Content-Type": kind}), 415, code)
        problem_in(amal.post(UPLOADS, content=body, headers={"Content-Type": kind}), 415, code)
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON"):
        assert amal.post(URL, content=body, headers={"Content-Type": kind}).status_code == 201
    assert written(product)["generations"] == 2


def test_of_many_faults_the_first_fifty_are_told(amal: Person) -> None:
    many = {f"{n:x}": 1 for n in range(6000)}

    body = amal.post(URL, json={**ROCKET, **many})
    query = amal.get(f"{URL}?{'&'.join(list(many)[:1500])}")

    assert len(problem_in(body, 422, "field_unknown")["errors"]) == 50
    assert len(problem_in(query, 422, "parameter_unknown")["errors"]) == 50


def test_cookies_are_taken_as_they_are_written() -> None:
    """Taking quotation marks off would be quadratic: a second for one header of backslashes."""
    lines = [b'a="\\101"; =; b', b" a = x=y ;b=1;", b'c="' + b"\\" * 14_000 + b'"']
    headers = [(b"cookie", line) for line in lines]

    read = cookies_of(Connection({"type": "http", "headers": headers}))

    assert read == {"a": "x=y", "b": "1", "": "", "c": '"' + "\\" * 14_000 + '"'}
