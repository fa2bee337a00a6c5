"""Limits of the child, each shown on a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"from madar.imaging import limits\n{program}"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_picture_that_takes_too_long_ends_the_process() -> None:
    ended = run("limits.CHILD_CPU_S = 0\nlimits.renew_cpu()\nwhile True: pass")

    assert ended.returncode == -signal.SIGXCPU


def test_processor_time_is_granted_anew_for_each_picture() -> None:
    ended = run(
        "import resource\n"
        "for used_s in (0, 0.2):\n"
        "    while sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) < used_s: pass\n"
        "    limits.renew_cpu()\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU)[1] == resource.RLIM_INFINITY)"
    )

    assert (ended.returncode, ended.stdout) == (0, "True\n")


def test_memory_is_limited_above_what_there_is() -> None:
    ended = run(
        "limits.confine()\n"
        "bytearray(400 * 2**20)\n"
        "try: bytearray(600 * 2**20)\n"
        "except MemoryError: print('refused')"
    )

    assert (ended.returncode, ended.stdout) == (0, "refused\n")


def test_no_file_and_no_socket_can_be_opened() -> None:
    ended = run(
        "import socket\n"
        "limits.confine()\n"
        "for open_it in (socket.socket, lambda: open('/dev/null')):\n"
        "    try: open_it()\n"
        "    except OSError as error: print(error.errno)"
    )

    assert (ended.returncode, ended.stdout) == (0, "24\n24\n")
