"""A server that speaks S3, in a process of its own; it believes any signature."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.local.processes import free_port
from tests.simulator.harness import eventually

BUCKET = "madar-pictures"
KEY_ID, SECRET = "MADARTESTKEY", "made-up/secret+of=a bucket"
_AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=any"
)


@dataclass
class S3:
    """`pause` leaves it listening and silent, `stop` frees its port; objects are in its memory."""

    port: int
    log: Path
    _process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a product needs to keep its pictures here."""
        return {
            "storage_provider": "aws-s3",
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
            "aws_region": "us-east-1",
            "aws_bucket_name": BUCKET,
            "aws_endpoint_url": self.url,
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._answers, deadline_s=60)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def clear(self) -> None:
        """As if new: one empty bucket."""
        with self._http() as http:
            http.post("/moto-api/reset").raise_for_status()
            http.put(f"/{BUCKET}").raise_for_status()

    def believe(self, *, everybody: bool) -> None:
        """Or only keys that it gave out, which are none."""
        with self._http() as http:
            body = b"inf" if everybody else b"0"
            http.post("/moto-api/reset-auth", content=body).raise_for_status()

    def pictures(self) -> list[str]:
        """The keys of all objects but the owner's note."""
        with self._http() as http:
            found = http.get(f"/{BUCKET}", params={"list-type": "2"}).raise_for_status()
        return re.findall(r"<Key>(.*?/.*?)</Key>", found.text)

    def content(self, key: str) -> bytes:
        with self._http() as http:
            return http.get(f"/{BUCKET}/{key}").raise_for_status().content

    def headers(self, key: str) -> httpx.Headers:
        with self._http() as http:
            return http.head(f"/{BUCKET}/{key}").raise_for_status().headers

    def write(self, key: str, content: bytes) -> None:
        with self._http() as http:
            http.put(f"/{BUCKET}/{key}", content=content).raise_for_status()

    def remove(self, key: str) -> None:
        with self._http() as http:
            http.delete(f"/{BUCKET}/{key}").raise_for_status()

    def drop_bucket(self) -> None:
        with self._http() as http:
            http.post("/moto-api/reset").raise_for_status()

    def _http(self) -> httpx.Client:
        headers = {"Authorization": _AUTHORIZATION}
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=10, trust_env=False, verify=False
        )

    def _answers(self) -> bool | None:
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/moto-api/", trust_env=False, verify=False).is_success
        return None


@contextlib.contextmanager
def serving_s3(folder: Path) -> Generator[S3]:
    s3 = S3(port=free_port(), log=folder / "s3.log")
    s3.start()
    try:
        s3.clear()
        yield s3
    finally:
        s3.stop()
