"""The simulator as one Starlette application."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from madar.simulator import control, history, issuer, wire
from madar.simulator.config import SimulatorConfig
from madar.simulator.drawing_pool import DrawingPool
from madar.simulator.faults import FaultDial
from madar.simulator.files import FileStore
from madar.simulator.gate import Gate
from madar.simulator.issuer_tokens import Issuer
from madar.simulator.ledger import Ledger
from madar.simulator.models import Models
from madar.simulator.queue import Queue
from madar.simulator.sources import Sources
from madar.simulator.state import Simulator, State
from madar.simulator.webhooks import SigningKey, Webhooks

# A source picture of 10 MiB as a data URI, and some words around it.
_MAX_BODY_BYTES = 15 * 2**20


def create_simulator(config: SimulatorConfig) -> Starlette:
    """Nothing is opened before the application starts; everything is closed when it stops."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        async with _running(config) as simulator:
            yield State(simulator=simulator)

    return Starlette(
        routes=[
            *control.routes,
            *history.routes,
            Mount("/google", routes=issuer.routes),
            *wire.routes,
        ],
        middleware=[Middleware(Gate)],
        exception_handlers={HTTPException: _answer_error},
        lifespan=lifespan,
        max_body_size=_MAX_BODY_BYTES,
    )


@asynccontextmanager
async def _running(config: SimulatorConfig) -> AsyncGenerator[Simulator]:
    config.directory.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        ledger = Ledger(config.directory / "ledger.sqlite")
        stack.callback(ledger.close)
        files = FileStore(config.directory / "files", config.public_url)
        key = SigningKey.load_or_create(config.directory / "webhook-key")
        dial = FaultDial(config.faults)
        # Only ever calls the machine it runs on and what its users name: no proxies.
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, max_redirects=3))
        webhooks = Webhooks(config, ledger, key, http)
        sources = Sources(ledger, files, http)
        pool = DrawingPool(config.drawing_processes)
        stack.push_async_callback(pool.close)
        models = Models(config, files, sources, pool)
        queue = Queue(config, ledger, dial, webhooks, models.answer)
        async with asyncio.TaskGroup() as group:
            work = [group.create_task(queue.serve()), group.create_task(webhooks.serve())]
            yield Simulator(
                config=config,
                ledger=ledger,
                files=files,
                dial=dial,
                queue=queue,
                key=key,
                issuer=_issuer(config),
            )
            for task in work:
                task.cancel()


def _issuer(config: SimulatorConfig) -> Issuer | None:
    if config.google is None:
        return None
    return Issuer(
        url=f"{config.public_url}/google",
        client=config.google,
        key_path=config.directory / "google-keys.json",
    )


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
