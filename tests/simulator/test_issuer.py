"""The local Google: one good sign-in, and every way it refuses a bad one."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwk, jwt
from joserfc.errors import InvalidKeyIdError

from tests.simulator.harness import GOOGLE, REDIRECT_URI, Fal, Json

_VERIFIER = "v" * 64
_CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
_ASKED = {
    "client_id": GOOGLE.client_id,
    "redirect_uri": REDIRECT_URI,
    "response_type": "code",
    "scope": "openid email profile",
    "state": "state-1",
    "nonce": "nonce-1",
    "code_challenge": _CHALLENGE,
    "code_challenge_method": "S256",
}


def _authorize(fal: Fal, **changes: str | None) -> httpx.Response:
    query = {name: value for name, value in {**_ASKED, **changes}.items() if value is not None}
    return fal.http.get("/google/authorize", params=query)


def _answered(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 302
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == REDIRECT_URI
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def _code(fal: Fal, email: str = "amal@madar.test") -> str:
    return _answered(_authorize(fal, login_hint=email))["code"]


def _exchange(fal: Fal, code: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "client_id": GOOGLE.client_id,
        "client_secret": GOOGLE.client_secret,
        "code_verifier": _VERIFIER,
        **changes,
    }
    return fal.http.post("/google/token", data=form)


def _claims(fal: Fal, id_token: str) -> Json:
    keys = jwk.KeySet.import_key_set(fal.http.get("/google/jwks").json())
    return dict(jwt.decode(id_token, keys, algorithms=["RS256"]).claims)


def test_signs_amal_in_with_a_token_that_verifies(fal: Fal) -> None:
    configuration = fal.http.get("/google/.well-known/openid-configuration").json()
    answer = _answered(_authorize(fal, login_hint="amal@madar.test"))

    tokens = _exchange(fal, answer["code"])

    assert answer["state"] == "state-1"
    assert tokens.headers["cache-control"] == "no-store"
    claims = _claims(fal, tokens.json()["id_token"])
    assert claims["iss"] == configuration["issuer"] == f"{fal.url}/google"
    assert claims["aud"] == GOOGLE.client_id
    assert (claims["email"], claims["email_verified"]) == ("amal@madar.test", True)
    assert (claims["name"], claims["nonce"]) == ("Amal", "nonce-1")
    assert claims["exp"] - claims["iat"] == 3600
    userinfo = fal.http.get(
        "/google/userinfo", headers={"Authorization": f"Bearer {tokens.json()['access_token']}"}
    )
    assert userinfo.json()["sub"] == claims["sub"]


def test_a_subject_belongs_to_an_address(fal: Fal) -> None:
    def subject(email: str) -> str:
        return _claims(fal, _exchange(fal, _code(fal, email)).json()["id_token"])["sub"]

    assert subject("amal@madar.test") == subject("AMAL@madar.test")
    assert subject("amal@madar.test") != subject("badr@madar.test")


def test_the_client_may_use_basic_authentication(fal: Fal) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": _code(fal),
        "redirect_uri": REDIRECT_URI,
        "code_verifier": _VERIFIER,
    }

    answer = fal.http.post(
        "/google/token", data=form, auth=(GOOGLE.client_id, GOOGLE.client_secret)
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"redirect_uri": f"{REDIRECT_URI}/"},
        {"redirect_uri": "https://evil.test/"},
        {"redirect_uri": None},
    ],
)
def test_who_is_not_known_is_never_redirected(fal: Fal, changes: dict[str, str | None]) -> None:
    answer = _authorize(fal, login_hint="amal@madar.test", **changes)

    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"state": None}, "invalid_request"),
        ({"nonce": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)
def test_a_bad_request_is_told_to_the_client(
    fal: Fal, changes: dict[str, str | None], error: str
) -> None:
    answer = _answered(_authorize(fal, login_hint="amal@madar.test", **changes))

    assert answer["error"] == error
    assert "code" not in answer


@pytest.mark.parametrize(
    ("changes", "status_code", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "another"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"code": "4/none"}, 400, "invalid_grant"),
        ({"redirect_uri": "http://localhost:8000/"}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 64}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"code_verifier": _CHALLENGE}, 400, "invalid_grant"),
    ],
)
def test_a_bad_exchange_is_refused(
    fal: Fal, changes: dict[str, str], status_code: int, error: str
) -> None:
    code = _code(fal)

    answer = _exchange(fal, **{"code": code, **changes})

    assert (answer.status_code, answer.json()["error"]) == (status_code, error)


def test_a_code_works_once(fal: Fal) -> None:
    code = _code(fal)

    assert _exchange(fal, code).status_code == 200
    assert _exchange(fal, code).json()["error"] == "invalid_grant"


def test_a_wrong_verifier_uses_the_code_up(fal: Fal) -> None:
    code = _code(fal)

    _exchange(fal, code, code_verifier="w" * 64)

    assert _exchange(fal, code).json()["error"] == "invalid_grant"


def test_claims_can_be_spoilt_once(fal: Fal) -> None:
    spoilt = {"claims": {"aud": ["a", "b"], "nonce": None, "email_verified": False}}
    fal.http.put("/google/faults", json=spoilt).raise_for_status()

    first, second = (_claims(fal, _exchange(fal, _code(fal)).json()["id_token"]) for _ in range(2))

    assert (first["aud"], first["email_verified"]) == (["a", "b"], False)
    assert "nonce" not in first
    assert (second["aud"], second["nonce"]) == (GOOGLE.client_id, "nonce-1")


def test_after_a_rotation_old_key_sets_do_not_do(fal: Fal) -> None:
    before = jwk.KeySet.import_key_set(fal.http.get("/google/jwks").json())
    old_token = _exchange(fal, _code(fal)).json()["id_token"]

    fal.http.put("/google/rotate").raise_for_status()

    new_token = _exchange(fal, _code(fal)).json()["id_token"]
    with pytest.raises(InvalidKeyIdError):
        jwt.decode(new_token, before, algorithms=["RS256"])
    assert _claims(fal, new_token)["email"] == _claims(fal, old_token)["email"]


@pytest.mark.parametrize(
    ("accepted", "language", "direction", "title"),
    [
        ("en-GB,en;q=0.9", "en", "ltr", "Local sign-in (stands in for Google)"),
        ("fr, ar-EG;q=0.8, en;q=0.5", "ar", "rtl", "تسجيل دخول محلي"),
        ("fr", "en", "ltr", "Local sign-in"),
    ],
)
def test_the_page_speaks_the_readers_language(
    fal: Fal, accepted: str, language: str, direction: str, title: str
) -> None:
    query: Any = _ASKED
    answer = fal.http.get("/google/authorize", params=query, headers={"Accept-Language": accepted})

    assert answer.status_code == 200
    assert f'<html lang="{language}" dir="{direction}">' in answer.text
    assert title in answer.text
    assert answer.headers["content-language"] == language
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://localhost:8000;" in policy
    assert "<script" not in answer.text


def test_somebody_else_brings_a_name(fal: Fal) -> None:
    answer = _answered(_authorize(fal, login_hint="sara@example.org", name="Sara"))

    claims = _claims(fal, _exchange(fal, answer["code"]).json()["id_token"])

    assert (claims["email"], claims["name"]) == ("sara@example.org", "Sara")


def test_what_is_no_address_is_asked_again(fal: Fal) -> None:
    answer = _authorize(fal, login_hint='"><script>', state='"><script>')

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "<script" not in answer.text
