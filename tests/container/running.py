"""`madar start` in the container, as one process of this machine that is waited for and ended."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx
import psutil

from madar.settings import Settings
from madar.supervision import DRAIN_S
from tests.container.building import buildah_command, environment
from tests.faults.worker_process import environment_of
from tests.simulator.harness import eventually

READY_WITHIN_S = 90
END_WITHIN_S = DRAIN_S + 5  # kill_timeout of fly.toml


def variables_of(settings: Settings, **overrides: str) -> dict[str, str]:
    """The settings as the container is told them, without anything else of this machine."""
    told = environment_of(settings).items()
    return {name: value for name, value in told if name.lower() in Settings.model_fields} | {
        **overrides
    }


def words_for(container: str, variables: Mapping[str, str], *command: str) -> list[str]:
    given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    return buildah_command("run", "--terminal=false", *given, container, "--", *command)


def run_once(
    container: str, *command: str, variables: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and all that was said."""
    done = subprocess.run(
        words_for(container, variables or {}, *command),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=READY_WITHIN_S,
    )
    return done.returncode, done.stdout


class Running:
    """What `docker run` would be."""

    def __init__(self, container: str, variables: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                words_for(container, variables, "madar", "start"),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self._process.pid).children(recursive=True)

    def wait_until_healthy(self, url: str) -> float:
        """Seconds."""
        started = time.monotonic()

        def look() -> bool | None:
            assert self._process.poll() is None, self.said
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(f"{url}/api/health", trust_env=False, verify=False)
                return (answer.status_code == 200 and answer.json()["status"] == "ok") or None
            return None

        eventually(look, deadline_s=READY_WITHIN_S)
        return time.monotonic() - started

    def end(self) -> tuple[int, float]:
        """By SIGTERM to process 1 of the container; exit code and seconds."""
        started = time.monotonic()
        self._parent().send_signal(signal.SIGTERM)
        return self._process.wait(END_WITHIN_S), time.monotonic() - started

    def _parent(self) -> psutil.Process:
        for one in self.family():
            with contextlib.suppress(psutil.Error):
                if one.cmdline()[-2:] == ["madar", "start"]:
                    return one
        raise AssertionError(f"madar start does not run:\n{self.said}")

    def tidy(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(psutil.Error, AssertionError, subprocess.TimeoutExpired):
                self.end()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


@contextlib.contextmanager
def started(container: str, variables: Mapping[str, str], log: Path) -> Generator[Running]:
    running = Running(container, variables, log)
    try:
        yield running
    finally:
        running.tidy()
