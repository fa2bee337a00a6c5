"""Settings for storage alone, and a bucket that does as it is told."""

import contextlib
import threading
from collections.abc import Generator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from madar.settings import Settings, load_settings
from tests.buckets import BUCKET, KEY_ID, SECRET


def storage_settings(folder: Path, **given: Any) -> Settings:
    return load_settings(
        {
            "database_url": "postgresql://nowhere/madar",
            "google_client_id": "madar-test",
            "google_client_secret": "made-up-secret",
            "google_redirect_uri": "http://localhost:8000/api/auth/google/callback",
            "jwt_secret": "a secret for tests that is long enough",
            "fal_api_key": "id:secret",
            "fal_webhook_secret": "another secret for tests, long enough",
            "storage_dir": str(folder),
            **given,
        }
    )


def bucket_settings(folder: Path, url: str, **given: Any) -> Settings:
    return storage_settings(
        folder,
        **{
            "storage_provider": "aws-s3",
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
            "aws_region": "eu-central-1",
            "aws_bucket_name": BUCKET,
            "aws_endpoint_url": url,
            **given,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Says:
    """What the bucket answers, whatever was put."""

    status: int = 200
    content: bytes = b""
    e_tag: str = '"0"'


@contextlib.contextmanager
def bucket_that(answers: dict[str, Says]) -> Generator[str]:
    """By method; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            says = answers[self.command]
            self.send_response(says.status)
            self.send_header("ETag", says.e_tag)
            self.send_header("Last-Modified", "Tue, 24 Nov 2026 10:00:00 GMT")
            self.send_header("Content-Length", str(len(says.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(says.content)

        do_GET = do_HEAD = do_PUT = do_DELETE = _answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
