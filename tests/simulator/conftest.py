"""One simulator for all tests that do not need their own: it waits for nothing."""

from collections.abc import Iterator

import pytest

from tests.simulator.harness import Fal, Receiver, receiving, serving


@pytest.fixture(scope="session")
def shared_fal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fal]:
    with serving(tmp_path_factory.mktemp("simulator"), concurrency=4) as fal:
        yield fal


@pytest.fixture
def fal(shared_fal: Fal) -> Iterator[Fal]:
    yield shared_fal
    shared_fal.turn()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
