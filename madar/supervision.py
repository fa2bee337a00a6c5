"""The parent of `madar start`: keeps the web and the worker process running, and little else.

It opens no connection, reads no setting and imports nothing of ours, so hardly anything can go
wrong in it. Each child writes a byte into a pipe every few seconds, from its event loop and only
while all of its loops live; a child that stays silent is ended and started again. As process 1 of
a container it also reaps whatever its children left behind.
"""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType

DRAIN_S = 25.0
HUNG_AFTER_S = 30.0
START_WITHIN_S = 60.0
FAILURES = 5
# Longer than a child needs to find out for itself that starting its parts anew does not help.
STEADY_SILENCES = 20
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 8.0
LOOK_EVERY_S = 0.5
_EXPECTED = {"child.started", "child.drained", "parent.stopping", "parent.ended"}
TRACE_S = 2.0  # for a hung child to write where it hangs
MAX_LINES = 1_000
LAST_WORDS_S = 1.0
STDOUT = 1
FAILED = 1
NOT_CONFIGURED = 3  # madar/commands/terminal.py; trying again would change nothing


class Child:
    """One program; `start` may be called again after each death."""

    def __init__(self, name: str, command: Sequence[str], *, hung_after_s: float) -> None:
        self.name = name
        self._command = command
        self._hung_after_s = hung_after_s
        self._process: subprocess.Popen[bytes] | None = None
        self._beats = -1
        self._steady_s = STEADY_SILENCES * hung_after_s
        self._failures = 0  # since it last lived for so long
        self._started_at = 0.0
        self._heard_at = 0.0
        self._has_beaten = False
        self._killed_at: float | None = None
        self.start_at = 0.0

    @property
    def pid(self) -> int | None:
        """While it runs."""
        return self._process.pid if self._process else None

    @property
    def beats(self) -> int:
        """The pipe that it beats into, while it runs."""
        return self._beats

    @property
    def keeps_failing(self) -> bool:
        return self._failures >= FAILURES

    def start(self) -> None:
        """A machine that has no room for it now is a failure like a death."""
        self._started_at = time.monotonic()
        try:
            self._begin()
        except OSError as error:
            say("child.not_started", child=self.name, why=str(error))
            self._fail()
            return
        self._heard_at, self._has_beaten, self._killed_at = time.monotonic(), False, None
        say("child.started", child=self.name, pid=self.pid)

    def _begin(self) -> None:
        beats, written = os.pipe()
        os.set_blocking(beats, False)
        os.set_blocking(written, False)
        try:
            self._process = subprocess.Popen(
                [*self._command, "--exit-with-parent", "--beats-to", str(written)],
                stdin=subprocess.PIPE,  # the lifeline: it closes when we are gone
                pass_fds=(written,),
                start_new_session=True,  # Ctrl-C reaches us alone, and we pass it on once
            )
        except OSError:
            os.close(beats)
            raise
        finally:
            os.close(written)
        self._beats = beats

    def hear(self) -> None:
        if not self._process:
            return
        with suppress(BlockingIOError):
            if os.read(self._beats, 4096):
                self._heard_at, self._has_beaten = time.monotonic(), True

    def forgive(self, seconds: float) -> None:
        """We ourselves stood still so long, and it may have too."""
        self._heard_at += seconds

    def end_if_hung(self, now: float) -> None:
        """First it is asked to write where it hangs (SIGABRT, by faulthandler).

        `now` is from before it was last heard: standing still since then is held against nobody.
        """
        if not self._process:
            return
        limit_s = self._hung_after_s if self._has_beaten else START_WITHIN_S
        if self._killed_at is None and now - self._heard_at > limit_s:
            say("child.hung", child=self.name, pid=self.pid, silent_s=round(now - self._heard_at))
            self._killed_at = now
            self.signal(signal.SIGABRT)
        elif self._killed_at is not None and now - self._killed_at > TRACE_S:
            self.kill()

    def signal(self, number: int) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        """With whatever it started."""
        if self._process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def died(self, code: int) -> None:
        """It was reaped; what it left behind in its session ends too."""
        assert self._process
        assert self._process.stdin
        self.kill()
        self._process.returncode = code
        self._process.stdin.close()
        os.close(self._beats)
        self._process, self._beats = None, -1
        self._fail()

    def _fail(self) -> None:
        now = time.monotonic()
        is_steady = now - self._started_at >= self._steady_s
        self._failures = 1 if is_steady else self._failures + 1
        self.start_at = now + min(FIRST_PAUSE_S * 2 ** (self._failures - 1), MAX_PAUSE_S)


