"""What holds for every address: unknown ones, wrong methods, request ids, CORS."""

import socket
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.api.looking import is_arabic, problem_in, without_id
from tests.product import Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

LISTED, UNKNOWN = "https://madar.ai", "https://evil.test"


def test_unknown_addresses_are_problem_documents(product: Product) -> None:
    paths = ("/x", "/api", "/api/generations/", "/api//styles", "/previews/x.webp", "/previews/%00")
    with product.anonymous() as http:
        answers = [http.get(path) for path in (*paths, "/previews/..%2f..%2fsettings.py")]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])


def test_the_type_of_a_problem_is_an_address_with_its_explanation(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        address, _, code = http.get("/x").json()["type"].partition("#")
        page = http.get(address)

    assert page.status_code == 200
    assert f'<dt id="{code}">' in page.text
    assert 'lang="ar" dir="rtl"' in page.text
    assert is_arabic(page.text)


def test_a_wrong_method_is_told_the_right_ones(product: Product) -> None:
    allowed = {
        "/api/auth/google/url": {"GET", "HEAD"},
        "/api/auth/google/callback": {"GET", "HEAD", "POST"},
        "/api/auth/user": {"GET", "HEAD"},
        "/api/auth/logout": {"POST"},
        "/api/generations": {"GET", "HEAD", "POST"},
        "/api/generations/x": {"GET", "HEAD", "PATCH", "DELETE"},
        "/api/user": {"DELETE"},
        "/api/user/profile": {"GET", "HEAD", "PATCH"},
        "/api/generations/x/download": {"GET", "HEAD"},
        "/api/uploads/image": {"POST"},
        "/api/styles": {"GET", "HEAD"},
        "/api/health": {"GET", "HEAD"},
        "/api/webhooks/fal": {"POST"},
        "/files/x": {"GET", "HEAD"},
        "/": {"GET", "HEAD"},
    }
    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        answers = {path: http.put(path) for path in allowed}

    for path, answer in answers.items():
        body = problem_in(answer, 405, "method_not_allowed")
        assert is_arabic(body["detail"])
        assert "PUT" in body["detail"]
        assert set(answer.headers["allow"].split(", ")) == allowed[path], path


def test_a_usable_request_id_is_echoed_and_another_replaced(product: Product) -> None:
    given = {
        "0123456789abcdef": True,
        "a_b-C" * 12: True,
        "short": False,
        "x" * 65: False,
        "spaces in it": False,
        '"><script>': False,
    }
    with product.anonymous() as http:
        for request_id, is_kept in given.items():
            for path in ("/api/health", "/x"):
                answer = http.get(path, headers={"X-Request-Id": request_id})
                echoed = answer.headers["x-request-id"]
                assert (echoed == request_id) == is_kept
                assert len(echoed) >= 8
        ids = {http.get("/api/health").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_listed_origin_may_read_answers_and_refusals(product: Product, amal: Person) -> None:
    asked = {
        "/api/generations": 200,
        "/api/generations/x": 404,
        "/api/generations?page=0": 422,
        "/x": 404,
    }
    for path, status in asked.items():
        answer = amal.get(path, headers={"Origin": LISTED})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == LISTED
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]
        exposed = answer.headers["access-control-expose-headers"]
        assert {"X-Request-Id", "Retry-After", "Location"} <= set(exposed.split(", "))
    with product.anonymous(Origin=LISTED) as http:
        refused = http.post("/api/generations", content=b"x" * 70_000)
        assert refused.status_code == 413
        assert refused.headers["access-control-allow-origin"] == LISTED


def test_an_unknown_origin_may_read_nothing(amal: Person) -> None:
    for origin in (UNKNOWN, "null", "https://madar.ai.evil.test", "http://madar.ai"):
        answer = amal.get("/api/generations", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_a_browser_asks_before_it_sends(product: Product) -> None:
    wants = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, idempotency-key, authorization",
    }
    with product.anonymous() as http:
        yes = http.options("/api/generations", headers={**wants, "Origin": LISTED})
        no = http.options("/api/generations", headers={**wants, "Origin": UNKNOWN})

    assert yes.status_code == 200
    assert yes.headers["access-control-allow-origin"] == LISTED
    assert yes.headers["access-control-max-age"] == "600"
    assert no.status_code == 400
    assert "access-control-allow-origin" not in no.headers


def test_home_greets_in_both_languages_and_shows_no_markup_of_a_name(product: Product) -> None:
    person = product.sign_in("huda@madar.test", **{"Accept-Language": "ar"})
    product.execute("UPDATE users SET display_name = '<b>Huda</b>'")

    with product.anonymous() as http:
        signed_out = http.get("/")
        signed_in = http.get("/", headers={"Cookie": f"madar={person.cookie}"})

    assert 'lang="en" dir="ltr"' in signed_out.text
    assert 'lang="ar" dir="rtl"' in signed_in.text
    assert "&lt;b&gt;Huda&lt;/b&gt;" in signed_in.text
    assert signed_in.headers["content-security-policy"] == "default-src 'none'"


def test_a_content_length_of_many_zeros_is_a_number(product: Product) -> None:
    with closing(HTTPConnection("127.0.0.1", product.settings.port, timeout=10)) as http:
        http.putrequest("POST", "/api/generations")
        http.putheader("Content-Type", "application/json")
        http.putheader("Content-Length", "0" * 5000 + "2")
        http.endheaders(b"{}")

        assert http.getresponse().status == 401


def test_the_frontends_dev_server_may_call_a_laptop(product: Product) -> None:
    with product.anonymous(Origin="http://localhost:3000") as http:
        answer = http.get("/api/styles")

    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.alone
def test_our_own_mistake_is_a_problem_document_too(product: Product) -> None:
    product.execute("ALTER TABLE generation_styles RENAME TO somewhere_else")

    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        answer = http.get("/api/styles")

    body = problem_in(answer, 500, "internal")
    assert is_arabic(body["detail"])


def test_a_client_that_leaves_is_not_our_failure(
    product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        with socket.create_connection(("127.0.0.1", product.settings.port)) as line:
            head = "POST /api/auth/google/callback HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
            line.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())

        eventually(lambda: "request.abandoned" in caplog.messages or None)

    assert not [line for line in caplog.records if line.levelname == "ERROR"]
