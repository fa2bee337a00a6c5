"""GET /api/auth/user, and who counts as signed in."""

import base64
import json
import time
from typing import Any

import httpx
import pytest
from joserfc import jwk, jws, jwt

from tests.api.looking import is_arabic, problem_in, without_id
from tests.product import Json, Person, Product

URL = "/api/auth/user"


def claims_of(token: str) -> Json:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(claims: Json, *, secret: str, alg: str = "HS256") -> str:
    registry = jws.JWSRegistry(algorithms=[alg])
    return jwt.encode({"alg": alg}, claims, jwk.OctKey.import_key(secret), registry=registry)


def unsigned(claims: Json) -> str:
    def encoded(part: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims)}."


def ask(product: Product, **headers: str) -> httpx.Response:
    with product.anonymous(**headers) as http:
        return http.get(URL)


def test_a_person_sees_themselves_by_token_and_by_cookie(product: Product, amal: Person) -> None:
    by_token, by_cookie = amal.get(URL), ask(product, Cookie=f"madar={amal.cookie}")

    assert by_token.json() == by_cookie.json()
    assert by_token.headers["cache-control"] == "no-store"
    shown = by_token.json()
    assert shown.keys() == {"id", "email", "displayName", "avatarUrl", "language"}
    assert all(isinstance(value, str) for value in shown.values())
    assert (shown["email"], shown["displayName"], shown["language"]) == (
        *("amal@madar.test", "Amal"),
        "en",
    )


def test_the_token_says_who_and_until_when(product: Product, amal: Person) -> None:
    claims = claims_of(amal.token)

    assert claims.keys() == {"userId", "email", "sid", "iat", "exp"}
    assert claims["userId"] == amal.get(URL).json()["id"]
    [row] = product.rows("SELECT id::text, extract(epoch FROM expires_at)::int AS exp"
                         " FROM user_sessions")  # fmt: skip
    assert (claims["sid"], claims["exp"]) == (row["id"], pytest.approx(row["exp"], abs=1))


def test_no_forged_token_gets_in(product: Product, amal: Person, badr: Person) -> None:
    secret = str(product.settings.jwt_secret)
    mine, his = claims_of(amal.token), claims_of(badr.token)
    head, payload, seal = amal.token.split(".")
    forged = {
        "alg none": unsigned(mine),
        "another secret": signed(mine, secret="x" * 40),
        "another algorithm": signed(mine, secret=secret, alg="HS512"),
        "his session, my id": signed({**mine, "sid": his["sid"]}, secret=secret),
        "no session": signed({**mine, "sid": None}, secret=secret),
        "a number as session": signed({**mine, "sid": 5}, secret=secret),
        "without an end": signed({k: mine[k] for k in mine if k != "exp"}, secret=secret),
        "ended": signed({**mine, "exp": int(time.time()) - 1}, secret=secret),
        "changed": f"{head}.{payload[:-2]}AA.{seal}",
        "unsealed": f"{head}.{payload}.",
        "cut": amal.token[:-4],
        "three dots": "...",
        "the cookie": amal.cookie,
    }

    answers = {
        name: ask(product, Authorization=f"Bearer {token}") for name, token in forged.items()
    }

    for name, answer in answers.items():
        problem_in(answer, 401, "not_signed_in")
        assert without_id(answer) == without_id(answers["cut"]), name


def test_an_ended_session_is_nobody(product: Product, amal: Person) -> None:
    product.execute("UPDATE user_sessions SET expires_at = now()")

    for answer in (amal.get(URL), ask(product, Cookie=f"madar={amal.cookie}")):
        problem_in(answer, 401, "not_signed_in")


def test_other_programs_cookies_do_not_hide_ours(product: Product, amal: Person) -> None:
    others = ('theme={"dark": true}; ', "a=b,c; ", "flag; ", "=x; ", '"q; ', "")

    for other in others:
        answer = ask(product, Cookie=f"{other}madar={amal.cookie}")
        assert answer.status_code == 200, other


def test_the_token_wins_over_the_cookie(product: Product, amal: Person, badr: Person) -> None:
    cookie = f"madar={badr.cookie}"

    both = ask(product, Cookie=cookie, Authorization=f"bearer {amal.token}")
    bad = ask(product, Cookie=cookie, Authorization="Bearer x")
    basic = ask(product, Cookie=cookie, Authorization="Basic eDp5")

    assert both.json()["email"] == "amal@madar.test"
    assert bad.status_code == 401
    assert basic.json()["email"] == "badr@madar.test"


def test_a_refusal_speaks_arabic(product: Product) -> None:
    answer = ask(product, **{"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 401, "not_signed_in")["detail"])
