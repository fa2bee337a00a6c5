"""A worker as a process of its own, to be killed."""

import signal
import subprocess
import sys
from typing import Any

from madar.settings import Settings, child_environment


def environment_of(settings: Settings, **overrides: str) -> dict[str, str]:
    """The settings as a process reads them."""
    values: dict[str, Any] = {name: getattr(settings, name) for name in Settings.model_fields}
    values["fal_media_hosts"] = " ".join(settings.fal_media_hosts)
    values["cors_origins"] = " ".join(settings.cors_origins)
    values["simulator_faults"] = ""
    given = {name: str(value) for name, value in values.items()}
    variables = {name.upper(): value for name, value in given.items() if value}
    return {**child_environment(), **variables, **overrides}


class WorkerProcess:
    """Started at once; `kill` is SIGKILL, as by the kernel or a lost machine."""

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jobs"],
            env=environment_of(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        return self._process.wait(30)
