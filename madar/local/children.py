"""One program that `madar dev` keeps running: started again when it dies, stopped at the end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from madar.local.logs import LogFile

QUICK_S = 10
QUICK_DEATHS = 5
FIRST_PAUSE_S = 0.2
DRAIN_S = 28  # web and worker promise to end within 25

Say = Callable[[str], None]


class KeepsDying(Exception):
    """A child died again and again; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Program:
    name: str
    command: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    log: Path


class Child:
    """`keep` runs until `stop` is called or the program died too often."""

    def __init__(self, program: Program, *, say: Say, started: Callable[[], None]) -> None:
        self.name = program.name
        self.log = LogFile(program.log)
        self._program = program
        self._say = say
        self._started = started
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._ended = asyncio.Event()

    @property
    def identity(self) -> tuple[int, float] | None:
        """Process id and time of creation, while it runs."""
        if self._process is None or self._process.returncode is not None:
            return None
        with contextlib.suppress(psutil.Error):
            return self._process.pid, psutil.Process(self._process.pid).create_time()
        return None

    async def keep(self) -> None:
        """Raises KeepsDying after five deaths in quick succession."""
        quick = 0
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                code = await self._run_once()
                if self._stopping.is_set():
                    return
                quick = quick + 1 if time.monotonic() - started < QUICK_S else 1
                if quick >= QUICK_DEATHS:
                    raise KeepsDying(self._obituary(code))
                self._say(f"{self.name} {_how(code)} and is started again; see {self.log.path}")
                with contextlib.suppress(TimeoutError):
                    pause_s = FIRST_PAUSE_S * 2 ** (quick - 1)
                    async with asyncio.timeout(pause_s):
                        await self._stopping.wait()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Ask it to finish what it does; kill it when it has not after DRAIN_S."""
        self._stopping.set()
        self._terminate()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._ended.wait()
        except TimeoutError:
            self._say(f"{self.name} did not end within {DRAIN_S} s and is killed")
            if self._process is not None:
                _end_group(self._process.pid)
            await self._ended.wait()

    async def _run_once(self) -> int:
        self._process = process = await self._start()
        self._started()
        if self._stopping.is_set():
            self._terminate()  # asked to stop while it was being started
        code = await process.wait()
        _end_group(process.pid)
        return code

    def _terminate(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def _start(self) -> asyncio.subprocess.Process:
        with self._program.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._program.command,
                cwd=self._program.folder,
                env=self._program.variables,
                stdin=subprocess.PIPE,  # the lifeline: it closes when we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
            )

    def _obituary(self, code: int) -> str:
        lines = "\n".join(f"  {line}" for line in self.log.last_lines())
        return (
            f"{self.name} {_how(code)}, {QUICK_DEATHS} times in a row, so everything stops. "
            f"The end of {self.log.path}:\n{lines}"
        )


def _how(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with code {code}"


def _end_group(leader: int) -> None:
    """Whatever a child started and left behind ends with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def end_leftovers(
    children: Mapping[str, tuple[int, float]], *, patience_s: float, say: Say
) -> None:
    """Wait for the children of a `madar dev` that was killed; they end by themselves, or by us."""
    left: list[psutil.Process] = []
    for pid, created in children.values():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < 1:
                left.append(process)
    if left := wait_until_gone(left, within_s=1):
        say("The last start was killed; waiting for what it left to end …")
    for process in wait_until_gone(left, within_s=patience_s):
        _end_group(process.pid)


def wait_until_gone(processes: list[psutil.Process], *, within_s: float) -> list[psutil.Process]:
    """Those still alive then. One that ended and that nobody reaps, as in a container, is gone."""
    deadline = time.monotonic() + within_s
    left = [process for process in processes if _is_alive(process)]
    while left and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.05)
        left = [process for process in left if _is_alive(process)]
    return left


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
