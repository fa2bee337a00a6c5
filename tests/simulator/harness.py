"""A simulator on a real port, a receiver for its webhooks, and ways to wait without sleeping."""

import contextlib
import io
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import httpx
import uvicorn

from madar.simulator.app import create_simulator
from madar.simulator.config import GoogleClient, SimulatorConfig

T = TypeVar("T")
Json = dict[str, Any]

DRAW = "fal-ai/flux-lora"
REDRAW = "fal-ai/flux-lora/image-to-image"
CUT_OUT = "fal-ai/birefnet/v2"
TRANSLATE = "openrouter/router"

REDIRECT_URI = "http://localhost:8000/studio/signed-in"
GOOGLE = GoogleClient(
    client_id="madar-test", client_secret="made-up-secret", redirect_uris=(REDIRECT_URI,)
)

_DEADLINE_S = 20.0


def eventually(
    look: Callable[[], T | None], *, deadline_s: float = _DEADLINE_S, every_s: float = 0.02
) -> T:
    """Ask until there is an answer; fail when there is none in time."""
    deadline = time.monotonic() + deadline_s
    pause = threading.Event()
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        pause.wait(every_s)
    raise AssertionError("nothing happened in time")


class Fal:
    """A caller with a key; each method is one or more real HTTP requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url,
            headers={"Authorization": "Key id:secret"},
            timeout=10,
            trust_env=False,
            verify=False,  # plain HTTP; reading the machine's certificates would take its time
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def submit(self, endpoint_id: str, *, webhook: str | None = None, **arguments: Any) -> Json:
        answer = self.try_submit(endpoint_id, webhook=webhook, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def try_submit(
        self, endpoint_id: str, *, webhook: str | None = None, **arguments: Any
    ) -> httpx.Response:
        query = {"fal_webhook": webhook} if webhook else None
        return self.http.post(f"/{endpoint_id}", params=query, json=arguments)

    def translate(self, text: str = "cup", *, webhook: str | None = None) -> Json:
        """The cheapest work there is."""
        return self.submit(TRANSLATE, webhook=webhook, model="google/gemini-2.5-flash", prompt=text)

    def status(self, submitted: Json, *, logs: str = "0") -> Json:
        return self.http.get(submitted["status_url"], params={"logs": logs}).json()

    def finished(self, submitted: Json) -> Json:
        """The status once the request is done."""

        def look() -> Json | None:
            status = self.status(submitted, logs="1")
            return status if status.get("status") == "COMPLETED" else None

        return eventually(look)

    def result(self, submitted: Json) -> httpx.Response:
        self.finished(submitted)
        return self.http.get(submitted["response_url"])

    def turn(self, *faults: str) -> None:
        self.http.put("/simulator/faults", json={"faults": list(faults)}).raise_for_status()

    def history(self, endpoint_id: str, **filters: Any) -> Json:
        answer = self.http.get(
            "/v1/models/requests/by-endpoint", params={"endpoint_id": endpoint_id, **filters}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.contextmanager
def serving(directory: Path, **settings: Any) -> Generator[Fal]:
    """A simulator in this process, on a free port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        usual: Json = {"speed": 0, "max_side_px": 96, "drawing_processes": 1, "google": GOOGLE}
        config = SimulatorConfig(directory=directory, public_url=url, **{**usual, **settings})
        server = uvicorn.Server(
            uvicorn.Config(
                create_simulator(config), log_level="critical", timeout_graceful_shutdown=1
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started or None)
            with Fal(url) as fal:
                yield fal
        finally:
            server.should_exit = True
            thread.join()


class Process:
    """A simulator as the process it is in real life; it may be killed."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._command = [
            *(sys.executable, "-m", "madar.simulator", "--port", "0"),
            *("--directory", str(directory), "--exit-with-parent", *arguments),
        ]
        self.process = self._start()
        self.url = self._read_url()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _read_url(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().split()[1]

    def stop(self) -> int:
        """Do what the parent's death does: end the simulator's standard input."""
        self.process.communicate(timeout=_DEADLINE_S)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass(frozen=True)
class Delivery:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Takes webhooks; answers with the next of `answers`, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list[int])
    inbox: queue.Queue[Delivery] = field(default_factory=queue.Queue[Delivery])

    def next(self) -> Delivery:
        return self.inbox.get(timeout=_DEADLINE_S)


@contextlib.contextmanager
def receiving() -> Generator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()
            receiver.inbox.put(Delivery(self.path, headers, body))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def picture_at(fal: Fal, url: str) -> Any:
    """The file as libvips reads it."""
    answer = fal.http.get(url)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    return decoded(answer.content)


def decoded(content: bytes) -> Any:
    import pyvips  # noqa: PLC0415 - most tests need no pictures

    return cast("Any", pyvips.Image.new_from_buffer(io.BytesIO(content).getvalue(), ""))
