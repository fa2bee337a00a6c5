"""The floor under every answer: an ASGI app that does nothing, on the same server. See reads.py."""
# needs: reads.py

from collections.abc import Awaitable, Callable
from typing import Any

BODY = b'{"ok": true}'


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    await receive()
    headers = [(b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
