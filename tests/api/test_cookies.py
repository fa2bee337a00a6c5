"""The two cookies: their attributes, and what a real browser makes of them."""

import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from madar.app import create_app
from madar.settings import Settings, SettingsFault
from tests.browser import needs_chromium
from tests.conftest import Start
from tests.product import AMAL, settings_for
from tests.simulator.harness import Fal, eventually

NAMES = {"http": "madar", "https": "__Host-madar"}
ATTRIBUTES: dict[tuple[str, str], str] = {
    ("http://localhost:8000", "same"): "HttpOnly; SameSite=Lax",
    ("https://api.madar.test", "same"): "HttpOnly; Secure; SameSite=Lax",
    ("http://localhost:8000", "cross"): "HttpOnly; Secure; SameSite=None; Partitioned",
    ("https://api.madar.test", "cross"): "HttpOnly; Secure; SameSite=None; Partitioned",
}


@pytest.mark.parametrize(("app_url", "site"), ATTRIBUTES)
def test_attributes_fit_the_site_and_the_deletion_has_the_same(
    start: Start, app_url: str, site: str
) -> None:
    product = start(app_url=app_url, cookie_site=site)
    name, attributes = NAMES[app_url.partition(":")[0]], ATTRIBUTES[app_url, site]
    url = f"http://127.0.0.1:{product.settings.port}"
    with httpx.Client(base_url=url, trust_env=False, verify=False) as http:
        started = http.get("/api/auth/google/url")
        secret = started.headers["set-cookie"].partition(";")[0]
        body = returned(started.json()["url"])
        signed_in = http.post("/api/auth/google/callback", json=body, headers={"Cookie": secret})
        bearer = {"Authorization": f"Bearer {signed_in.json()['token']}"}
        signed_out = http.post("/api/auth/logout", headers=bearer)

    pre_auth, session, deleted = (
        answer.headers["set-cookie"] for answer in (started, signed_in, signed_out)
    )
    assert pre_auth == f"{secret}; Path=/; Max-Age=600; {attributes}"
    assert secret.startswith(f"{name}-sign-in=")
    assert session.startswith(f"{name}=")
    assert session.partition("; ")[2] == f"Path=/; Max-Age=2592000; {attributes}"
    assert deleted == f"{name}=; Path=/; Max-Age=0; {attributes}"


def test_a_cookie_that_browsers_would_drop_is_refused_at_start(start: Start) -> None:
    with pytest.raises(SettingsFault, match=r"COOKIE_SITE +may be cross only with an APP_URL"):
        start(app_url="http://api.madar.test", cookie_site="cross")


# In Chromium


def returned(url: str) -> dict[str, str]:
    """Amal agrees at the issuer; code and state as the frontend's page gets them."""
    sent_back = httpx.get(f"{url}&login_hint={AMAL}", trust_env=False, verify=False)
    query = parse_qs(urlsplit(sent_back.headers["location"]).query)
    return {"code": query["code"][0], "state": query["state"][0]}


def certificate(folder: Path) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "madar.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, *plain))
    (folder / "certificate.pem").write_bytes(made.public_bytes(encoding))
    return {
        "ssl_certfile": str(folder / "certificate.pem"),
        "ssl_keyfile": str(folder / "key.pem"),
    }


@contextlib.contextmanager
def serving(app: ASGIApp, listener: socket.socket, **options: Any) -> Generator[None]:
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, **options)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started or None)
        yield
    finally:
        server.should_exit = True
        thread.join(15)


async def blank(_request: Request) -> HTMLResponse:
    return HTMLResponse("<p>Madar")


Sites = Callable[..., tuple[str, str]]


@pytest.fixture
def sites(dsn: str, fal: Fal, tmp_path: Path) -> Generator[Sites]:
    """An API and a page of a frontend, on hosts of the test's choice."""
    with contextlib.ExitStack() as stack:

        def open_sites(*, api: str, page: str, **overrides: Any) -> tuple[str, str]:
            listeners = [
                stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)
            ]
            api_url, page_url = (
                f"{url}:{listener.getsockname()[1]}"
                for url, listener in zip((api, page), listeners, strict=True)
            )
            port = listeners[0].getsockname()[1]
            settings: Settings = settings_for(
                dsn=dsn,
                fal=fal,
                port=port,
                storage=str(tmp_path),
                **{"app_url": api_url, "cors_origins": page_url, **overrides},
            )
            options = certificate(tmp_path) if api.startswith("https") else {}
            frontend = Starlette(routes=[Route("/", blank)])
            stack.enter_context(serving(create_app(settings), listeners[0], **options))
            stack.enter_context(serving(frontend, listeners[1], **options))
            return api_url, page_url

        yield open_sites


