"""The processes under test: started in moments, killed, stopped and continued."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.simulator.harness import eventually

Role = Literal["web", "worker"]


class Spawned:
    """A web or a worker process."""

    def __init__(self, pid: int, role: Role) -> None:
        self.pid = pid
        self.role: Role = role

    @property
    def is_running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL: as by the kernel, or with a lost machine."""
        self._signal(signal.SIGKILL)
        eventually(lambda: None if self.is_running else True)

    def stop(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Zygote:
    """One that has imported everything and forks; may be asked from several threads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.rig.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lock = threading.Lock()
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def spawn(self, role: Role, settings: dict[str, Any], *, log: Path) -> Spawned:
        asked = json.dumps({"role": role, "settings": settings, "log": str(log)})
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(f"{asked}\n".encode())
            self._process.stdin.flush()
            return Spawned(int(self._process.stdout.readline()), role)

    def close(self) -> None:
        """Whatever it made ends with it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def zygote() -> Generator[Zygote]:
    one = Zygote()
    try:
        yield one
    finally:
        one.close()