class Parent:
    """`run` until SIGTERM or SIGINT, or until a child dies again and again; the exit code."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._is_asked = False
        self._stop_by: float | None = None
        self._looked_at = 0.0
        self._code = 0
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)

    def run(self) -> int:
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, _wakes_only)
        _voice.start()
        self._looked_at = time.monotonic()
        while self._stop_by is None or any(child.pid for child in self._children):
            if self._is_asked and self._stop_by is None:
                self._stop("signal")
            self._look()
            self._sleep()
            self._reap()
        say("parent.ended", code=self._code)
        _voice.end()
        return self._code

    def _look(self) -> None:
        now = time.monotonic()
        late_s = now - self._looked_at - LOOK_EVERY_S
        self._looked_at = now
        for child in self._children:
            if late_s > LOOK_EVERY_S:
                child.forgive(late_s)
            child.hear()
            if self._stop_by is None:
                if child.pid is None and now >= child.start_at:
                    child.start()
                    self._stop_if_hopeless(child)
                child.end_if_hung(now)
            elif now > self._stop_by and child.pid:
                say("child.killed", child=child.name, pid=child.pid, why="it did not end in time")
                self._code = self._code or FAILED
                child.kill()

    def _sleep(self) -> None:
        """Until something happens, but not for long."""
        beats = [child.beats for child in self._children if child.pid]
        select.select([self._woken, *beats], [], [], LOOK_EVERY_S)
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)

    def _reap(self) -> None:
        """Our children, and as process 1 everybody's orphans."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                for child in self._children:
                    if child.pid == pid:
                        self._mourn(child, os.waitstatus_to_exitcode(status))

    def _mourn(self, child: Child, code: int) -> None:
        is_asked = self._stop_by is not None
        say("child.drained" if is_asked else "child.ended", child=child.name, code=code)
        child.died(code)
        if is_asked:
            return
        if code == NOT_CONFIGURED:
            self._code = NOT_CONFIGURED
            self._stop(f"{child.name} cannot start as it is configured")
        else:
            self._stop_if_hopeless(child)

    def _stop_if_hopeless(self, child: Child) -> None:
        if child.keeps_failing:
            self._code = FAILED
            self._stop(f"{child.name} failed {FAILURES} times in a row")

    def _stop(self, why: str) -> None:
        say("parent.stopping", why=why)
        self._stop_by = time.monotonic() + DRAIN_S
        for child in self._children:
            child.signal(signal.SIGTERM)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_asked = True  # a second one changes nothing: the end is bounded anyway


def _wakes_only(number: int, frame: FrameType | None) -> None:
    del number, frame


class _Voice:
    """Writes lines by a thread of its own: that nobody reads them may not hold anything else."""

    def __init__(self) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue(MAX_LINES)
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._lost = 0

    def start(self) -> None:
        self._thread.start()

    def say(self, line: dict[str, object]) -> None:
        """The next line for which there is room tells how many were lost before it."""
        lost = {"lines_lost": self._lost} if self._lost else {}
        try:
            self._lines.put_nowait(json.dumps({**line, **lost}).encode() + b"\n")
        except queue.Full:
            self._lost += 1
        else:
            self._lost = 0

    def end(self) -> None:
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(LAST_WORDS_S)

    def _write(self) -> None:
        """Not through sys.stdout: its lock would be missed when the process ends meanwhile."""
        while (rest := self._lines.get()) is not None:
            with suppress(OSError):  # whoever read us may be gone
                while rest:
                    rest = rest[os.write(STDOUT, rest) :]


_voice = _Voice()


def say(event: str, **facts: object) -> None:
    """A line like those of the children (madar/log.py)."""
    line = {
        "timestamp": datetime.now(UTC).isoformat(),
        "level": "info" if event in _EXPECTED else "warning",
        "service": "madar-ai-backend",
        "logger": __name__,
        "event": event,
        **facts,
    }
    _voice.say(line)


def program(*words: str) -> tuple[str, ...]:
    """Our own command, found by the same Python in the same places."""
    safe_path = ("-P",) if sys.flags.safe_path else ()
    return (sys.executable, *safe_path, "-m", "madar", *words)


def supervise(*, hung_after_s: float = HUNG_AFTER_S) -> int:
    children = [
        Child(name, program(command), hung_after_s=hung_after_s)
        for name, command in (("web", "serve"), ("worker", "worker"))
    ]
    return Parent(children).run()
