"""What never becomes a request: heads without an end, in bytes or in time."""

import contextlib
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import uvicorn

from madar.api.connections import MAX_BARE_BYTES, MAX_UNREAD_BYTES, Connection, Socket
from madar.app import create_app
from tests.product import settings_for
from tests.simulator.harness import Fal, eventually

HANDSHAKE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
WELL = "GET /docs/errors HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def port(dsn: str, fal: Fal, tmp_path: Path) -> Generator[int]:
    """A server with the product's connections, which waits for a second only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        settings = settings_for(dsn=dsn, fal=fal, port=found, storage=str(tmp_path))
        config = uvicorn.Config(
            create_app(settings),
            http=Connection,
            ws=Socket,
            log_config=None,
            access_log=False,
            timeout_keep_alive=1,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started or None)
            yield found
        finally:
            server.should_exit = True
            thread.join(15)


@contextlib.contextmanager
def connected(port: int) -> Generator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def rest_of(client: socket.socket) -> bytes:
    """Until the server closes; a test that waits for that in vain fails by its deadline."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65_536):
            received += piece
    return received


@pytest.mark.parametrize(
    "start",
    ["", "\r\n", "GET / HTTP/1.1\r\nX: ", f"{WELL}GET / HTTP/1.1\r\nX: "],
    ids=["nothing", "empty line", "half a head", "half a second head"],
)
def test_a_head_that_does_not_come_is_given_up(port: int, start: str) -> None:
    with connected(port) as client:
        client.sendall(start.encode())
        answer = rest_of(client)

    assert answer.count(b"HTTP/1.1 200 OK") == start.count(WELL)


def test_a_head_that_comes_byte_by_byte_has_no_more_time(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        client.settimeout(0.2)

        def is_over() -> bool | None:
            try:
                client.sendall(b"a")
                return client.recv(1) == b"" or None
            except TimeoutError:
                return None
            except ConnectionError:
                return True

        assert eventually(is_over)


CHUNKED = (
    "POST /api/auth/google/callback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "start",
    [
        "GET /",
        "GET / HTTP/1.1\r\nX: ",
        f"{WELL}GET / HTTP/1.1\r\nX: ",
        f"{CHUNKED}2;x=",
        f"{CHUNKED}2\r\n{{}}\r\n0\r\nX: ",
    ],
    ids=["line", "header", "second head", "chunk", "trailer"],
)
def test_a_head_without_an_end_is_refused_before_it_is_large(port: int, start: str) -> None:
    sent = 0
    with connected(port) as client, contextlib.suppress(ConnectionError):
        client.sendall(start.encode())
        while sent < 100 * MAX_BARE_BYTES:
            sent += client.send(b"a" * 65_536)

    assert sent < 100 * MAX_BARE_BYTES


@pytest.mark.parametrize(
    "more",
    [
        "".join(f"X{n}: y\r\n" for n in range(300)),
        f"X: {'x' * 12_000}\r\n",
        "Content-Length: 5\r\n",
    ],
    ids=["headers", "long", "body"],
)
def test_a_handshake_that_nobody_answers_is_no_open_connection(port: int, more: str) -> None:
    with connected(port) as client:
        client.sendall(f"GET /ws HTTP/1.1\r\n{HANDSHAKE}{more}\r\n".encode())

        assert rest_of(client) == b""


def test_requests_and_sockets_are_as_ever(port: int) -> None:
    body = "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + "x" * 300_000
    with connected(port) as client:
        client.sendall(f"{WELL}{WELL}{body}{WELL}".encode())
        answers = rest_of(client)
    with connected(port) as client:
        client.sendall(f"GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n".encode())
        answer = rest_of(client)

    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.count(b"HTTP/1.1 413 ") == 1
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"not_signed_in"), "after five seconds, not after one"


def test_who_reads_no_pongs_is_cut_off(port: int) -> None:
    ping = b"\x89\xfd\0\0\0\0" + b"x" * 125  # masked with zeros
    sent = 0
    with connected(port) as client:
        client.sendall(f"GET /ws HTTP/1.1\r\n{HANDSHAKE}\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        with contextlib.suppress(ConnectionError):
            while sent < 200 * MAX_UNREAD_BYTES:
                sent += client.send(ping * 500)

    assert sent < 200 * MAX_UNREAD_BYTES
