"""A folder that PostgreSQL's account can reach for as long as the test lasts."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from madar.local import postgres
from madar.local.state import State

MakeState = Callable[[], State]


@pytest.fixture(scope="module")
def make_state() -> Generator[MakeState]:
    """Not pytest's own folder: each pytest that starts as root closes that one to others again."""
    with contextlib.ExitStack() as stack:

        def make() -> State:
            folder = Path(tempfile.mkdtemp(prefix="madar-local-"))
            state = State(folder / "بيت مدار" / "with space" / ".madar")
            stack.callback(shutil.rmtree, folder)
            stack.callback(_stop, state)
            return state

        yield make


def _stop(state: State) -> None:
    if server := postgres.running(state.postgres):
        server.stop(immediately=True)
