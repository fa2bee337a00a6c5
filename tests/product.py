"""The running product: web and worker on real ports in threads, and the people who use it."""

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import uvicorn
from websockets.sync.client import ClientConnection, connect

from jobs.__main__ import work
from madar.api.connections import Connection, Socket
from madar.app import Server, create_app
from madar.settings import Settings, load_settings
from tests.database import Database
from tests.simulator.harness import REDIRECT_URI, Fal, eventually

Json = dict[str, Any]

AMAL, BADR = "amal@madar.test", "badr@madar.test"
ROCKET: Json = {"style": "voxel-3d", "inputType": "text", "textPrompt": "a red rocket", "seed": 7}


class Person:
    """Somebody signed in; speaks with the bearer token unless told otherwise."""

    def __init__(self, url: str, token: str, cookie: str) -> None:
        self.token = token
        self.cookie = cookie
        self.http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=15,
            trust_env=False,
            verify=False,
        )

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.http.get(path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.http.post(path, **given)

    def create(self, **wishes: Any) -> Json:
        answer = self.post("/api/generations", json={**ROCKET, **wishes})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def status(self, generation_id: str) -> Json:
        answer = self.get(f"/api/generations/{generation_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def finished(self, generation_id: str, *, deadline_s: float = 60) -> Json:
        """The generation once it is completed or failed."""

        def look() -> Json | None:
            seen = self.status(generation_id)
            return seen if seen["status"] in {"completed", "failed"} else None

        # An end stays; asking all the time would take the processor from who works for it.
        return eventually(look, deadline_s=deadline_s, every_s=0.1)


@dataclass(frozen=True, kw_only=True)
class Product:
    """A web process and what stands behind it."""

    settings: Settings
    fal: Fal
    open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def url(self) -> str:
        return self.settings.app_url

    def anonymous(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=15, trust_env=False, verify=False
        )

    def sign_in(self, email: str = AMAL, **headers: str) -> Person:
        """The real code path: our URL, the issuer's redirect, our callback."""
        with self.anonymous(**headers) as http:
            url = http.get("/api/auth/google/url").json()["url"]
            sent_back = httpx.get(f"{url}&login_hint={email}", trust_env=False, verify=False)
            query = parse_qs(urlsplit(sent_back.headers["location"]).query)
            body = {"code": query["code"][0], "state": query["state"][0]}
            answer = http.post("/api/auth/google/callback", json=body)
            assert answer.status_code == 200, answer.text
            person = Person(self.url, answer.json()["token"], http.cookies["madar"])
            self.open.enter_context(person.http)
            return person

    def rows(self, query: str, *given: Any) -> list[Json]:
        return self._database.run(query, *given)

    def execute(self, statement: str, *given: Any) -> None:
        self._database.run(statement, *given)

    @cached_property
    def _database(self) -> Database:
        database = Database(str(self.settings.database_url))
        self.open.callback(database.close)
        return database

    def submissions(self) -> list[Json]:
        """Not those of a product before this one, which may have had the same port."""
        found: list[Json] = self.fal.http.get("/simulator/submissions").json()
        return [
            one
            for one in found
            if (one["webhookUrl"] or "").startswith(f"{self.url}/")
            and datetime.fromisoformat(one["receivedAt"]) >= self.began_at
        ]

    @contextlib.contextmanager
    def socket(self, **headers: str) -> Generator[ClientConnection]:
        url = self.url.replace("http://", "ws://") + "/ws"
        with connect(url, additional_headers=headers, proxy=None, open_timeout=10) as live:
            yield live

    @contextlib.contextmanager
    def working(self) -> Generator[None]:
        """A worker beside the web, until the block ends."""
        with running_worker(self.settings):
            yield


def settings_for(*, dsn: str, fal: Fal, port: int, storage: str, **overrides: Any) -> Settings:
    return load_settings(
        {
            "app_url": f"http://127.0.0.1:{port}",
            "port": port,
            "database_url": dsn,
            "google_client_id": "madar-test",
            "google_client_secret": "made-up-secret",
            "google_redirect_uri": REDIRECT_URI,
            "google_issuer": f"{fal.url}/google",
            "jwt_secret": "a secret for tests that is long enough",
            "fal_api_key": "id:secret",
            "fal_queue_url": fal.url,
            "fal_api_url": fal.url,
            "fal_jwks_url": f"{fal.url}/.well-known/jwks.json",
            "fal_media_hosts": "127.0.0.1",
            "fal_account_id": "madar-simulator",
            "fal_webhook_secret": "another secret for tests, long enough",
            "storage_dir": storage,
            "log_level": "warning",
            "metrics_port": 0,
            "linger_s": 0,
            "poll_min_s": 0.2,
            "lease_s": 3,
            "reconcile_every_s": 1,
            "submit_unknown_after_s": 3,
            "fal_concurrency": 100,
            "rate_limit_api": "100000/15m",
            "rate_limit_reads": "100000/15m",
            "rate_limit_sign_in": "100000/1m",
            "rate_limit_generations": "100000/1m",
            "quota_generations": "100000/1d",
            "trash_days": 0,
            **overrides,
        }
    )


@contextlib.contextmanager
def running_web(
    settings: Settings, listener: socket.socket, **server_options: Any
) -> Generator[None]:
    config = uvicorn.Config(
        create_app(settings),
        http=Connection,
        ws=Socket,
        log_config=None,
        access_log=False,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        **server_options,
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started or None)
        yield
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive(), "the web process did not stop"


@contextlib.contextmanager
def running_worker(settings: Settings) -> Generator[None]:
    stop: list[Callable[[], object]] = []
    ready = threading.Event()

    async def main() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
        ready.set()
        await work(settings, stopping)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        stop[0]()
        thread.join(30)
        assert not thread.is_alive(), "the worker did not stop"
        # Jobs that a cut connection left behind complain when they are collected. A complaint in
        # the middle of Python 3.11's making of a syntax tree breaks that, so let them do it here.
        gc.collect()
