"""GET /api/auth/google/url."""

import hashlib
from urllib.parse import parse_qsl, urlsplit

from tests.api.looking import problem_in
from tests.product import Product
from tests.simulator.harness import REDIRECT_URI


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


def test_only_get_is_taken(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.post("/api/auth/google/url")

    problem_in(answer, 405, "method_not_allowed")
