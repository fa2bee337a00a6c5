"""Strings that break programs, at every place that takes one, as no client would send them."""

import contextlib
import socket
from http.client import HTTPResponse

import pytest

from tests.fuzz.strings import Hostile, hostile
from tests.product import Person, Product

WAIT_S = 20


def answer_to(product: Product, request: Hostile, token: str) -> tuple[int, str]:
    """Status and media type; 0 where the connection was closed without a word."""
    address = ("127.0.0.1", product.settings.port)
    with socket.create_connection(address, timeout=WAIT_S) as line:
        # Refused before all of it was sent: the answer is there all the same.
        with contextlib.suppress(ConnectionError):
            line.sendall(request.wire(token))
        answer = HTTPResponse(line, method=request.method)
        try:
            answer.begin()
            answer.read()
        except OSError:
            return 0, ""
        return answer.status, answer.getheader("content-type", "") or ""


def test_no_string_breaks_anything(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    requests = list(hostile(amal.create()["id"]))
    answers = {one.name: answer_to(product, one, amal.token) for one in requests}

    assert len(answers) == len(requests) > 3000
    assert {name: told for name, told in answers.items() if told[0] >= 500} == {}
    refused = {name: told for name, told in answers.items() if told[0] >= 400}
    # What is no HTTP at all never reaches us: the server refuses it by itself.
    ours = {name for name, told in refused.items() if told[1] == "application/problem+json"}
    assert {refused[name] for name in refused.keys() - ours} <= {(400, "text/plain; charset=utf-8")}
    assert len(ours) > 0.8 * len(refused)
    assert [line.message for line in caplog.records if line.levelname == "ERROR"] == []
    assert amal.get("/api/auth/user").status_code == 200
