"""Result files: from where they may come, and no more of them than we can hold."""

import asyncio
import contextlib
import gzip
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from madar.clients.fal import FalUnreachable
from madar.clients.media import MAX_RESULT_BYTES, ResultRefused, open_media
from madar.settings import Settings
from tests.faults.odd_fal import OddFal, misbehaving, odd_settings, says, sends

CHUNK = bytes(2**20)


@pytest.fixture
def fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def settings(fal: OddFal, tmp_path: Path) -> Settings:
    return odd_settings("postgresql:///nowhere", fal, tmp_path)


def download(settings: Settings, url: str) -> bytes:
    async def main() -> bytes:
        async with open_media(settings) as media:
            return await media.download(url)

    return asyncio.run(main())


def test_a_file_is_fetched_as_it_is(settings: Settings, fal: OddFal) -> None:
    fal.once("file", sends(b"a picture"))

    assert download(settings, f"{fal.url}/files/x.png") == b"a picture"


def test_nothing_is_unpacked(settings: Settings, fal: OddFal) -> None:
    packed = gzip.compress(CHUNK)
    fal.once("file", sends(packed, content_encoding="gzip"))

    assert download(settings, f"{fal.url}/files/x.png") == packed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(settings: Settings, fal: OddFal, status: int) -> None:
    fal.once("file", says({}, status, location=f"{fal.url}/files/secret"))

    with pytest.raises(FalUnreachable):
        download(settings, f"{fal.url}/files/x.png")

    assert fal.asked == [("file", "/files/x.png")]


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_stays_gone(settings: Settings, fal: OddFal, status: int) -> None:
    fal.once("file", says({}, status))

    with pytest.raises(ResultRefused, match="gone"):
        download(settings, f"{fal.url}/files/x.png")


@pytest.mark.parametrize("status", [204, 206, 403, 429, 500, 503])
def test_another_answer_may_pass(settings: Settings, fal: OddFal, status: int) -> None:
    fal.once("file", says({}, status))

    with pytest.raises(FalUnreachable):
        download(settings, f"{fal.url}/files/x.png")


@dataclass
class Flood:
    """A server whose file has no end; it counts what it could send."""

    url: str = ""
    sent_bytes: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def flooding() -> Generator[Flood]:
    flood = Flood()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while flood.sent_bytes < 8 * MAX_RESULT_BYTES:
                    self.wfile.write(CHUNK)
                    flood.sent_bytes += len(CHUNK)
            flood.ended.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        flood.url = f"http://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield flood
        finally:
            server.shutdown()
            thread.join()


def test_a_file_without_end_is_cut_off(settings: Settings) -> None:
    with flooding() as flood:
        with pytest.raises(ResultRefused, match="size"):
            download(settings, f"{flood.url}/x.png")
        assert flood.ended.wait(10)

    assert flood.sent_bytes < 2 * MAX_RESULT_BYTES


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://[::1/x.png", "address"),
        ("http://local\udc00host/x.png", "address"),
        ("//localhost/x.png", "address"),
        ("ftp://localhost/x.png", "address"),
        ("file:///etc/passwd", "address"),
        ("http://user:word@localhost/x.png", "address"),
        ("http://localhost:0/x.png", "port"),
        ("http://localhost:99999/x.png", "port"),
        ("http://169.254.169.254/x.png", "host"),
        ("http://localhost.elsewhere.test/x.png", "host"),
        ("http:///x.png", "host"),
    ],
)
def test_only_fals_own_addresses_are_asked(settings: Settings, url: str, reason: str) -> None:
    with pytest.raises(ResultRefused, match=reason):
        download(settings, url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://localhost/x.png", "address"), ("https://localhost:8443/x.png", "port")],
)
def test_in_production_only_https_on_its_own_port(
    settings: Settings, url: str, reason: str
) -> None:
    production = settings.model_copy(update={"app_env": "production"})

    with pytest.raises(ResultRefused, match=reason):
        download(production, url)
