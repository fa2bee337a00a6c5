"""The web process: routes, middleware, what it holds open, and the server around it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from madar import log as logs
from madar.actions.usage import UsageLog
from madar.api.connections import Connection, Socket
from madar.api.cors import Cors
from madar.api.middleware import Edge
from madar.api.problems import on_bug, on_disconnect, on_http_exception, on_madar_error
from madar.api.request import State
from madar.api.routes import routes
from madar.errors import MadarError
from madar.realtime.hub import Hub
from madar.realtime.listener import Listener
from madar.resources import open_resources
from madar.settings import Settings

DRAIN_S = 20
LISTEN_WAIT_S = 2
KEEP_ALIVE_S = 65  # longer than any proxy in front keeps an idle connection
MAX_MESSAGE_BYTES = 64 * 1024
# What a page of another origin may send and read, beyond what browsers always allow.
SENT_HEADERS = ("Content-Type", "Authorization", "Idempotency-Key", "If-None-Match", "X-Request-Id")
READ_HEADERS = (
    *("X-Request-Id", "Retry-After", "Location", "Content-Language", "ETag"),
    *("Idempotency-Replayed", "RateLimit", "RateLimit-Policy"),
)


def create_app(settings: Settings) -> ASGIApp:
    """CORS wraps everything: a refusal without its headers looks like a network error."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        hub = Hub()
        async with (
            open_resources(settings) as resources,
            asyncio.TaskGroup() as tasks,
        ):
            listener = Listener(settings.direct_url, resources.pool, hub, resources.cache)
            listening = tasks.create_task(listener.run())
            reading = tasks.create_task(resources.reads.run())
            usage = UsageLog(resources.pool)
            tasks.create_task(usage.run())
            with contextlib.suppress(TimeoutError):  # without a database we start all the same
                async with asyncio.timeout(LISTEN_WAIT_S):
                    await listener.heard.wait()
            yield State(resources=resources, hub=hub, usage=usage)
            listening.cancel()
            reading.cancel()
            usage.stop()

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


def serve(settings: Settings, *, ready: Callable[[], None] | None = None) -> None:
    """Until SIGTERM or SIGINT; sockets are then closed with 1012, requests finish."""
    logs.configure(settings.log_level, as_json=settings.is_production)
    config = uvicorn.Config(
        create_app(settings),
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
    _Server(config, ready).run()


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        if self._ready and self.started:
            self._ready()
