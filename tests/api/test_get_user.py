"""GET /api/auth/user, and who counts as signed in."""

import base64
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwk, jws, jwt

from tests.api.looking import is_arabic, problem_in, without_id
from tests.product import Json, Person, Product

pytestmark = pytest.mark.standing

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
    [row] = product.rows("SELECT id::text, extract(epoch FROM ends_at)::int AS exp"
                         " FROM user_sessions")  # fmt: skip
    assert (claims["sid"], claims["exp"]) == (row["id"], pytest.approx(row["exp"], abs=1))


def test_no_forged_token_gets_in(product: Product, amal: Person) -> None:
    secret = str(product.settings.jwt_secret)
    mine = claims_of(amal.token)
    head, payload, seal = amal.token.split(".")
    forged = {
        "alg none": unsigned(mine),
        "another secret": signed(mine, secret="x" * 40),
        "another algorithm": signed(mine, secret=secret, alg="HS512"),
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


ALGORITHMS: tuple[Any, ...] = (
    *("none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256"),
    *("hs256", "HS256 ", "dir", "A128KW", None, 5, ["HS256"], {}),
)
ODD: tuple[Any, ...] = (None, "", "never", [], True)


def forgeries(token: str, claims: Json, secret: str) -> dict[str, str]:
    """By what was done to it: five hundred tokens that look like Amal's."""
    head, payload, seal = token.split(".")
    header: Json = json.loads(base64.urlsafe_b64decode(head + "=="))
    made: dict[str, str] = {}
    for part, text in enumerate((head, payload, seal)):
        # Not the last one: some of its bits stand for nothing.
        for place in range(0, len(text) - 1, max(1, len(text) // 80)):
            for letter in "AZ9_":
                parts = [head, payload, seal]
                parts[part] = text[:place] + letter + text[place + 1 :]
                made[f"letter {place} of part {part} is {letter}"] = ".".join(parts)
        for length in (0, 1, len(text) // 2, len(text) - 1):
            parts = [head, payload, seal]
            parts[part] = text[:length]
            made[f"part {part} cut at {length}"] = ".".join(parts)
        made[f"part {part} twice"] = ".".join([*(head, payload, seal), text])
    for alg in ALGORITHMS:
        made[f"alg {alg}, sealed"] = by_hand({**header, "alg": alg}, claims, secret.encode())
        made[f"alg {alg}, unsealed"] = by_hand({**header, "alg": alg}, claims, None)
    for other in ("", "x", "secret", secret.upper(), secret[:-1], f"{secret} ", "0" * 32, "\0"):
        made[f"secret {other!r}"] = by_hand(header, claims, other.encode())
        for name in ("kid", "jku", "jwk", "x5u", "x5c", "x5t"):
            key = {"kty": "oct", "k": base64.urlsafe_b64encode(other.encode()).decode()}
            value = key if name == "jwk" else [other] if name == "x5c" else other
            made[f"{name} with {other!r}"] = by_hand(
                {**header, name: value}, claims, other.encode()
            )
    soon, others = int(time.time()) + 600, (f"{claims['sid']} ", [claims["sid"]], str(uuid4()))
    changes: list[Json] = [
        *({"exp": exp} for exp in (*ODD, 0, -1, 1, soon - 601)),
        *({"sid": sid} for sid in (*ODD, *others)),
        *({"nbf": nbf} for nbf in (soon, "never")),
        *({"iat": iat} for iat in (soon, "never")),
    ]
    for change in changes:
        made[f"claims {change}"] = by_hand(header, {**claims, **change}, secret.encode())
    for name in ("exp", "sid"):
        without = {key: value for key, value in claims.items() if key != name}
        made[f"without {name}"] = by_hand(header, without, secret.encode())
    for body in (b"", b"null", b"[]", b"5", b"{", b"[" * 9000, b'"x"', b"\xff"):
        made[f"payload {body[:9]!r}"] = by_hand(header, body, secret.encode())
        made[f"header {body[:9]!r}"] = by_hand(body, claims, secret.encode())
    made["crit"] = by_hand({**header, "crit": ["x"], "x": 1}, claims, secret.encode())
    made["unencoded"] = by_hand({**header, "crit": ["b64"], "b64": False}, claims, secret.encode())
    for text in ("x", ".", "..", "...", "....", "null", "a.b.c", "é.é.é", f"{token}.", f".{token}"):
        made[f"text {text[:9]}"] = text
    return {name: text for name, text in made.items() if text != token}


def by_hand(header: Any, claims: Any, secret: bytes | None) -> str:
    """A library would refuse to write half of these."""

    def encoded(part: Any) -> str:
        text = part if isinstance(part, bytes) else json.dumps(part).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    signing_input = f"{encoded(header)}.{encoded(claims)}"
    seal = b"" if secret is None else hmac.digest(secret, signing_input.encode(), "sha256")
    return f"{signing_input}.{encoded(seal)}"


def test_five_hundred_forged_tokens_get_one_answer(product: Product, amal: Person) -> None:
    secret = str(product.settings.jwt_secret)
    made = forgeries(amal.token, claims_of(amal.token), secret)
    assert len(made) >= 500

    with product.anonymous() as http:
        first = without_id(http.get(URL))
        for name, token in made.items():
            answer = http.get(URL, headers=[(b"authorization", f"Bearer {token}".encode())])
            problem_in(answer, 401, "not_signed_in")
            assert without_id(answer) == first, name
            assert answer.headers["www-authenticate"] == "Bearer"
    assert amal.get(URL).status_code == 200


def test_no_cookie_but_the_own_one_is_anybodys(product: Product, amal: Person) -> None:
    [row] = product.rows("SELECT session_token, id::text FROM user_sessions")
    cookie = amal.cookie
    made = {
        *(cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
          for place in range(len(cookie))),
        *(cookie[:length] for length in range(1, len(cookie))),
        *(row["session_token"].hex(), row["id"], amal.token, cookie.swapcase(), cookie * 2),
        *(base64.urlsafe_b64encode(row["session_token"]).decode(), "null", "0", "%", "' OR 1=1"),
    }  # fmt: skip
    assert len(made) >= 90

    with product.anonymous() as http:
        first = without_id(http.get(URL))
        for text in made:
            answer = http.get(URL, headers={"Cookie": f"madar={text}"})
            problem_in(answer, 401, "not_signed_in")
            assert without_id(answer) == first, text


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
