"""A database, a Fal and a web process of its own, for what takes longer than a test may."""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx

from madar.db import migrate
from madar.local import postgres
from madar.settings import Settings
from tests.faults.worker_process import environment_of
from tests.product import Product, settings_for
from tests.simulator.harness import eventually, serving


@contextlib.contextmanager
def opened_web(**overrides: Any) -> Generator[Product]:
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="madar-webhooks-", dir=parent))
    folder.chmod(0o755)
    server = postgres.start(folder / "pg")
    try:
        dsn = server.create_database("webhooks")
        migrate.up(dsn)
        with serving(folder / "simulator", concurrency=4) as fal:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            given: dict[str, Any] = {"log_level": "error", **overrides}
            storage = str(folder / "files")
            settings = settings_for(dsn=dsn, fal=fal, storage=storage, port=port, **given)
            product = Product(settings=settings, fal=fal)
            with _web(settings), product.open:
                eventually(lambda: _is_up(product) or None)
                yield product
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextlib.contextmanager
def _web(settings: Settings) -> Generator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "madar", "serve", "--exit-with-parent"],
        env=environment_of(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _is_up(product: Product) -> bool:
    with contextlib.suppress(httpx.TransportError), product.anonymous() as http:
        return http.get("/api/health").status_code == 200
    return False
