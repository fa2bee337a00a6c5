"""A web process of its own that takes uploads, while its memory is looked at."""

import contextlib
import itertools
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

from madar.rate import Rate
from madar.settings import Settings
from tests.faults.worker_process import environment_of
from tests.product import Person, Product, settings_for
from tests.simulator.harness import Fal, eventually

UPLOAD = "/api/uploads/image"
# These files are one person's, and many more than a person may send.
_NO_LIMIT = "900000/1m"
_LOOK_EVERY_S = 0.02
_LOOKS_FOR_DECODERS = 10  # to find a process's children takes a look at all processes
_MIB = 2**20


@dataclass
class Memory:
    """Resident megabytes: of the web process, and of the decoders beside it, which come and go."""

    process: psutil.Process
    web_mib: float = 0
    web_peak_mib: float = 0
    decoders_peak_mib: float = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        self.web_mib = self.process.memory_info().rss / _MIB
        self.web_peak_mib = max(self.web_peak_mib, self.web_mib)

    def _look_at_decoders(self) -> None:
        decoders_mib = 0.0
        for child in self.process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                decoders_mib += child.memory_info().rss / _MIB
        self.decoders_peak_mib = max(self.decoders_peak_mib, decoders_mib)

    def _watch(self) -> None:
        for number in itertools.count():
            if self._stop.wait(_LOOK_EVERY_S):
                return
            with contextlib.suppress(psutil.NoSuchProcess):
                self.look()
                if number % _LOOKS_FOR_DECODERS == 0:
                    self._look_at_decoders()


@dataclass(frozen=True, kw_only=True)
class Site:
    product: Product
    person: Person
    process: psutil.Process
    storage_dir: Path

    def upload(self, body: bytes, content_type: str) -> tuple[httpx.Response, float]:
        """Answer and seconds."""
        headers = {"Content-Type": content_type} if content_type else {}
        began = time.perf_counter()
        answer = self.person.post(UPLOAD, content=body, headers=headers, timeout=60)
        return answer, time.perf_counter() - began

    def raw(self, head: str, body: bytes) -> bytes:
        """Whatever is answered to bytes that no HTTP client would send."""
        address = ("127.0.0.1", self.product.settings.port)
        token = f"Authorization: Bearer {self.person.token}\r\n"
        with socket.create_connection(address, timeout=20) as line:
            line.sendall(f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\n{token}{head}\r\n".encode() + body)
            line.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                return line.recv(100)
        return b""

    def is_alive(self) -> bool:
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def kept(self) -> tuple[int, int]:
        """Rows and files."""
        (row,) = self.product.rows("SELECT count(*) AS rows FROM uploads")
        files = [path for path in self.storage_dir.glob("*/*") if path.is_file()]
        return row["rows"], len(files)

    def forget(self) -> None:
        """Make room: a person may keep only so many."""
        self.product.execute("DELETE FROM uploads")
        for path in self.storage_dir.rglob("*"):
            if path.is_file():
                path.unlink()


@contextlib.contextmanager
def opened_site(*, dsn: str, fal: Fal, storage: Path) -> Generator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = settings_for(dsn=dsn, fal=fal, port=port, storage=str(storage), log_level="error")
    with _web_process(settings) as process:
        product = Product(settings=settings, fal=fal)
        with product.open:
            _wait_for(product)
            yield Site(
                product=product,
                person=product.sign_in(),
                process=psutil.Process(process.pid),
                storage_dir=storage,
            )


@contextlib.contextmanager
def _web_process(settings: Settings) -> Generator[subprocess.Popen[bytes]]:
    rates = {name.upper(): _NO_LIMIT for name, value in settings if isinstance(value, Rate)}
    process = subprocess.Popen(
        [sys.executable, "-m", "madar", "serve", "--exit-with-parent"],
        env=environment_of(settings, **rates),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait_for(product: Product) -> None:
    def look() -> bool | None:
        with contextlib.suppress(httpx.TransportError), product.anonymous() as http:
            return http.get("/api/health").status_code == 200 or None
        return None

    eventually(look)
