"""The web process: routes, middleware, what it holds open, and the server around it."""

import asyncio
import contextlib
import logging
import math
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
from madar import memory, metrics, sentry
from madar.actions.usage import USAGE, UsageLog
from madar.api.connections import Connection, Socket
from madar.api.cors import Cors
from madar.api.documents import finish
from madar.api.middleware import Edge
from madar.api.problems import on_bug, on_disconnect, on_http_exception, on_madar_error
from madar.api.request import State
from madar.api.routes import routes
from madar.api.socketio import SocketIo
from madar.errors import MadarError
from madar.i18n import Language
from madar.liveness import GAVE_UP, Liveness, end_within
from madar.realtime.endings import SERVICE_RESTART
from madar.realtime.entrance import Entrance
from madar.realtime.hub import Hub
from madar.realtime.listener import Listener
from madar.realtime.live import Live
from madar.redaction import hide
from madar.resources import open_resources
from madar.settings import Settings
from madar.supervision import NOT_CONFIGURED

log = logging.getLogger(__name__)

FAILED = 1
DRAIN_S = 20  # from the signal until requests are cut off
CLOSING_S = 5  # after that: what requests left behind is written, connections are closed
GOODBYE_S = 0.1  # before it: live connections are told why they end
LISTEN_WAIT_S = 2
KEEP_ALIVE_S = 65  # longer than any proxy in front keeps an idle connection
MAX_FRAME_BYTES = 64 * 1024  # what is above a message's own limit is refused, this is not even read
# What a page of another origin may send and read, beyond what browsers always allow.
SENT_HEADERS = (
    *("Content-Type", "Authorization", "Idempotency-Key", "If-None-Match", "X-Request-Id"),
    "Last-Event-ID",
)
READ_HEADERS = (
    *("X-Request-Id", "Retry-After", "Location", "Content-Language", "ETag"),
    *("Idempotency-Replayed", "RateLimit", "RateLimit-Policy"),
)


def create_app(
    settings: Settings,
    liveness: Liveness | None = None,
    *,
    beats_to: int | None = None,
    on_unheard: Callable[[], object] = lambda: None,
) -> ASGIApp:
    """CORS wraps everything: a refusal without its headers looks like a network error.

    `on_unheard` is called when the database is there and none of its bells can be heard.
    """
    alive = liveness or Liveness(settings.loop_silence_s)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        async with (
            open_resources(settings) as resources,
            asyncio.TaskGroup() as tasks,
        ):

            def finished(body: bytes, language: Language) -> bytes:
                return finish(body, storage=resources.storage, language=language)

            hub = Hub(finished)
            live = Live(hub=hub, pool=resources.pool, finish=finished)
            listener = Listener(
                settings.direct_url,
                resources.pool,
                hub,
                resources.cache,
                alive,
                on_unheard=on_unheard,
            )
            usage = UsageLog(resources.pool)
            tell = metrics.telling(
                metrics.PoolCollector(resources.pool),
                metrics.LiveCollector(lambda: hub.connections),
            )
            socketio = SocketIo(live, tasks)
            running = [
                tasks.create_task(alive.run(beats_to)),
                tasks.create_task(listener.run()),
                tasks.create_task(memory.collect_when_grown()),
                tasks.create_task(resources.reads.run(alive)),
                tasks.create_task(alive.keep("webhooks", resources.webhooks.run, loops=())),
            ]
            writing = partial(usage.run, alive)
            tasks.create_task(alive.keep(USAGE, writing, stopping=usage.stopped))
            with contextlib.suppress(TimeoutError):  # without a database we start all the same
                async with asyncio.timeout(LISTEN_WAIT_S):
                    await listener.heard.wait()
            with tell:
                yield State(
                    resources=resources,
                    live=live,
                    listener=listener,
                    liveness=alive,
                    usage=usage,
                    entrance=Entrance(),
                    socketio=socketio.door,
                )
            await socketio.door.stop()
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
    """Until SIGTERM or SIGINT, then requests and live connections end; the exit code."""
    logs.configure(settings.log_level, as_json=settings.is_production)
    hide(settings.secrets)
    sentry.configure(settings, process="web")
    # Uvicorn raises again what it was told to end by, for whoever listened before it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ended_already)

    def give_up() -> None:
        server.should_exit = True
        end_within(DRAIN_S + CLOSING_S)

    is_deaf = False

    def refuse() -> None:
        nonlocal is_deaf
        if not is_deaf:
            fault = settings.unheard_fault
            log.error("settings.wrong", extra={"code": "listen_unheard", "why": fault})
        is_deaf = server.should_exit = True

    liveness = Liveness(
        settings.loop_silence_s, on_give_up=give_up, on_lag=metrics.event_loop_lag.observe
    )
    config = uvicorn.Config(
        create_app(settings, liveness, beats_to=beats_to, on_unheard=refuse),
        host=settings.host,
        port=settings.port,
        http=Connection,
        ws=Socket,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_per_message_deflate=False,
        ws_max_size=MAX_FRAME_BYTES,
        timeout_graceful_shutdown=DRAIN_S - math.ceil(settings.linger_s),
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = Server(config, ready, linger_s=settings.linger_s)
    with metrics.serving(settings.host, settings.metrics_port, metrics.LoopCollector(liveness)):
        memory.settle()
        try:
            server.run()
        except SystemExit:  # uvicorn's own 3, which would mean that the settings are wrong
            return FAILED
        finally:
            sentry.flush()
    if is_deaf:
        return NOT_CONFIGURED
    if liveness.gave_up:
        return GAVE_UP
    return 0 if server.started else FAILED


def _ended_already(number: int, frame: FrameType | None) -> None:
    del number, frame


class Server(uvicorn.Server):
    """Says when it listens; a second signal does not cut the drain short, which ends anyway."""

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None] | None = None,
        *,
        linger_s: float = 0,
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._linger_s = linger_s

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        if self._ready and self.started:
            self._ready()

    async def shutdown(self, sockets: object = None) -> None:
        """Live connections would be waited for until the last moment, so they are told to go."""
        live: Live = self.lifespan.state["live"]
        await self._linger(live)
        for server in self.servers:
            server.close()
        live.stop(SERVICE_RESTART)
        if live.hub.sessions:
            await asyncio.sleep(GOODBYE_S)
        await super().shutdown(sockets)  # pyright: ignore[reportArgumentType]

    async def _linger(self, live: Live) -> None:
        """Whoever sends requests here learns only by and by that it should not any more.

        Until then everything is served, and each answer gives its connection up: one that were
        closed between two requests might be closed under the second.
        """
        live.leave()
        for connection in self.server_state.connections:
            if isinstance(connection, Connection):
                connection.let_go()
        await asyncio.sleep(self._linger_s)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)
