"""Upstash's REST interface in front of a real redis-server, and the ways it can go wrong.

POST /            ["SET","k","v"]          -> {"result": "OK"} or {"error": "ERR …"}
POST /pipeline    [["SET",…],["GET",…]]    -> a list of those
POST /multi-exec  the same in a transaction
"""

import asyncio
import base64
import contextlib
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import redis
import redis.asyncio
import uvicorn
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.simulator.harness import eventually

Fault = Literal[
    "", "slow", "hanging", "garbage", "html", "empty", "list", "deep", "odd", "negative"
]
SLOW_S = 2
ANSWERS: dict[Fault, Response] = {
    "garbage": Response(b'}{"result"\xff\x00', media_type="application/json"),
    "html": Response("<html>502 Bad Gateway</html>", 502, media_type="text/html"),
    "empty": Response(b""),
    "list": JSONResponse([["OK"], None]),
    "deep": Response(b"[" * 100_000, media_type="application/json"),
    "odd": JSONResponse({"result": {"an": ["object", -1, True]}}),
    "negative": JSONResponse({"result": [1, -5]}),
}


@dataclass
class Bridge:
    """`counted` has the requests by token, so that one which comes late disturbs no other test."""

    url: str
    redis: redis.Redis
    token: str = ""
    fault: Fault = ""
    counted: Counter[str] = field(default_factory=Counter[str])

    @property
    def asked(self) -> int:
        return self.counted[self.token]


@contextlib.contextmanager
def redis_server(folder: Path) -> Generator[Path]:
    """A server of our own on a socket in `folder`; skips, loudly, where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    path = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    server = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: path if path.exists() else None)
        yield path
    finally:
        server.terminate()
        server.wait(10)


@contextlib.contextmanager
def bridging(path: Path) -> Generator[Bridge]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        redis.Redis(unix_socket_path=str(path), protocol=2) as direct,
    ):
        bridge = Bridge(f"http://127.0.0.1:{listener.getsockname()[1]}", direct)
        eventually(lambda: _answers(direct) or None)
        config = uvicorn.Config(
            _app(bridge, path), log_level="critical", timeout_graceful_shutdown=1, lifespan="on"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started or None)
            yield bridge
        finally:
            server.should_exit = True
            thread.join(15)


def _answers(direct: redis.Redis) -> bool:
    with contextlib.suppress(RedisError):
        return bool(direct.ping())  # pyright: ignore[reportUnknownMemberType]
    return False


def _app(bridge: Bridge, path: Path) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with redis.asyncio.Redis(unix_socket_path=str(path), protocol=2) as client:
            client.response_callbacks.clear()  # pyright: ignore[reportUnknownMemberType]
            app.state.redis = client
            yield

    async def answer(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        bridge.counted[token] += 1
        if bridge.fault == "hanging":
            await asyncio.Event().wait()
        if bridge.fault == "slow":
            await asyncio.sleep(SLOW_S)
        if bridge.fault in ANSWERS:
            return ANSWERS[bridge.fault]
        if token != bridge.token:
            return JSONResponse({"error": "WRONGPASS invalid or missing auth token"}, 401)
        return await _command(request)

    paths = ("/", "/pipeline", "/multi-exec")
    routes = [Route(path, answer, methods=["POST"]) for path in paths]
    return Starlette(routes=routes, lifespan=lifespan)


async def _command(request: Request) -> Response:
    given = await request.json()
    in_base64 = request.headers.get("upstash-encoding") == "base64"
    commands = [given] if request.url.path == "/" else given
    pipeline: Any = request.app.state.redis.pipeline(request.url.path == "/multi-exec")
    for command in commands:
        pipeline.execute_command(*command)
    results = [
        {"error": str(result)}
        if isinstance(result, RedisError)
        else {"result": _on_the_wire(result, in_base64)}
        for result in await pipeline.execute(raise_on_error=False)
    ]
    body = results[0] if request.url.path == "/" else results
    headers = {"Upstash-Sync-Token": request.headers.get("upstash-sync-token") or "made-up"}
    return JSONResponse(body, 400 if "error" in body else 200, headers)


def _on_the_wire(value: object, in_base64: bool) -> object:  # noqa: FBT001
    match value:
        case bytes():
            encoded = in_base64 and value != b"OK"
            return base64.b64encode(value).decode() if encoded else value.decode()
        case list():
            return [_on_the_wire(one, in_base64) for one in cast("list[object]", value)]
        case _:
            return value
