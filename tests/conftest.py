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
import pytest
from hypothesis import HealthCheck, Phase, settings
from playwright.sync_api import Browser, Page

from madar.db import migrate
from madar.local import postgres
from tests.browser import chromium, fresh
from tests.buckets import S3, serving_s3
from tests.database import Database
from tests.product import AMAL, BADR, Person, Product, running_web, settings_for
from tests.simulator.harness import Fal, serving
from tests.standing import Standing

# The same examples each time, and a busy machine is no failure.
settings.register_profile("madar", derandomize=True, deadline=None, database=None)
settings.load_profile("madar")
# For the properties of queries: few in the suite, many in `make prove-sql`. What failed is told as
# a script, which explains itself (tests/sql/script.py).
_PHASES = [phase for phase in Phase if phase != Phase.explain]
settings.register_profile(
    "short", settings.default, max_examples=10, stateful_step_count=20, phases=_PHASES
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", type=int, default=500, help="of each, with the profile `long`")


@pytest.hookimpl(tryfirst=True)  # before hypothesis looks for the profile that was asked for
def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile(
        "long",
        deadline=None,
        database=None,
        phases=_PHASES,
        max_examples=config.getoption("examples"),
        stateful_step_count=50,
        suppress_health_check=list(HealthCheck),
    )


QUICK_SERVER = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
# Folders and files; one process runs a file from end to end.
_SLOW = {
    *("faults", "processes", "fuzz", "hostile", "local", "realtime", "studio"),
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
    server = postgres.start(folder / "pg", settings=QUICK_SERVER)
    try:
        migrate.up(server.create_database("template_madar"))
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def _administration(postgres_server: postgres.Server) -> Generator[Database]:
    """One connection that makes and drops databases: each new one costs as much as a copy."""
    database = Database(postgres_server.dsn("postgres"))
    yield database
    database.close()


@pytest.fixture(scope="module")
def _standing(
    request: pytest.FixtureRequest,
    shared_fal: Fal,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: postgres.Server,
    _administration: Database,
) -> Generator[Standing]:
    """What the tests of a file have in common whose mark says so, with its settings."""
    mark = request.node.get_closest_marker("standing")
    assert mark
    name = f"standing_{next(_numbers)}"
    storage = tmp_path_factory.mktemp("standing")
    with _database(_administration, name):
        dsn = postgres_server.dsn(name)
        with Standing(dsn=dsn, fal=shared_fal, storage=storage, overrides=mark.kwargs) as standing:
            yield standing


@pytest.fixture
def dsn(
    request: pytest.FixtureRequest, postgres_server: postgres.Server, _administration: Database
) -> Generator[str]:
    """A migrated database of this test's own; one that stands is emptied for the next test."""
    if _is_standing(request):
        standing: Standing = request.getfixturevalue("_standing")
        yield standing.dsn
        standing.clear()
        return
    name = f"test_{next(_numbers)}"
    with _database(_administration, name):
        yield postgres_server.dsn(name)


@contextlib.contextmanager
def _database(administration: Database, name: str) -> Generator[None]:
    administration.run(f"CREATE DATABASE {name} TEMPLATE template_madar STRATEGY file_copy")
    yield
    administration.run(f"DROP DATABASE {name} WITH (FORCE)")


def _is_standing(request: pytest.FixtureRequest) -> bool:
    """Not where a test starts web processes itself, nor where its own mark says `alone`."""
    marks = {mark.name for mark in request.node.iter_markers()}
    return "standing" in marks and "alone" not in marks and "start" not in request.fixturenames


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


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """One for all tests of a file; each has cookies and memory of its own."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    with fresh(browser) as context:
        yield context.new_page()


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
def product(request: pytest.FixtureRequest, dsn: str, fal: Fal) -> Generator[Product]:
    """A web process with the usual settings, or those of the file's mark."""
    del dsn
    if not _is_standing(request):
        yield request.getfixturevalue("start")()
        return
    standing: Standing = request.getfixturevalue("_standing")
    with _closing(Product(settings=standing.settings, fal=fal)) as product:
        yield product


@pytest.fixture
def amal(product: Product) -> Person:
    return product.sign_in(AMAL)


@pytest.fixture
def badr(product: Product) -> Person:
    return product.sign_in(BADR)
