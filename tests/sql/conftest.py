"""One database for the properties of a test process; the register's other half."""

from collections.abc import Generator

import psycopg
import pytest

from madar.local import postgres
from tests.sql.contract import Watching, calls, describe
from tests.sql.harness import Sql, opened
from tests.sql.recorder import recorder, recording


@pytest.fixture(scope="package", autouse=True)
def _recording(postgres_server: postgres.Server) -> Generator[None]:
    """Here only: elsewhere a query may well be asked with what nobody foresaw."""
    with psycopg.connect(postgres_server.dsn("template_madar")) as conn:
        described = describe(conn)
    by_name = {f"{call.aggregate}.{call.name}": call for call in calls()}
    watching = Watching(described=described, calls=by_name)
    recorder.watchers.append(watching)
    with recording():
        yield
    recorder.watchers.remove(watching)


@pytest.fixture(scope="session")
def sql(postgres_server: postgres.Server) -> Generator[Sql]:
    dsn = postgres_server.create_database("properties", template="template_madar")
    with opened(dsn) as sql:
        yield sql


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Whoever says that it holds a query has run it, and the query found something."""
    recorder.forget()
    yield
    named = {name for mark in item.iter_markers("holds") for name in mark.args}
    idle = sorted(name for name in named if not recorder.touched[name])
    assert not idle, f"said to be held here, and found or changed no row: {idle}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "holds(*queries): the queries that a property holds.")
