"""A migrated template once, a copy of it for each test; a real web process on a real port."""

import contextlib
import gc
import itertools
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psycopg
import psycopg.sql
import pytest
from hypothesis import settings

from madar.db import migrate
from madar.local import postgres
from tests.buckets import S3, serving_s3
from tests.product import AMAL, BADR, Person, Product, running_web, settings_for
from tests.simulator.harness import Fal, serving

# The same examples each time, and a busy machine is no failure.
settings.register_profile("madar", derandomize=True, deadline=None, database=None)
settings.load_profile("madar")

_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
# Folders and files; one process runs a file from end to end.
_SLOW = {
    *("faults", "processes", "fuzz", "hostile", "local", "realtime"),
    *("test_bucket.py", "test_liveness.py", "test_readme.py", "test_typescript_client.py"),
}
_numbers = itertools.count()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slow ones first: no process should have them left when the others are done."""

    def is_quick(item: pytest.Item) -> bool:
        return not _SLOW & set(item.path.relative_to(config.rootpath).parts)

    items.sort(key=is_quick)


def pytest_collection_finish() -> None:
    """What is loaded stays: whoever collects garbage after this need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_file_of_settings() -> Generator[None]:
    """What somebody keeps in `.env` for `make run` is not for tests, nor for what they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MADAR_ENV_FILE", "")
        yield


@pytest.fixture
def open_folder() -> Generator[Path]:
    """For a server of a test's own.

    Not `tmp_path`: each pytest that starts as root closes that one to PostgreSQL's account again.
    """
    with tempfile.TemporaryDirectory(prefix="madar-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Generator[postgres.Server]:
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="madar-test-", dir=parent))
    server = postgres.start(folder / "pg", settings=_QUICK)
    try:
        migrate.up(server.create_database("template_madar"))
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def dsn(postgres_server: postgres.Server) -> Generator[str]:
    """A migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    yield postgres_server.create_database(name, template="template_madar")
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as conn:
        statement = psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)")
        conn.execute(statement.format(psycopg.sql.Identifier(name)))


@pytest.fixture
def conn(dsn: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def shared_fal(tmp_path_factory: pytest.TempPathFactory) -> Generator[Fal]:
    """One simulator that waits for nothing, for all tests that do not need their own."""
    with serving(tmp_path_factory.mktemp("simulator"), concurrency=4) as fal:
        yield fal


@pytest.fixture
def fal(shared_fal: Fal) -> Generator[Fal]:
    yield shared_fal
    shared_fal.turn()


@pytest.fixture(scope="session")
def shared_s3(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3]:
    """One server for all tests with a bucket: it takes seconds to start."""
    with serving_s3(tmp_path_factory.mktemp("s3")) as s3:
        yield s3


@pytest.fixture
def s3(shared_s3: S3) -> Generator[S3]:
    """With one empty bucket."""
    shared_s3.clear()
    yield shared_s3
    shared_s3.go_on()


Start = Callable[..., Product]


@pytest.fixture
def start(dsn: str, fal: Fal, tmp_path: Path) -> Generator[Start]:
    """Start a web process with other settings than usual."""
    with contextlib.ExitStack() as stack:

        def start(**overrides: Any) -> Product:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listener.getsockname()[1]
            given: dict[str, Any] = {"dsn": dsn, "fal": fal, "storage": str(tmp_path / "files")}
            given |= {"port": port, **overrides}
            settings = settings_for(**given)
            stack.enter_context(running_web(settings, listener))
            product = Product(settings=settings, fal=overrides.get("fal", fal))
            return stack.enter_context(_closing(product))

        yield start


@contextlib.contextmanager
def _closing(product: Product) -> Generator[Product]:
    with product.open:
        yield product


@pytest.fixture
def product(start: Start) -> Product:
    return start()


@pytest.fixture
def amal(product: Product) -> Person:
    return product.sign_in(AMAL)


@pytest.fixture
def badr(product: Product) -> Person:
    return product.sign_in(BADR)
