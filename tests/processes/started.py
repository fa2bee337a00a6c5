"""`madar start` as a process of its own: what it tells, whom it started, and how it ended."""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import psutil

from madar.local.children import wait_until_gone
from madar.settings import ROOT, Settings
from tests.faults.worker_process import environment_of
from tests.simulator.harness import eventually

DEADLINE_S = 60


class Started:
    """Every wait has a deadline. `told` has the parent's own lines so far."""

    def __init__(
        self, settings: Settings, *words: str, folder: Path = ROOT, **variables: str
    ) -> None:
        self.url = settings.app_url
        self.process = subprocess.Popen(
            [sys.executable, "-m", "madar", "start", *words],
            cwd=folder,
            env=environment_of(settings, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.told: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, event: str, **facts: object) -> dict[str, Any]:
        """The next line of the parent with these facts."""
        while True:
            line = self._lines.get(timeout=DEADLINE_S)
            assert line is not None, f"ended without {event}:\n{''.join(self.said)}"
            if line["event"] == event and facts.items() <= line.items():
                return line

    def child(self, name: str) -> psutil.Process:
        """The one started next."""
        return psutil.Process(self.wait_for("child.started", child=name)["pid"])

    def wait_until_healthy(self) -> None:
        def look() -> bool | None:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(f"{self.url}/api/health", trust_env=False, verify=False)
                return answer.status_code == 200 or None
            return None

        eventually(look, deadline_s=DEADLINE_S)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream
        with stream:
            for line in stream:
                self.said.append(line)
                if line.startswith('{"timestamp"'):
                    self.told.append(json.loads(line))
                    self._lines.put(self.told[-1])
        self._lines.put(None)


@contextlib.contextmanager
def started(
    settings: Settings, *words: str, folder: Path = ROOT, **variables: str
) -> Generator[Started]:
    """`folder` is where a release lies."""
    running = Started(settings, *words, folder=folder, **variables)
    family: list[psutil.Process] = []
    try:
        yield running
    finally:
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(running.process.pid).children(recursive=True)
        if running.process.poll() is None:
            running.end()
        assert not wait_until_gone(family, within_s=DEADLINE_S)
