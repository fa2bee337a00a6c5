"""Pages of other sites: what they may change (nothing) and read (nothing), in production."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from madar.actions.sessions import token_hash
from madar.api.operations import Operation
from madar.api.request import SAFE_METHODS, FormModel, make_token
from madar.api.routes import resources
from madar.db.sessions import Viewer
from madar.settings import SettingsFault
from tests.conftest import Start
from tests.imaging.pictures import photo, png
from tests.product import ROCKET, Json, Product

APP, FRONTEND, LISTED = "https://api.madar.test", "https://madar.test", "https://madar.ai"
PRODUCTION: Json = {
    "app_env": "production",
    "app_url": APP,
    "frontend_url": FRONTEND,
    "cors_origins": LISTED,
    "google_issuer": "https://google.test",
    "google_redirect_uri": f"{APP}/api/auth/google/callback",
    "fal_queue_url": "https://fal.test",
    "fal_api_url": "https://fal.test",
    "fal_jwks_url": "https://fal.test/jwks",
    "fal_media_hosts": "fal.media",
    "fal_account_id": "user_1",
}

Headers = list[tuple[str, str]]

OURS: dict[str, Headers] = {
    "our own": [("Origin", APP)],
    "the frontend": [("Origin", FRONTEND)],
    "a listed one": [("Origin", LISTED)],
    "a listed one of another site": [("Origin", LISTED), ("Sec-Fetch-Site", "cross-site")],
    "none, but the browser says same origin": [("Sec-Fetch-Site", "same-origin")],
}
OTHERS: dict[str, Headers] = {
    "none": [],
    "none, but a referrer": [("Referer", f"{APP}/x")],
    **{
        f"none, but fetched {site}": [("Sec-Fetch-Site", site)]
        for site in ("same-site", "cross-site", "none", "Same-Origin", "")
    },
    **{
        f"origin {origin}": [("Origin", origin)]
        for origin in (
            *("https://evil.test", "null", "", "*", "file://", "https://", "https://madar.ai."),
            *("https://madar.ai.evil.test", "https://evilmadar.ai", "https://sub.madar.ai"),
            *("https://madar.ai:443", "https://madar.ai:8443", "http://madar.ai", "madar.ai"),
            *("https://madar.ai/", "https://MADAR.AI", "https://madar.ai@evil.test"),
            *("https://madar.ai%00.evil.test", "https://madar.ai, https://evil.test", APP + "/"),
            *("http://localhost", "http://localhost:3000", "http://127.0.0.1:8000"),
            *("https://madar-ai.vercel.app.evil.test", "https://x-madar-ai.vercel.app"),
            *("chrome-extension://abcdefghijklmnop", "http://api.madar.test"),
        )
    },
    "foreign, fetched same-origin": [
        ("Origin", "https://evil.test"),
        ("Sec-Fetch-Site", "same-origin"),
    ],
    "two at once": [("Origin", LISTED), ("Origin", "https://evil.test")],
    "foreign, ours as referrer": [("Origin", "https://evil.test"), ("Referer", f"{APP}/")],
}
CREDENTIALS = ("none", "cookie", "bearer", "both")
URL_ENCODED = "application/x-www-form-urlencoded"
TYPES = ("application/json", "multipart/form-data", "text/plain", URL_ENCODED)
# What an operation answers when it may do its work, where that is not 200.
STATUSES = {
    ("DELETE", "/api/auth/sessions"): 204,
    ("DELETE", "/api/auth/sessions/{id}"): 204,
    ("POST", "/api/generations"): 201,
    ("DELETE", "/api/generations/{id}"): 204,
    ("POST", "/api/generations/{id}/retry"): 201,
    ("POST", "/api/live/ticket"): 201,
    ("DELETE", "/api/trash"): 204,
    ("DELETE", "/api/trash/{id}"): 204,
    ("DELETE", "/api/user"): 202,
    ("POST", "/api/uploads/image"): 201,
    ("POST", "/api/auth/google/callback"): 401,  # there is no such state
    ("POST", "/api/webhooks/fal"): 401,  # and no such signature
}
BODIES: dict[str, Json] = {
    "/api/auth/google/callback": {"code": "x", "state": "y"},
    "/api/generations": ROCKET,
    "/api/generations/{id}": {"isLiked": True},
    "/api/user/profile": {"displayName": "Amal"},
}
PNG = png(photo(8, 8))


@dataclass(frozen=True, kw_only=True)
class Unsafe:
    verb: str
    path: str
    operation: Operation

    @property
    def is_about_somebody(self) -> bool:
        return self.operation.is_signed_in

    def takes(self, content_type: str) -> bool:
        if not self.operation.bodies:
            return True
        kinds = {TYPES[issubclass(model, FormModel)] for model in self.operation.bodies}
        return content_type in kinds


UNSAFE = [
    Unsafe(verb=verb, path=resource.path, operation=operation)
    for resource in resources
    for verb, operation in resource.operations.items()
    if verb not in SAFE_METHODS
]


@dataclass(frozen=True, kw_only=True)
class Person:
    cookie: str
    bearer: str
    generation: UUID
    failed_generation: UUID
    trashed_generation: UUID
    other_session: UUID

    def shows(self, credential: str) -> Headers:
        cookie = [("Cookie", f"__Host-madar={self.cookie}; __Host-madar-sign-in={'x' * 43}")]
        bearer = [("Authorization", f"Bearer {self.bearer}")]
        return {"none": [], "cookie": cookie, "bearer": bearer, "both": [*cookie, *bearer]}[
            credential
        ]


_numbers = itertools.count()


def somebody(conn: psycopg.Connection[Any], product: Product) -> Person:
    """Signed in, twice, with one picture: without Google, which production wants over HTTPS."""
    cookie = f"cookie-{next(_numbers)}"
    [row] = conn.execute(
        b"WITH u AS (INSERT INTO users (google_id, email, display_name, avatar_url)"
        b" VALUES (%(name)s, 'amal@madar.test', 'Amal', '') RETURNING id), s AS ("
        b" INSERT INTO user_sessions (user_id, session_token, expires_at, ends_at)"
        b" SELECT id, token, now() + interval '1 day', now() + interval '1 day'"
        b" FROM u, unnest(%(tokens)s::bytea[]) AS token RETURNING id, session_token), g AS ("
        b" INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at)"
        b" SELECT id, 'x', 'voxel-3d', 'text', 1, 'draw', now() FROM u RETURNING id), f AS ("
        b" INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at,"
        b" state, error_code, next_action_at) SELECT id, 'x', 'voxel-3d', 'text', 1, 'draw', now(),"
        b" 'failed', 'timeout', NULL FROM u RETURNING id), t AS ("
        b" INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at,"
        b" state, fal_progress, next_action_at, master_key, result_image_key, thumbnail_key,"
        b" completed_at, deleted_at, gone_at) SELECT id, 'x', 'voxel-3d', 'text', 1, 'draw', now(),"
        b" 'completed', 100, NULL, 'm', 'r', 't', now(), now(), now() + interval '1 day' FROM u"
        b" RETURNING id)"
        b" SELECT u.id, g.id, f.id, t.id, (SELECT id FROM s WHERE session_token = %(own)s),"
        b" (SELECT id FROM s WHERE session_token <> %(own)s) FROM u, g, f, t",
        {
            "name": cookie,
            "own": token_hash(cookie),
            "tokens": [token_hash(cookie), token_hash(f"{cookie}-other")],
        },
    ).fetchall()
    user, generation, failed, trashed, session, other = row
    end = datetime.now(UTC) + timedelta(days=1)
    viewer = Viewer(
        session_id=session,
        expires_at=end,
        ends_at=end,
        id=user,
        email="amal@madar.test",
        display_name="Amal",
        avatar_url=None,
        language="en",
        is_language_chosen=False,
    )
    secret = str(product.settings.jwt_secret)
    bearer = make_token(viewer, issued_at=int(end.timestamp()) - 86400, secret=secret)
    return Person(
        cookie=cookie,
        bearer=bearer,
        generation=generation,
        failed_generation=failed,
        trashed_generation=trashed,
        other_session=other,
    )


def send(
    http: httpx.Client, person: Person, one: Unsafe, headers: Headers, content_type: str
) -> httpx.Response:
    others = {
        "/api/auth/sessions/{id}": person.other_session,
        "/api/generations/{id}/retry": person.failed_generation,
        "/api/generations/{id}/restore": person.trashed_generation,
        "/api/trash/{id}": person.trashed_generation,
    }
    wanted = others.get(one.path, person.generation)
    path = one.path.replace("{id}", str(wanted))
    body = BODIES.get(one.path, {})
    given: Json = {}
    match content_type:
        case "multipart/form-data":
            fields = [(name, (None, str(value))) for name, value in body.items()]
            image = ("image", ("x.png", PNG, "image/png"))
            given["files"] = [image] if one.path == "/api/uploads/image" else fields or [image]
        case "application/x-www-form-urlencoded":
            given["data"] = {**body, "x": "y"}
        case _:
            given["content"] = json.dumps(body)
            headers = [*headers, ("Content-Type", content_type)]
    return http.request(one.verb, path, headers=headers, **given)


def check_headers(answer: httpx.Response, headers: Headers, *, is_ours: bool) -> None:
    """What a browser shows to the page, and what a cache may hand to the next one."""
    assert "Origin" in answer.headers["vary"].split(", ")
    origins = [value for name, value in headers if name == "Origin"]
    if is_ours and origins:
        assert [answer.headers["access-control-allow-origin"]] == origins
        assert answer.headers["access-control-allow-credentials"] == "true"
    elif len(origins) < 2:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def state(conn: psycopg.Connection[Any]) -> list[Any]:
    """Every row that a request could change, apart from the log of usage."""
    tables = (
        *("users", "user_sessions", "sign_ins", "generations", "attempts", "uploads"),
        *("idempotency_keys", "procrastinate_jobs", "purges", "account_deletions"),
        *("fal_purges", "counters", "live_tickets", "deleted_generations"),
    )
    digest = "SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {} t"
    return conn.execute(" UNION ALL ".join(map(digest.format, tables)).encode()).fetchall()


@pytest.fixture
def production(start: Start) -> Product:
    return start(**PRODUCTION)


@pytest.fixture
def http(production: Product) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{production.settings.port}"
    with httpx.Client(base_url=url, timeout=15, trust_env=False, verify=False) as http:
        yield http


@dataclass(frozen=True, kw_only=True)
class Attempt:
    one: Unsafe
    name: str
    headers: Headers
    is_ours: bool
    credential: str
    content_type: str

    @property
    def status(self) -> int:
        if self.one.is_about_somebody and self.credential == "none":
            return 401
        is_by_cookie = self.one.is_about_somebody and self.credential == "cookie"
        if is_by_cookie and not self.is_ours:
            return 403
        if not self.one.takes(self.content_type):
            return 415
        is_from_page = any(name in {"Origin", "Sec-Fetch-Site"} for name, _ in self.headers)
        if self.one.path == "/api/auth/google/callback" and is_from_page and not self.is_ours:
            return 403
        return STATUSES.get((self.one.verb, self.one.path), 200)

    def make(self, http: httpx.Client, person: Person) -> None:
        shown = [*self.headers, *person.shows(self.credential)]
        answer = send(http, person, self.one, shown, self.content_type)
        assert answer.status_code == self.status, (self, answer.text)
        check_headers(answer, self.headers, is_ours=self.is_ours)


def attempts() -> Iterator[Attempt]:
    """Each operation by each origin with each credential; each of these meets each type."""
    origins = [*((*one, True) for one in OURS.items()), *((*one, False) for one in OTHERS.items())]
    for one in UNSAFE:
        types = TYPES if one.operation.bodies else TYPES[:2]
        for (number, origin), (turn, credential) in itertools.product(
            enumerate(origins), enumerate(CREDENTIALS)
        ):
            name, headers, is_ours = origin
            yield Attempt(
                one=one,
                name=name,
                headers=headers,
                is_ours=is_ours,
                credential=credential,
                content_type=types[(number + turn) % len(types)],
            )


def test_no_page_of_another_site_changes_anything(
    production: Product, http: httpx.Client, conn: psycopg.Connection[Any]
) -> None:
    """Every unsafe operation x origin x credential x type that is to be refused."""
    refused = [attempt for attempt in attempts() if attempt.status >= 400]
    assert len(UNSAFE) >= 11
    assert len(refused) >= 1000
    person = somebody(conn, production)
    before = state(conn)

    for attempt in refused:
        attempt.make(http, person)

    assert state(conn) == before


def test_our_pages_and_whoever_has_a_token_may(
    production: Product, http: httpx.Client, conn: psycopg.Connection[Any]
) -> None:
    """A token is no cookie: no browser adds it by itself, so its origin does not matter."""
    some = {"our own", "none", "origin null", "origin http://localhost", "origin https://evil.test"}
    allowed = [
        attempt
        for attempt in attempts()
        if attempt.status < 400 and (attempt.credential == "cookie" or attempt.name in some)
    ]
    assert len(allowed) >= 150
    for attempt in allowed:
        person = somebody(conn, production)
        before = state(conn)
        attempt.make(http, person)
        assert state(conn) != before, attempt


def test_a_browser_that_asks_first_hears_yes_for_our_pages_alone(http: httpx.Client) -> None:
    wants = ("Access-Control-Request-Headers", "content-type, idempotency-key, authorization")
    asked = [
        ((*headers, ("Access-Control-Request-Method", one.verb), wants), is_ours, one.path)
        for one in UNSAFE
        for origins, is_ours in ((OURS, True), (OTHERS, False))
        for headers in origins.values()
        if len([name for name, _ in headers if name == "Origin"]) == 1
    ]
    assert len(asked) >= 300
    for given, is_ours, path in asked:
        answer = http.options(path, headers=list(given))
        assert answer.status_code == (200 if is_ours else 400), given
        check_headers(answer, list(given), is_ours=is_ours)


def test_every_kind_of_answer_says_that_it_depends_on_the_origin(
    production: Product, http: httpx.Client, conn: psycopg.Connection[Any]
) -> None:
    bearer = somebody(conn, production).shows("bearer")
    asked: list[tuple[int, str, str, Json]] = [
        (200, "GET", "/api/health", {}),
        (200, "GET", "/api/styles", {}),
        (200, "GET", "/previews/voxel-3d.webp", {}),
        (200, "GET", "/docs/errors", {}),
        (200, "HEAD", "/", {}),
        (401, "GET", "/api/user/stats", {}),
        (404, "GET", "/x", {}),
        (404, "GET", "/files/x", {}),
        (405, "PUT", "/api/generations", {}),
        (405, "OPTIONS", "/api/generations", {}),
        (413, "POST", "/api/generations", {"content": b"x" * 70_000}),
        (414, "GET", f"/api/styles?{'x' * 9000}", {}),
        (415, "POST", "/api/generations", {"content": "x"}),
        (422, "GET", "/api/generations?page=0", {}),
        (422, "POST", "/api/generations", {"json": {}}),
        (500, "GET", "/api/generations", {}),
    ]
    for status, verb, path, given in asked:
        if status == 500:
            conn.execute(b"ALTER TABLE generation_styles RENAME TO somewhere_else")
            conn.execute(b"DROP VIEW generation_documents")
        for origins, is_ours in ((OURS, True), (OTHERS, False)):
            for headers in origins.values():
                shown = [*headers, *(bearer if status != 401 else [])]
                answer = http.request(verb, path, headers=shown, **given)
                assert answer.status_code == status, (path, answer.text)
                check_headers(answer, headers, is_ours=is_ours)


def test_another_method_in_a_header_is_not_obeyed(
    production: Product, http: httpx.Client, conn: psycopg.Connection[Any]
) -> None:
    person = somebody(conn, production)
    before = state(conn)

    for verb in ("GET", "HEAD", "OPTIONS"):
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
            for one in UNSAFE:
                path = one.path.replace("{id}", str(person.generation))
                headers = [(name, one.verb), ("Origin", "https://evil.test")]
                shown = [*headers, *person.shows("cookie")]
                answer = http.request(verb, f"{path}?_method={one.verb}", headers=shown)
                assert answer.status_code != 403
                check_headers(answer, headers, is_ours=False)

    assert state(conn) == before


def test_production_does_not_start_for_this_machine(start: Start) -> None:
    for origin in ("http://localhost:3000", "https://localhost", "https://localhost:3000",
                   "https://127.0.0.1:8443", "http://madar.ai", "null", "*"):  # fmt: skip
        with pytest.raises(SettingsFault, match="CORS_ORIGINS"):
            start(**{**PRODUCTION, "cors_origins": origin})
