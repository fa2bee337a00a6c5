"""One embedded PostgreSQL for several commands: the first starts it, the last stops it."""

import contextlib
import fcntl
from collections.abc import Generator
from contextlib import contextmanager

from madar.local.postgres import Server, start
from madar.local.state import State


@contextmanager
def shared_server(state: State) -> Generator[Server]:
    """A server that answers, for as long as the block lasts.

    Users hold a shared lock, which the system frees even after `kill -9`: nobody counts.
    """
    state.make()
    with (state.folder / "pg.users.lock").open("a") as users:
        with _starting(state):
            server = start(state.postgres)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield server
        finally:
            with _starting(state), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while others use it
                server.stop()


@contextmanager
def _starting(state: State) -> Generator[None]:
    """Only one process at a time starts or stops the server."""
    with (state.folder / "pg.start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def restart_if_dead(state: State) -> None:
    """Start the server again after a crash; attach when somebody else did."""
    with _starting(state):
        start(state.postgres)
