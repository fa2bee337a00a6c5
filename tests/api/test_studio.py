"""GET /studio and what it is made of."""

import gzip
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from madar.api import studio_assets
from madar.api.studio_assets import assets
from tests.api.looking import is_arabic, problem_in
from tests.conftest import Start
from tests.product import AMAL, Product

# The issue's promise for an English reader; pictures are counted apart.
FIRST_LOAD_BYTES = 120_000
SAMPLES_BYTES = 30_000
FRONTEND = "https://madar.ai"

pytestmark = pytest.mark.skipif(not assets().is_complete, reason="`make parts` has not run")


def links_of(page: httpx.Response) -> list[str]:
    return re.findall(r'(?:href|src)="(/[^"]+)"', page.text)


def directives_of(page: httpx.Response) -> dict[str, str]:
    policy: str = page.headers["content-security-policy"]
    pairs = [one.strip().partition(" ") for one in policy.split(";")]
    return {name: value for name, _, value in pairs}


def test_each_screen_is_the_page_and_its_policy_lets_nobody_else_in(product: Product) -> None:
    with product.anonymous() as http:
        pages = [http.get(path) for path in ("/studio", "/studio/gallery", "/studio/account")]

    page, *others = pages
    assert [other.text for other in others] == [page.text] * 2
    policy, app = directives_of(page), product.url
    import_map = re.findall(r'<script type="importmap">(.*?)</script>', page.text)
    seal = b64encode(sha256(import_map[0].encode()).digest()).decode()
    assert policy == {
        "default-src": "'self'",
        "script-src": f"'self' 'sha256-{seal}'",
        "style-src": "'self'",
        "img-src": f"'self' data: blob: {app}",
        "connect-src": f"'self' {app.replace('http', 'ws')} {app}",
        "font-src": "'self'",
        **dict.fromkeys(("object-src", "base-uri", "form-action", "frame-ancestors"), "'none'"),
    }
    assert re.findall(r"<script>|<style| on\w+=| style=", page.text) == []
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "private, no-cache"
    assert {"Accept-Language", "Cookie"} <= set(page.headers["vary"].split(", "))


def test_pictures_may_come_from_the_bucket_that_links_lead_to(start: Start) -> None:
    bucket = {
        "storage_provider": "cloudflare-r2",
        "aws_bucket_name": "madar",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_endpoint_url": "https://account.r2.cloudflarestorage.com",
    }
    with start(**bucket).anonymous() as http:
        policy = directives_of(http.get("/studio"))

    for kind in ("img-src", "connect-src"):
        assert policy[kind].split()[-1] == "https://account.r2.cloudflarestorage.com"


@pytest.mark.parametrize(
    ("query", "cookie", "header", "language"),
    [
        ("", "", "en", "en"),
        ("", "", "ar-EG,en;q=0.5", "ar"),
        ("", "madar-language=ar", "en", "ar"),
        ("?lang=en", "madar-language=ar", "ar", "en"),
        ("?lang=fr", "madar-language=<b>", "ar", "ar"),
    ],
)
def test_the_page_comes_in_the_readers_language(
    product: Product, query: str, cookie: str, header: str, language: str
) -> None:
    with product.anonymous(**{"Accept-Language": header, "Cookie": cookie}) as http:
        page = http.get(f"/studio{query}")

    direction = "rtl" if language == "ar" else "ltr"
    assert f'<html lang="{language}" dir="{direction}"' in page.text
    assert page.headers["content-language"] == language
    assert is_arabic(page.text) == (language == "ar")
    preloaded = {Path(link).name for link in links_of(page) if link.endswith(".woff2")}
    assert any(name.startswith("arabic") for name in preloaded) == (language == "ar")


def test_a_language_of_the_profile_comes_before_the_address(product: Product) -> None:
    amal = product.sign_in()
    amal.http.patch("/api/user/profile", json={"language": "ar"})

    with product.anonymous(Cookie=f"madar={amal.cookie}") as http:
        page = http.get("/studio?lang=en")

    assert '<html lang="ar" dir="rtl"' in page.text
    assert 'data-session="open"' in page.text


