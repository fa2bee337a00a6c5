"""One redis-server for all, and each store in turn."""

import itertools
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.limits import stores
from tests.limits.bridge import Bridge, bridging, redis_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_bridge() -> Generator[Bridge]:
    with (
        tempfile.TemporaryDirectory(prefix="madar-redis-") as folder,
        redis_server(Path(folder)) as path,
        bridging(path) as bridge,
    ):
        yield bridge


@pytest.fixture
def bridge(shared_bridge: Bridge) -> Generator[Bridge]:
    """Empty, well, and nobody has asked yet."""
    shared_bridge.fault, shared_bridge.token = "", f"token-{next(_numbers)}"
    shared_bridge.redis.flushall()  # pyright: ignore[reportUnknownMemberType]
    yield shared_bridge
    shared_bridge.fault = ""


@pytest.fixture(params=["memory", "database", "upstash"])
def store(request: pytest.FixtureRequest) -> Generator[stores.Tried]:
    match request.param:
        case "database":
            opened = stores.database(request.getfixturevalue("dsn"))
        case "upstash":
            opened = stores.upstash(request.getfixturevalue("bridge"))
        case _:
            opened = stores.memory()
    with opened as store:
        yield store
