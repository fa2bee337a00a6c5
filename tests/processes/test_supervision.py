"""The parent by itself, with children that are small and its patience in tenths of seconds."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

BEATS = "import os, sys, time\nwhile True: os.write(int(sys.argv[-1]), b'.'); time.sleep(0.1)"
HANGS = "import os, sys, time; os.write(int(sys.argv[-1]), b'.'); time.sleep(1000)"
CODE = """
import sys
from madar import supervision
supervision.FIRST_PAUSE_S, supervision.TRACE_S, supervision.LOOK_EVERY_S = 0.01, 0.1, 0.05
child = supervision.Child("one", sys.argv[1:], hung_after_s=0.5)
sys.exit(supervision.Parent([child]).run())
"""
DEADLINE_S = 30


def parent_of(*command: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CODE, *command], stdout=stdout)


def told_by(parent: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """All of its lines, when it has ended."""
    out, _ = parent.communicate(timeout=DEADLINE_S)
    return [json.loads(line) for line in out.splitlines()]


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    for size in (4096, 1):
        try:
            while True:
                os.write(pipe, b"x" * size)
        except BlockingIOError:
            continue
    os.set_blocking(pipe, True)


def test_a_child_that_hangs_at_each_start_ends_everything() -> None:
    parent = parent_of(sys.executable, "-c", HANGS)

    told = told_by(parent)

    assert parent.returncode == 1
    assert sum(line["event"] == "child.hung" for line in told) == 5


def test_a_child_for_which_there_is_no_room_is_tried_again() -> None:
    parent = parent_of("/nowhere/madar")

    told = told_by(parent)

    assert parent.returncode == 1
    assert sum(line["event"] == "child.not_started" for line in told) == 5


def test_a_log_that_nobody_reads_keeps_the_parent_from_nothing() -> None:
    read, write = os.pipe()
    fill(write)
    parent = parent_of("sh", "-c", "exit 1", stdout=write)
    os.close(write)

    code = parent.wait(DEADLINE_S)
    os.close(read)

    assert code == 1


def test_a_parent_that_stood_still_holds_it_against_nobody() -> None:
    parent = parent_of(sys.executable, "-c", BEATS)
    assert parent.stdout
    assert b"child.started" in parent.stdout.readline()
    parent.send_signal(signal.SIGSTOP)
    os.waitpid(parent.pid, os.WUNTRACED)
    try:
        parent.wait(2)
    except subprocess.TimeoutExpired:
        parent.send_signal(signal.SIGCONT)
    parent.send_signal(signal.SIGTERM)

    events = [line["event"] for line in told_by(parent)]

    assert parent.returncode == 0
    assert events == ["parent.stopping", "child.drained", "parent.ended"]
