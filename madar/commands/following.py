"""Follow one generation: live over the websocket, or by asking when that breaks."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from madar.commands.public_api import Document, PublicApi
from madar.commands.terminal import UPSTREAM, CommandFailed

ASK_EVERY_S = 1.0
SILENCE_S = 15.0
PATIENCE_S = 60.0
TERMINAL = ("completed", "failed")

_STATUS_OF = {"generation:completed": "completed", "generation:failed": "failed"}


def follow(api: PublicApi, generation_id: str, *, show: Callable[[Document], None]) -> Document:
    """Until it is completed or has failed; answers its final document."""
    try:
        for state in _live(api, generation_id):
            show(state)
            if state.get("status") in TERMINAL:
                break
    except (WebSocketException, OSError, ValueError):
        pass  # whatever happens to the socket, the document says how it stands
    while True:
        document = _ask(api, generation_id)
        show(document)
        if document["status"] in TERMINAL:
            return document
        time.sleep(ASK_EVERY_S)


def _ask(api: PublicApi, generation_id: str) -> Document:
    """A server that restarts is given a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return api.generation(generation_id)
        except (httpx.TransportError, CommandFailed) as error:
            refused = isinstance(error, CommandFailed) and error.exit_code != UPSTREAM
            if refused or time.monotonic() > deadline:
                raise
        time.sleep(ASK_EVERY_S)


def _live(api: PublicApi, generation_id: str) -> Iterator[Document]:
    """What the socket tells; ends when the socket falls silent or refuses."""
    address = api.url.replace("http", "ws", 1) + "/ws"
    with connect(address, open_timeout=5, close_timeout=1) as socket:
        _send(socket, type="auth", token=api.token)
        _send(socket, type="join:generation", generationId=generation_id)
        while True:
            message = _receive(socket)
            if message is None or message.get("type") == "error":
                return
            if message.get("generationId") == generation_id:
                yield _state_in(message)


def _state_in(message: Document) -> Document:
    state: Document = message.get("snapshot") or message
    status = _STATUS_OF.get(message["type"])
    return {**state, "status": status} if status else state


def _receive(socket: ClientConnection) -> Document | None:
    """None after a silence that even a ping did not end."""
    for _ in range(2):
        try:
            return json.loads(socket.recv(timeout=SILENCE_S))
        except TimeoutError:
            _send(socket, type="ping")
    return None


def _send(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))
