"""POST /api/auth/logout."""

import pytest

from tests.api.looking import is_arabic, problem_in, written
from tests.product import AMAL, ROCKET, Person, Product

pytestmark = pytest.mark.standing

URL = "/api/auth/logout"


def test_cookie_and_token_of_the_session_die_and_other_sessions_live(
    product: Product, amal: Person
) -> None:
    at_home = product.sign_in(AMAL)

    answer = amal.post(URL)

    assert answer.json() == {"ok": True}
    cleared = answer.headers["set-cookie"]
    assert cleared == "madar=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    problem_in(amal.get("/api/auth/user"), 401, "not_signed_in")
    with product.anonymous(Cookie=f"madar={amal.cookie}") as http:
        problem_in(http.get("/api/auth/user"), 401, "not_signed_in")
    assert at_home.get("/api/auth/user").status_code == 200
    problem_in(amal.post(URL), 401, "not_signed_in")


def test_a_cookie_changes_things_only_from_our_own_pages(product: Product, amal: Person) -> None:
    refused = {
        "no origin": {},
        "foreign": {"Origin": "https://evil.test"},
        "null": {"Origin": "null"},
        "a prefix": {"Origin": f"{product.url}.evil.test"},
        "another port": {"Origin": "http://127.0.0.1:1"},
        "cross site": {"Sec-Fetch-Site": "cross-site"},
    }
    before = written(product)

    for headers in refused.values():
        with product.anonymous(Cookie=f"madar={amal.cookie}", **headers) as http:
            problem_in(http.post(URL), 403, "origin_refused")
            problem_in(http.post("/api/generations", json=ROCKET), 403, "origin_refused")

    assert written(product) == before
    assert amal.get("/api/auth/user").status_code == 200


def test_our_pages_and_the_listed_ones_may(product: Product) -> None:
    allowed = (
        {"Origin": product.url},
        {"Origin": "https://madar.ai"},
        {"Sec-Fetch-Site": "same-origin"},
    )
    for headers in allowed:
        person = product.sign_in(AMAL)
        with product.anonymous(Cookie=f"madar={person.cookie}", **headers) as http:
            assert http.post(URL).status_code == 200


def test_a_token_may_come_from_anywhere(amal: Person) -> None:
    answer = amal.post(URL, headers={"Origin": "https://evil.test"})

    assert answer.status_code == 200


def test_a_stranger_is_not_signed_out_with_amal(amal: Person, badr: Person) -> None:
    amal.post(URL)

    assert badr.get("/api/auth/user").status_code == 200


def test_a_refusal_speaks_arabic(product: Product, amal: Person) -> None:
    headers = {"Cookie": f"madar={amal.cookie}", "Accept-Language": "ar"}
    with product.anonymous(**headers) as http:
        answer = http.post(URL)

    assert is_arabic(problem_in(answer, 403, "origin_refused")["detail"])