def test_the_page_says_who_stands_in_for_whom_and_which_look_was_chosen(product: Product) -> None:
    with product.anonymous(Cookie="madar-theme=dark") as http:
        dark = http.get("/studio").text
        odd = http.get("/studio", headers={"Cookie": 'madar-theme="><b>'}).text

    assert 'data-theme="dark"' in dark
    assert 'data-issuer="local"' in dark
    assert 'data-images="local"' in dark
    assert 'data-session="none"' in dark
    assert 'data-theme=""' in odd
    assert "<b>" not in odd


def test_whoever_has_an_asset_never_asks_again(product: Product) -> None:
    with product.anonymous() as http:
        links = [link for link in links_of(http.get("/studio")) if "/assets/" in link]
        answers = [http.get(link) for link in links]
        again = http.get(links[0], headers={"If-None-Match": answers[0].headers["etag"]})
        other_release = http.get(re.sub("assets/[0-9a-f]+", "assets/0123456789abcdef", links[0]))

    assert len(answers) > 20
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert again.status_code == 304
    assert other_release.status_code == 200
    assert other_release.headers["cache-control"] == "no-store"


def test_the_digest_changes_with_the_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "main.js").write_text("1")
    monkeypatch.setattr(studio_assets, "OWN", tmp_path)
    before = assets().digest
    (tmp_path / "main.js").write_text("22")

    assert assets().digest != before


def test_the_first_load_is_light(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "en", "Accept-Encoding": "gzip"}) as http:
        page = http.get("/studio")
        sizes: dict[str, int] = {"/studio": len(gzip.compress(page.content))}
        for link in set(links_of(page)):
            with http.stream("GET", link) as answer:
                sizes[link] = len(b"".join(answer.iter_raw()))
        styles = http.get("/api/styles").json()["styles"]
        samples = [
            len(
                http.get(style["previewImageUrl"].replace("/previews/", "/previews/small/")).content
            )
            for style in styles
        ]

    assert sum(sizes.values()) < FIRST_LOAD_BYTES, sizes
    assert sum(samples) < SAMPLES_BYTES


def test_nothing_else_is_an_asset(product: Product) -> None:
    base = assets().base
    names = (
        *("../routes.py", "..%2froutes.py", "%2e%2e/%2e%2e/settings.py", "parts/..%2fmain.js"),
        *("package.json", "types.d.ts", "parts/preact.mjs.map", "%00", "texts/fr.json", "x"),
    )
    with product.anonymous() as http:
        for name in names:
            problem_in(http.get(f"{base}/{name}"), 404, "not_found")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_without_the_parts_it_says_so(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str
) -> None:
    monkeypatch.setattr(studio_assets, "PARTS", tmp_path)

    with product.anonymous(**{"Accept-Language": language, "Accept": "text/html"}) as http:
        page = http.get("/studio")
        home = http.get("/")

    assert page.status_code == 200
    assert "make parts" in page.text
    assert is_arabic(page.text) == (language == "ar")
    assert home.status_code == 200, "it leads nowhere that shows less"


def test_the_front_door_leads_a_browser_to_the_studio(product: Product) -> None:
    with product.anonymous(Accept="text/html") as http:
        plain = http.get("/")
        refused = http.get("/", params={"error": "sign_in_refused"})
        odd = http.get("/", params={"error": "//evil.test"})

    assert (plain.status_code, plain.headers["location"]) == (303, "/studio")
    assert refused.headers["location"] == "/studio?error=sign_in_refused"
    assert odd.headers["location"] == "/studio"


@pytest.mark.parametrize(
    ("return_to", "base"),
    [("/studio/gallery?liked=1", ""), ("/studio", ""), ("/studios", FRONTEND), ("/x", FRONTEND)],
)
def test_a_sign_in_from_the_studio_comes_back_to_it_wherever_the_frontend_is(
    start: Start, return_to: str, base: str
) -> None:
    product = start(frontend_url=FRONTEND)
    with product.anonymous(Accept="text/html") as http:
        there = http.get("/api/auth/google/url", params={"returnTo": return_to})
        sent_back = httpx.get(f"{there.headers['location']}&login_hint={AMAL}", trust_env=False)
        query = urlsplit(sent_back.headers["location"]).query
        answer = http.get(f"/api/auth/google/callback?{query}")

    assert answer.status_code == 303
    assert answer.headers["location"] == (base or product.url) + return_to
