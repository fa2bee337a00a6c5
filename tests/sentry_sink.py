"""A Sentry that only takes envelopes: what the SDK really sends, unpacked."""

import contextlib
import gzip
import json
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.simulator.harness import eventually

Json = dict[str, Any]


class Sink:
    """`bodies` are whole envelopes as text, `items` what is in them, in the order of arrival."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://a-public-key@127.0.0.1:{port}/7"
        self.bodies: list[str] = []
        self.items: list[tuple[str, Json]] = []
        self.go_on = threading.Event()  # answers nobody until it is set
        self.go_on.set()

    @property
    def events(self) -> list[Json]:
        return [item for kind, item in self.items if kind == "event"]

    @property
    def transactions(self) -> list[Json]:
        return [item for kind, item in self.items if kind == "transaction"]

    def event(self, message: str) -> Json:
        """The first with this message, once it is there."""

        def look() -> Json | None:
            found = (one for one in self.events if one["logentry"]["formatted"] == message)
            return next(found, None)

        return eventually(look)

    def take(self, body: bytes) -> None:
        text = body.decode()
        self.bodies.append(text)
        _, *lines = text.splitlines()
        for head, item in zip(lines[::2], lines[1::2], strict=True):
            self.items.append((json.loads(head)["type"], json.loads(item)))


@contextlib.contextmanager
def serving_sink() -> Generator[Sink]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(lambda: sink)) as server:
        sink = Sink(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield sink
        finally:
            sink.go_on.set()
            server.shutdown()
            thread.join()


def _handler_for(sink_now: Callable[[], Sink]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            sink_now().go_on.wait(30)
            sink_now().take(body)
            with contextlib.suppress(OSError):  # whoever sent it may have lost patience
                self.send_response(200)
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    return Handler