def fetch(page: Page, url: str, *, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    """As the page's script does, with credentials; status 0 is a network error to it."""
    script = """([url, method, body]) => fetch(url, {
        method,
        credentials: "include",
        ...(body && {headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)}),
    }).then(async answer => [answer.status, await answer.json().catch(() => null)])
      .catch(() => [0, null])"""
    status, told = page.evaluate(script, [url, method, body])
    return status, told


def first_words(page: Page, api: str) -> Any:
    """What a socket hears first after a ping, or the code of its end."""
    script = """url => new Promise(resolve => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send(JSON.stringify({type: "ping"}));
        socket.onmessage = event => resolve(JSON.parse(event.data));
        socket.onclose = event => resolve(event.code);
    })"""
    return page.evaluate(script, f"{api.replace('http', 'ws', 1)}/ws")


def sign_in(page: Page, api: str) -> tuple[int, Any]:
    status, told = fetch(page, f"{api}/api/auth/google/url")
    assert status == 200
    body = returned(told["url"])
    return fetch(page, f"{api}/api/auth/google/callback", method="POST", body=body)


CAST = {
    "one site": ("https://api.madar.test", "https://madar.test", "same"),
    "two sites": ("https://api.madar.test", "https://elsewhere.test", "cross"),
    "a laptop, one site": ("http://localhost", "http://localhost", "same"),
    "a laptop, two sites": ("http://127.0.0.1", "http://localhost", "cross"),
}


@needs_chromium
@pytest.mark.parametrize("where", CAST)
def test_a_browser_keeps_sends_and_drops_the_cookie(sites: Sites, page: Page, where: str) -> None:
    api_host, page_host, site = CAST[where]
    api, frontend = sites(api=api_host, page=page_host, cookie_site=site)
    page.goto(f"{frontend}/")

    signed_in = sign_in(page, api)
    who = fetch(page, f"{api}/api/auth/user")
    spoken = first_words(page, api)
    kept = {one.get("name"): one for one in page.context.cookies()}
    readable = page.evaluate("document.cookie")
    signed_out = fetch(page, f"{api}/api/auth/logout", method="POST")
    afterwards, left = fetch(page, f"{api}/api/auth/user"), page.context.cookies()

    assert (signed_in[0], who[0], signed_out[0]) == (200, 200, 200)
    assert who[1]["email"] == AMAL
    assert spoken == {"type": "pong"}
    assert readable == ""
    name = NAMES[api.partition(":")[0]]
    assert kept.keys() == {name, f"{name}-sign-in"}
    assert {one.get("sameSite") for one in kept.values()} == {"None" if site == "cross" else "Lax"}
    assert all(one.get("httpOnly") for one in kept.values())
    assert all(("partitionKey" in one) == (site == "cross") for one in kept.values())
    assert afterwards[0] == 401
    assert [one.get("name") for one in left] == [f"{name}-sign-in"]


@needs_chromium
def test_a_page_of_another_site_gets_nowhere(sites: Sites, page: Page) -> None:
    api, frontend = sites(
        api="https://api.madar.test", page="https://madar.test", cors_origins="https://x.test"
    )
    own = f"{api}/api/health"
    evil = frontend.replace("madar.test", "evil.test")
    page.goto(own)
    assert sign_in(page, api)[0] == 200
    page.goto(f"{evil}/")

    read = fetch(page, f"{api}/api/auth/user")
    changed = fetch(page, f"{api}/api/auth/logout", method="POST")
    spoken = first_words(page, api)
    page.goto(own)

    assert (read, changed) == ((0, None), (0, None))
    assert spoken in {4401, 1006}
    assert fetch(page, f"{api}/api/auth/user")[0] == 200


@needs_chromium
def test_a_form_of_a_neighbour_on_our_own_site_changes_nothing(sites: Sites, page: Page) -> None:
    """SameSite does not help against it: the browser sends the cookie, so the origin decides."""
    api, frontend = sites(
        api="https://api.madar.test", page="https://blog.madar.test", cors_origins="https://x.test"
    )
    page.goto(f"{api}/api/health")
    assert sign_in(page, api)[0] == 200
    page.goto(f"{frontend}/")
    page.set_content(
        f'<form method="post" enctype="multipart/form-data" action="{api}/api/generations">'
        '<input name="style" value="voxel-3d"><input name="textPrompt" value="rocket">'
        "<button>Send</button></form>"
    )
    page.click("button")
    expect(page.locator("body")).to_contain_text("origin_refused")
    page.goto(f"{api}/api/health")

    status, told = fetch(page, f"{api}/api/generations")

    assert (status, told["generations"]) == (200, [])
