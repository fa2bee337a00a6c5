"""Circular garbage: what comes and goes leaves none, and what there is does not grow for ever."""

import asyncio
import contextlib
import gc
import json
import socket
import struct
import weakref
from collections import Counter
from collections.abc import Generator

import pytest
from httptools import HttpRequestParser
from starlette.requests import Request
from starlette.websockets import WebSocket
from websockets.server import ServerProtocol

from madar import memory
from madar.api.connections import Connection, Socket
from madar.realtime.inbox import Inbox
from tests.product import Person, Product
from tests.simulator.harness import eventually

SERVING = {Connection, HttpRequestParser, Inbox, Request, ServerProtocol, Socket, WebSocket}
AT_ONCE = 5


@pytest.fixture
def _no_collector() -> Generator[None]:
    gc.unfreeze()
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def serving() -> Counter[str]:
    """What there is of a server's objects, old ones too."""
    gc.unfreeze()
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in SERVING)


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("end", ["closed", "cut"])
def test_a_socket_that_has_gone_is_no_garbage(product: Product, amal: Person, end: str) -> None:
    created = amal.create()["id"]
    before = serving()

    with contextlib.ExitStack() as stack:
        for _ in range(AT_ONCE):
            live = stack.enter_context(product.socket(Authorization=f"Bearer {amal.token}"))
            live.send(json.dumps({"type": "join:generation", "generationId": created}))
            assert json.loads(live.recv(10))["type"] == "joined"
            if end == "cut":
                stack.callback(cut, live.socket)
        assert serving()["Socket"] == before["Socket"] + AT_ONCE

    eventually(lambda: serving() == before or None)


def cut(one: socket.socket) -> None:
    """The other side hears of it by a reset."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


@pytest.mark.usefixtures("_no_collector")
def test_a_request_that_was_answered_is_no_garbage(product: Product, amal: Person) -> None:
    amal.get("/api/generations")
    before = serving()

    for path in ("/api/generations", "/api/generations/x", "/api/generations?page=0", "/nowhere"):
        amal.get(path)
        with product.anonymous() as http:
            http.get(path)

    eventually(lambda: serving() == before or None)


def test_what_is_left_is_collected_when_the_process_has_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(memory, "SLACK_BYTES", 2**20)
    monkeypatch.setattr(memory, "GROWTH", 1)
    gc.disable()

    class Circle:
        def __init__(self, size_bytes: int) -> None:
            self.itself = self
            self.ballast = bytearray(size_bytes)

    async def main() -> None:
        first = weakref.ref(Circle(0))
        assert first() is not None
        memory.grow_old()
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(memory.collect_when_grown())
            while first() is not None:
                Circle(2**20)
                await asyncio.sleep(0.001)
            collecting.cancel()

    try:
        asyncio.run(main())
    finally:
        gc.unfreeze()
        gc.enable()
