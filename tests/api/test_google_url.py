"""GET /api/auth/google/url."""

import hashlib
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.api.looking import is_arabic, places_in, problem_in, written
from tests.conftest import Start
from tests.domain.test_returning import FINE, HOSTILE
from tests.product import AMAL, Product
from tests.simulator.harness import REDIRECT_URI

pytestmark = pytest.mark.standing


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_the_address_leads_to_the_issuer_with_pkce(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/auth/google/url")

    told = answer.json()
    assert told.keys() == {"url", "state"}
    assert answer.headers["cache-control"] == "no-store"
    assert told["url"].startswith(f"{product.fal.url}/google/authorize?")
    query = query_of(told["url"])
    assert query.keys() == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "prompt"),
    }
    assert query["response_type"] == "code"
    assert query["client_id"] == "madar-test"
    assert query["redirect_uri"] == REDIRECT_URI
    assert query["code_challenge_method"] == "S256"
    assert query["state"] == told["state"]


def test_the_browser_gets_a_cookie_and_the_database_only_hashes(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/auth/google/url")
        cookie = http.cookies["madar-sign-in"]

    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=lax" in attributes
    assert "path=/" in attributes
    assert "max-age=600" in attributes
    [row] = product.rows("SELECT state_hash, browser_hash, nonce FROM sign_ins")
    assert row["state_hash"] == hashlib.sha256(answer.json()["state"].encode()).digest()
    assert row["browser_hash"] == hashlib.sha256(cookie.encode()).digest()
    assert f"nonce={row['nonce']}" in answer.json()["url"]


def test_each_sign_in_has_its_own_secrets(product: Product) -> None:
    with product.anonymous() as http:
        urls = [http.get("/api/auth/google/url").json()["url"] for _ in range(2)]

    first, second = (query_of(url) for url in urls)
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]


def test_a_browser_is_sent_on_at_once(product: Product) -> None:
    with product.anonymous(Accept="text/html,application/xhtml+xml") as http:
        answer = http.get("/api/auth/google/url")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{product.fal.url}/google/authorize?")
    assert "madar-sign-in" in answer.cookies


def test_where_to_go_on_is_kept_with_the_state(product: Product) -> None:
    with product.anonymous() as http:
        for path in FINE:
            answer = http.get("/api/auth/google/url", params={"returnTo": path})
            assert answer.status_code == 200
            assert path not in query_of(answer.json()["url"]).values()

    kept = product.rows("SELECT return_to FROM sign_ins ORDER BY expires_at")
    assert [row["return_to"] for row in kept] == list(FINE)


def test_no_path_to_another_site_is_kept(product: Product) -> None:
    assert len(HOSTILE) >= 40
    with product.anonymous() as http:
        for path in HOSTILE:
            answer = http.get("/api/auth/google/url", params={"returnTo": path})
            if "\0" in path:
                problem_in(answer, 422, "text_unreadable")
            else:
                body = problem_in(answer, 422, "return_to_invalid")
                assert places_in(body) == [("?returnTo", "return_to_invalid")]
            assert "set-cookie" not in answer.headers
        twice = http.get("/api/auth/google/url?returnTo=/a&returnTo=//evil.test")
        problem_in(twice, 422, "parameter_repeated")

    assert written(product)["sign_ins"] == 0


def test_a_refusal_speaks_arabic(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        answer = http.get("/api/auth/google/url", params={"returnTo": "//evil.test"})

    assert is_arabic(problem_in(answer, 422, "return_to_invalid")["detail"])


def test_without_google_nobody_new_comes_in_and_nobody_goes_out(
    start: Start, product: Product
) -> None:
    amal = product.sign_in(AMAL)
    without = start(google_issuer="http://127.0.0.1:1/google")

    with without.anonymous() as http:
        answer = http.get("/api/auth/google/url")
        known = http.get("/api/auth/user", headers={"Cookie": f"madar={amal.cookie}"})

    problem_in(answer, 503, "google_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert known.json()["email"] == AMAL
    assert written(product)["sign_ins"] == 0


def test_only_get_is_taken(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.post("/api/auth/google/url")

    problem_in(answer, 405, "method_not_allowed")
