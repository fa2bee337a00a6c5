"""Google: what is asked of it, what it may answer, and what is believed."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc.jwk import RSAKey

from madar.clients import google as client
from madar.clients import published
from madar.clients.google import Google, Identity
from madar.clients.published import MAX_LIFE_S, life_of
from madar.errors import MadarError, Unauthenticated, Unavailable
from madar.settings import Settings, load_settings

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Tell = Callable[[], Answer]

CLIENT_ID, NONCE, VERIFIER = "madar-test", "n" * 43, "v" * 64
WHO: Json = {
    "sub": "110169484474386276334",
    "email": "amal@madar.test",
    "email_verified": True,
    "name": "Amal",
    "picture": "https://lh3.googleusercontent.com/a/x",
}


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


KEY, OTHER = new_key(), new_key()
GONE: Answer = (503, {}, b"")


def encoded(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(claims: object, *, key: RSAKey = KEY, **header: object) -> str:
    """By hand, because a library would refuse to write half of these."""
    named = {"alg": "RS256", "kid": key.kid, "typ": "JWT", **header}
    head = {name: value for name, value in named.items() if value is not None}
    signing_input = f"{encoded(head)}.{encoded(claims)}"
    private = cast("rsa.RSAPrivateKey", key.private_key)
    seal = private.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signing_input}.{encoded(seal)}"


def hashed(claims: Json, secret: bytes, alg: str = "HS256") -> str:
    signing_input = f"{encoded({'alg': alg, 'kid': KEY.kid})}.{encoded(claims)}"
    seal = hmac.digest(secret, signing_input.encode(), hashlib.sha256)
    return f"{signing_input}.{encoded(seal)}"


def as_json(body: object, **headers: str) -> Answer:
    given = {"content-type": "application/json", **headers}
    return 200, given, body if isinstance(body, bytes) else json.dumps(body).encode()


@dataclass
class OddGoogle:
    """An issuer that answers whatever a test wants."""

    url: str
    keys: list[RSAKey] = field(default_factory=lambda: [KEY])
    token: str = ""
    answers: dict[str, Callable[[], Answer]] = field(
        default_factory=dict[str, Callable[[], Answer]]
    )
    asked: Counter[str] = field(default_factory=Counter[str])
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    jwks_headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def configuration(self) -> Json:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }

    @property
    def jwks(self) -> Json:
        return {"keys": [{**key.as_dict(private=False), "use": "sig"} for key in self.keys]}

    def claims(self, **others: object) -> Json:
        now = int(time.time())
        usual: Json = {"iss": self.url, "aud": CLIENT_ID, "azp": CLIENT_ID, "nonce": NONCE}
        told = {**usual, "iat": now, "exp": now + 3600, **WHO, **others}
        return {name: value for name, value in told.items() if value is not None}

    def answer(self, path: str) -> Answer:
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]()
        match path:
            case "/.well-known/openid-configuration":
                return as_json(self.configuration)
            case "/jwks":
                return as_json(self.jwks, **self.jwks_headers)
            case "/token":
                token = {"access_token": "x", "token_type": "Bearer", "expires_in": 3599}
                return as_json({**token, "id_token": self.token})
            case _:
                return 404, {}, b""


def handler_for(odd: OddGoogle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.tell(*odd.answer(urlsplit(self.path).path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            odd.forms.append(dict(parse_qsl(body, keep_blank_values=True)))
            self.tell(*odd.answer(urlsplit(self.path).path))

        def tell(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked may have given up
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def odd() -> Generator[OddGoogle]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    odd = OddGoogle(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = handler_for(odd)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    odd.token = signed(odd.claims())
    yield odd
    server.shutdown()
    thread.join()
    server.server_close()


def settings_of(odd: OddGoogle) -> Settings:
    return load_settings(
        {
            "database_url": "postgresql://x@y/z",
            "google_client_id": CLIENT_ID,
            "google_client_secret": "made-up & secret",
            "google_redirect_uri": "https://madar.ai/signed-in?x=1",
            "google_issuer": odd.url,
            "jwt_secret": "s" * 32,
            "fal_api_key": "id:secret",
            "fal_webhook_secret": "s" * 32,
        }
    )


def identify(odd: OddGoogle, google: Google | None = None, code: str = "4/code") -> Identity:
    google = google or Google(settings_of(odd))
    return asyncio.run(google.identify(code=code, code_verifier=VERIFIER, nonce=NONCE))


def outcome(odd: OddGoogle, google: Google | None = None) -> str:
    """`in`, or the code of the refusal."""
    try:
        identify(odd, google)
    except MadarError as error:
        return error.code
    return "in"


# What is asked


def test_the_address_has_pkce_nonce_and_lets_the_person_choose(odd: OddGoogle) -> None:
    google = Google(settings_of(odd))

    url = asyncio.run(google.authorization_url(state="s", nonce=NONCE, code_verifier=VERIFIER))

    assert url.startswith(f"{odd.url}/authorize?")
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": [CLIENT_ID],
        "redirect_uri": ["https://madar.ai/signed-in?x=1"],
        "scope": ["openid email profile"],
        "state": ["s"],
        "nonce": [NONCE],
        "code_challenge": [encoded(digest)],
        "code_challenge_method": ["S256"],
        "prompt": ["select_account"],
    }


def test_the_code_is_exchanged_once_with_verifier_and_secret(odd: OddGoogle) -> None:
    identify(odd, code="4/0A & b+c%20=")

    assert odd.forms == [
        {
            "grant_type": "authorization_code",
            "code": "4/0A & b+c%20=",
            "code_verifier": VERIFIER,
            "redirect_uri": "https://madar.ai/signed-in?x=1",
            "client_id": CLIENT_ID,
            "client_secret": "made-up & secret",
        }
    ]


def test_what_can_be_no_code_is_not_sent(odd: OddGoogle) -> None:
    for code in ("", "رمز", "a\n", "x" * 2049):
        with pytest.raises(Unauthenticated, match="sign_in_refused"):
            identify(odd, code=code)

    assert odd.asked == {}


def test_the_person_is_what_the_token_says(odd: OddGoogle) -> None:
    assert identify(odd) == Identity(
        subject=WHO["sub"], email=WHO["email"], name=WHO["name"], avatar_url=WHO["picture"]
    )


def test_a_name_and_a_picture_may_be_missing(odd: OddGoogle) -> None:
    odd.token = signed(odd.claims(name=None, picture=None))

    found = identify(odd)

    assert (found.name, found.avatar_url) == ("amal", None)


def test_the_library_that_goes_away_is_not_used() -> None:
    assert not [name for name in sys.modules if name.startswith("authlib.jose")]


# What is believed


def test_no_claim_that_says_something_else_is_believed(odd: OddGoogle) -> None:
    now = int(time.time())
    nothing: Json = {}
    refused: list[Json] = [
        *({"iss": iss} for iss in (None, "", 5, "accounts.google.com", client.GOOGLE)),
        *({"iss": iss} for iss in (f"{odd.url}/", f"{odd.url}.evil.test", [odd.url], odd.url[:-1])),
        *({"aud": aud} for aud in (None, "", "another", [CLIENT_ID, "another"], ["another"])),
        *({"aud": aud} for aud in (CLIENT_ID.upper(), nothing, 5, [[CLIENT_ID]], [CLIENT_ID] * 2)),
        *({"azp": azp} for azp in ("another", "", [CLIENT_ID], 5, False)),
        *({"exp": exp} for exp in (None, 1, now - 61, "never", nothing, f"{now + 99}", True)),
        *({"iat": iat} for iat in (None, now + 120, "now", nothing, now + 10**9)),
        *({"nbf": nbf} for nbf in (now + 120, "now")),
        *(
            {"nonce": nonce}
            for nonce in (None, "", "another", NONCE.upper(), [NONCE], [NONCE, "x"])
        ),
        *({"sub": sub} for sub in (None, "", 5, "x" * 256, "a b", "é", "a\n", [WHO["sub"]])),
    ]

    outcomes: list[str] = []
    for claims in refused:
        odd.token = signed(odd.claims(**claims))
        outcomes.append(outcome(odd))

    assert outcomes == ["sign_in_refused"] * len(refused)


def test_an_address_that_google_did_not_check_is_refused(odd: OddGoogle) -> None:
    unverified: list[Json] = [
        *({"email_verified": said} for said in (None, False, "true", 1, "false", [True])),
        *({"email": email} for email in (None, "", 5, ["amal@madar.test"], "\u202e\n")),
    ]
    for claims in unverified:
        odd.token = signed(odd.claims(**claims))
        assert outcome(odd) == "email_not_verified", claims


def test_what_google_may_say_is_believed(odd: OddGoogle) -> None:
    now = int(time.time())
    fine: list[Json] = [
        {"aud": [CLIENT_ID]},
        {"azp": None},
        {"exp": now - 30},
        {"iat": now + 30},
        {"hd": "madar.test", "at_hash": "x", "jti": "y", "given_name": "Amal"},
    ]
    for claims in fine:
        odd.token = signed(odd.claims(**claims))
        assert outcome(odd) == "in", claims


def test_googles_other_name_counts_for_google_alone(
    odd: OddGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd.token = signed(odd.claims(iss="accounts.google.com"))
    assert outcome(odd) == "sign_in_refused"

    monkeypatch.setattr(client, "GOOGLE", odd.url)

    assert outcome(odd) == "in"
    odd.token = signed(odd.claims(iss="https://accounts.google.com.evil.test"))
    assert outcome(odd) == "sign_in_refused"


def test_no_seal_but_googles_own_is_believed(odd: OddGoogle) -> None:
    good, mine = odd.claims(), KEY.as_pem(private=False)
    head, payload, seal = signed(good).split(".")
    others_jwk = OTHER.as_dict(private=False)
    forged = {
        "none": f"{encoded({'alg': 'none'})}.{payload}.",
        "none, sealed": f"{encoded({'alg': 'none', 'kid': KEY.kid})}.{payload}.{seal}",
        "HS256 with the public key": hashed(good, mine),
        "HS256 called RS256": hashed(good, mine, alg="RS256"),
        "RS512": signed(good, alg="RS512"),
        "PS256": signed(good, alg="PS256"),
        "no algorithm": signed(good, alg=None),
        "a list of algorithms": signed(good, alg=["RS256"]),
        "another key": signed(good, key=OTHER, kid=KEY.kid),
        "an unknown key": signed(good, key=OTHER),
        "embedded key": signed(good, key=OTHER, jwk=others_jwk),
        "embedded key, our kid": signed(good, key=OTHER, jwk=others_jwk, kid=KEY.kid),
        "address of keys": signed(good, key=OTHER, jku=f"{odd.url}/evil", kid=KEY.kid),
        "certificate": signed(good, key=OTHER, x5u=f"{odd.url}/evil", kid=KEY.kid),
        "chain": signed(good, key=OTHER, x5c=["AAAA"], kid=KEY.kid),
        "crit": signed(good, crit=["exp"], exp=1),
        "crit, unknown": signed(good, crit=["x"], x=1),
        "kid no text": signed(good, kid=5),
        "unencoded": signed(good, b64=False, crit=["b64"]),
        "changed": f"{head}.{payload[:-4]}AAAA.{seal}",
        "unsealed": f"{head}.{payload}.",
        "cut": f"{head}.{payload}.{seal[:-4]}",
        "two parts": f"{head}.{payload}",
        "four parts": f"{head}.{payload}.{seal}.x",
        "five parts": f"{head}.{payload}.{seal}.x.y",
        "not letters": "\u2028.é.\x00",
        "empty": "",
        "claims a list": signed([good]),
        "claims no JSON": signed(b"{"),
        "claims nested deeply": signed(b"[" * 9000),
        "header nested deeply": f"{encoded(b'[' * 9000)}.{payload}.{seal}",
        "a megabyte": signed({**good, "x": "x" * 1_000_000}),
    }

    outcomes: dict[str, str] = {}
    for name, token in forged.items():
        odd.token = token
        outcomes[name] = outcome(odd)

    assert outcomes == dict.fromkeys(forged, "sign_in_refused")
    assert odd.asked["/evil"] == 0


def test_a_key_in_the_token_is_not_looked_at(odd: OddGoogle) -> None:
    """It may be there: the published key made the seal, and nothing else was asked."""
    embedded: tuple[Json, ...] = (
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": f"{odd.url}/evil"},
        {"x5u": f"{odd.url}/evil"},
    )
    for header in embedded:
        odd.token = signed(odd.claims(), **header)
        assert outcome(odd) == "in", header
    assert odd.asked["/evil"] == 0


# What is remembered


def test_discovery_and_keys_are_asked_for_once(odd: OddGoogle) -> None:
    google = Google(settings_of(odd))

    for _ in range(5):
        assert outcome(odd, google) == "in"

    assert odd.asked == {"/.well-known/openid-configuration": 1, "/jwks": 1, "/token": 5}


def test_a_new_key_is_fetched_when_it_appears(
    odd: OddGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "REFETCH_S", 0)
    google = Google(settings_of(odd))
    assert outcome(odd, google) == "in"

    odd.keys, odd.token = [OTHER, KEY], signed(odd.claims(), key=OTHER)

    assert outcome(odd, google) == "in"
    assert odd.asked["/jwks"] == 2


def test_keys_nobody_has_cost_one_question_a_minute(odd: OddGoogle) -> None:
    google = Google(settings_of(odd))
    odd.token = signed(odd.claims(), key=OTHER)

    outcomes = {outcome(odd, google) for _ in range(10)}

    assert outcomes == {"sign_in_refused"}
    assert odd.asked["/jwks"] == 1


def test_keys_are_kept_as_long_as_google_says(
    odd: OddGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "REFETCH_S", 0)
    google = Google(settings_of(odd))
    for cache_control, asked in (("max-age=0", 1), ("public, max-age=600", 2), ("", 2)):
        odd.jwks_headers = {"cache-control": cache_control}
        assert outcome(odd, google) == "in"
        assert odd.asked["/jwks"] == asked


def test_a_life_is_read_from_the_header() -> None:
    assert life_of("public, max-age=19800, must-revalidate, no-transform") == 19800
    assert life_of("Max-Age=5") == 5
    assert life_of("max-age=99999999") == MAX_LIFE_S
    assert life_of("max-age=600, no-store") == life_of("no-cache") == 0
    assert life_of("") == life_of("s-maxage=5") == life_of("max-age=-1") == 3600


def test_old_keys_serve_while_google_does_not_publish_any(
    odd: OddGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "REFETCH_S", 0)
    monkeypatch.setattr(published, "REFRESH_TIMEOUT_S", 0.2)
    odd.jwks_headers = {"cache-control": "max-age=0"}
    google = Google(settings_of(odd))
    assert outcome(odd, google) == "in"
    hold = threading.Event()

    def never() -> Answer:
        hold.wait(20)
        return GONE

    aways: tuple[Tell, ...] = (lambda: GONE, lambda: as_json({"keys": "none"}), never)
    for away in aways:
        odd.answers["/jwks"] = away
        assert outcome(odd, google) == "in"
    hold.set()
    monkeypatch.setattr(published, "MAX_LIFE_S", 0)
    del odd.answers["/jwks"]
    assert outcome(odd, google) == "in"
    odd.answers["/jwks"] = lambda: GONE

    assert outcome(odd, google) == "google_unavailable", "a day later nothing old is believed"


def test_keys_of_another_kind_do_not_disturb(odd: OddGoogle) -> None:
    others: list[Json] = [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"},
        {"kty": "oct", "k": "AAAA"},
    ]
    odd.answers["/jwks"] = lambda: as_json({"keys": [*others, *odd.jwks["keys"]]})

    assert outcome(odd) == "in"


# When Google is not itself


def test_a_discovery_of_another_issuer_is_refused(odd: OddGoogle) -> None:
    found = odd.configuration
    spoilt: tuple[Any, ...] = (
        {**found, "issuer": "https://evil.test"},
        {**found, "issuer": f"{odd.url}/"},
        {**found, "issuer": None},
        {**found, "token_endpoint": None},
        {**found, "token_endpoint": "file:///etc/passwd"},
        {name: found[name] for name in found if name != "jwks_uri"},
        None,
        "x",
    )
    for body in spoilt:
        odd.answers["/.well-known/openid-configuration"] = lambda body=body: as_json(body)
        assert outcome(odd) == "google_unavailable", body
    assert odd.asked["/token"] == 0


def test_down_or_garbage_is_said_to_be_so_and_nothing_is_repeated(odd: OddGoogle) -> None:
    token = {"access_token": "x", "token_type": "Bearer"}
    answers: list[Answer] = [
        *((status, {}, b"") for status in (302, 404, 429, 500, 502, 503)),
        (302, {"location": f"{odd.url}/evil"}, b""),
        (500, {"content-type": "application/json"}, b'{"error": "invalid_grant"}'),
        (401, {"content-type": "application/json"}, b'{"error": "invalid_client"}'),
        (400, {"content-type": "application/json"}, b'{"error": ["x"]}'),
        (200, {"content-encoding": "gzip"}, b"not gzip"),
        *(as_json(body) for body in (b"", b"null", b"[]", b"5", b"<html>", b"\xff", b"[" * 50_000)),
        *(as_json(body) for body in ({}, token, {**token, "id_token": 5})),
        as_json({**token, "id_token": odd.token, "expires_in": "soon"}),
    ]
    for number, answer in enumerate(answers, 1):
        odd.answers["/token"] = lambda answer=answer: answer
        assert outcome(odd) == "google_unavailable", answer
        assert odd.asked["/token"] == number
    assert odd.asked["/evil"] == 0


def test_a_code_that_google_refuses_is_the_persons_to_repeat(odd: OddGoogle) -> None:
    body = b'{"error": "invalid_grant", "error_description": "Malformed auth code."}'
    odd.answers["/token"] = lambda: (400, {"content-type": "application/json"}, body)

    with pytest.raises(Unauthenticated, match="sign_in_refused"):
        identify(odd)


def test_nobody_waits_longer_than_the_deadline(
    odd: OddGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.DEADLINE_S == 8
    assert client.TIMEOUT.connect == 3
    monkeypatch.setattr(client, "DEADLINE_S", 0.2)
    hold = threading.Event()

    def never() -> Answer:
        hold.wait(20)
        return GONE

    for path in ("/token", "/jwks", "/.well-known/openid-configuration"):
        odd.answers = {path: never}
        with pytest.raises(Unavailable) as away:
            identify(odd)
        assert away.value.retry_after_s
    hold.set()


def test_nobody_at_home_is_said_to_be_so(odd: OddGoogle) -> None:
    gone = OddGoogle("http://127.0.0.1:1")

    assert outcome(gone) == "google_unavailable"
    assert odd.asked == {}
