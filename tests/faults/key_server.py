"""Fal's published keys, counted, and signing with them or with others."""

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAMES = ("Request-Id", "User-Id", "Timestamp", "Signature")


@dataclass(frozen=True)
class FalKey:
    """Signs what it is given, as Fal or as somebody else."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @classmethod
    def of_number(cls, number: int) -> "FalKey":
        return cls(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big")))

    @property
    def public_bytes(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    def published(self) -> dict[str, str]:
        """As one entry of a key set; without padding, as Fal does it."""
        x = base64.urlsafe_b64encode(self.public_bytes).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "x": x}

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def headers(self, *, request_id: str, user_id: str, at: str, body: bytes) -> dict[str, str]:
        lines = (request_id, user_id, at, hashlib.sha256(body).hexdigest())
        values = (*lines[:3], self.sign("\n".join(lines).encode()).hex())
        return {f"X-Fal-Webhook-{name}": value for name, value in zip(NAMES, values, strict=True)}


@dataclass
class KeyServer:
    """Publishes `keys`, or answers `instead`, or not before it is `let_go`."""

    url: str = ""
    keys: list[FalKey] = field(default_factory=lambda: [FalKey()])
    instead: bytes | None = None
    status: int = 200
    asked_at: list[float] = field(default_factory=list[float])
    may_answer: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        self.may_answer.clear()

    def let_go(self) -> None:
        self.may_answer.set()

    @property
    def times(self) -> int:
        return len(self.asked_at)

    @property
    def shortest_pause_s(self) -> float:
        """Between two requests for the keys."""
        pairs = zip(self.asked_at, self.asked_at[1:], strict=False)
        return min((later - earlier for earlier, later in pairs), default=float("inf"))

    def document(self) -> bytes:
        if self.instead is not None:
            return self.instead
        return json.dumps({"keys": [one.published() for one in self.keys]}).encode()


@contextlib.contextmanager
def serving_keys() -> Generator[KeyServer]:
    keys = KeyServer()
    keys.let_go()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.asked_at.append(time.monotonic())
            keys.may_answer.wait(30)
            document = keys.document()
            with contextlib.suppress(OSError):  # the asker may have left
                self.send_response(keys.status)
                self.send_header("content-length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        keys.url = f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield keys
        finally:
            keys.let_go()
            server.shutdown()
            thread.join()
