"""`madar dev` as a process of its own, and whether processes are gone."""

import itertools
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from madar.local.children import wait_until_gone
from madar.local.state import State

DEADLINE_S = 40


class Dev:
    """Reads what it says; every wait has a deadline."""

    def __init__(self, state: State, *, port: int, options: tuple[str, ...] = ()) -> None:
        command = (sys.executable, "-m", "madar", "dev", "--speed", "0", "--port", str(port))
        self.process = subprocess.Popen(
            [*command, "--state", str(state.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, words: str) -> str:
        """The line with these words; fails when it ends or the deadline passes before."""
        while True:
            line = self._lines.get(timeout=DEADLINE_S)
            assert line is not None, f"ended without saying “{words}”:\n{''.join(self.said)}"
            if words in line:
                return line

    def wait_until_ready(self) -> None:
        self.wait_for("Stop with Ctrl-C")

    def family(self, state: State) -> list[psutil.Process]:
        """All that belongs to it, with the PostgreSQL that is nobody's child."""
        own = psutil.Process(self.process.pid)
        lock = state.postgres / "postmaster.pid"
        server = [psutil.Process(int(lock.read_text().splitlines()[0]))] if lock.exists() else []
        roots = [own, *server]
        return roots + [child for root in roots for child in root.children(recursive=True)]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def _read(self) -> None:
        stream = self.process.stderr
        assert stream
        with stream:
            for line in stream:
                self.said.append(line)
                self._lines.put(line)
        self._lines.put(None)


@contextmanager
def dev(state: State, *, port: int, options: tuple[str, ...] = ()) -> Generator[Dev]:
    running = Dev(state, port=port, options=options)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.end(signal.SIGTERM)


def assert_gone(processes: list[psutil.Process], *, within_s: float = DEADLINE_S) -> None:
    assert not wait_until_gone(processes, within_s=within_s)


# Below what systems give out by themselves, and a block of each test process's own, so that a
# port is still free when the program that is told of it listens there.
_first_port = 10_000 + os.getpid() % 200 * 100
_ports = itertools.cycle(range(_first_port, _first_port + 100))


def free_port() -> int:
    for port in _ports:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("the ports go round and round")


def pid_in(lock: Path) -> int:
    return int(lock.read_text(encoding="utf-8").splitlines()[0])
