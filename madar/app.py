"""The web process: routes, middleware, what it holds open, and the server around it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from functools import partial
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from madar import log as logs
from madar import metrics
from madar.actions.usage import USAGE, UsageLog
from madar.api.connections import Connection, Socket
from madar.api.cors import Cors
from madar.api.middleware import Edge
from madar.api.problems import on_bug, on_disconnect, on_http_exception, on_madar_error
from madar.api.request import State
from madar.api.routes import routes
from madar.errors import MadarError
from madar.liveness import GAVE_UP, Liveness, end_within
from madar.realtime.hub import Hub
from madar.realtime.listener import Listener
from madar.resources import open_resources
from madar.settings import Settings

FAILED = 1
DRAIN_S = 20
CLOSING_S = 5  # after the drain: what requests left behind is written, connections are closed
LISTEN_WAIT_S = 2
KEEP_ALIVE_S = 65  # longer than any proxy in front keeps an idle connection
MAX_MESSAGE_BYTES = 64 * 1024
# What a page of another origin may send and read, beyond what browsers always allow.
SENT_HEADERS = ("Content-Type", "Authorization", "Idempotency-Key", "If-None-Match", "X-Request-Id")
READ_HEADERS = (
    *("X-Request-Id", "Retry-After", "Location", "Content-Language", "ETag"),
    *("Idempotency-Replayed", "RateLimit", "RateLimit-Policy"),
)


def create_app(
    settings: Settings, liveness: Liveness | None = None, *, beats_to: int | None = None
) -> ASGIApp:
    """CORS wraps everything: a refusal without its headers looks like a network error."""
    alive = liveness or Liveness(settings.loop_silence_s)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        hub = Hub()
        async with (
            open_resources(settings) as resources,
            asyncio.TaskGroup() as tasks,
        ):
            listener = Listener(settings.direct_url, resources.pool, hub, resources.cache, alive)
            usage = UsageLog(resources.pool)
            running = [
                tasks.create_task(alive.run(beats_to)),
                tasks.create_task(listener.run()),
                tasks.create_task(resources.reads.run(alive)),
                tasks.create_task(alive.keep("webhooks", resources.webhooks.run, loops=())),
            ]
            writing = partial(usage.run, alive)
            tasks.create_task(alive.keep(USAGE, writing, stopping=usage.stopped))
            with contextlib.suppress(TimeoutError):  # without a database we start all the same
                async with asyncio.timeout(LISTEN_WAIT_S):
                    await listener.heard.wait()
            yield State(resources=resources, hub=hub, listener=listener, usage=usage)
            usage.stop()
            for loop in running:
                loop.cancel()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            MadarError: on_madar_error,
            HTTPException: on_http_exception,
            ClientDisconnect: on_disconnect,
            Exception: on_bug,
        },
    )
    app.router.redirect_slashes = False
    return Cors(
        Edge(app),
        allow_origins=sorted(settings.allowed_origins),
        allow_credentials=True,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=SENT_HEADERS,
        expose_headers=READ_HEADERS,
        max_age=600,
    )


def serve(
    settings: Settings,
    *,
    ready: Callable[[], None] | None = None,
    beats_to: int | None = None,
) -> int:
    """Until SIGTERM or SIGINT, then sockets close with 1012, requests finish; the exit code."""
    logs.configure(settings.log_level, as_json=settings.is_production)
    # Uvicorn raises again what it was told to end by, for whoever listened before it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ended_already)

    def give_up() -> None:
        server.should_exit = True
        end_within(DRAIN_S + CLOSING_S)

    liveness = Liveness(settings.loop_silence_s, on_give_up=give_up)
    config = uvicorn.Config(
        create_app(settings, liveness, beats_to=beats_to),
        host=settings.host,
        port=settings.port,
        http=Connection,
        ws=Socket,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = _Server(config, ready)
    with metrics.serving(settings.host, settings.metrics_port, metrics.LoopCollector(liveness)):
        try:
            server.run()
        except SystemExit:  # uvicorn's own 3, which would mean that the settings are wrong
            return FAILED
    if liveness.gave_up:
        return GAVE_UP
    return 0 if server.started else FAILED


def _ended_already(number: int, frame: FrameType | None) -> None:
    del number, frame


class _Server(uvicorn.Server):
    """Says when it listens; a second signal does not cut the drain short, which ends anyway."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        if self._ready and self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)
