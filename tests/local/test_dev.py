"""`madar dev`: real processes from start to stop, and after every kind of death."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from madar.local import postgres
from madar.local.state import State
from madar.local.supervisor import Ending, until_answers
from tests.local.conftest import MakeState
from tests.local.processes import DEADLINE_S, Dev, assert_gone, dev, free_port, pid_in


@pytest.fixture(scope="module")
def state(make_state: MakeState) -> State:
    return make_state()


@pytest.fixture(scope="module")
def port() -> int:
    """The one asked for, which is taken."""
    return free_port()


@pytest.fixture(scope="module")
def running(state: State, port: int) -> Generator[Dev]:
    """One for all tests that do not end it; at the end nothing of it is left."""
    with socket.create_server(("127.0.0.1", port)), dev(state, port=port) as running:
        running.wait_until_ready()
        yield running
        family = running.family(state)
        assert running.end(signal.SIGTERM) == 0
        assert_gone(family)


@pytest.fixture(scope="module")
def other_state(make_state: MakeState) -> State:
    """For those that end it; each start finds what the one before left."""
    return make_state()


def is_healthy(port: int) -> bool:
    """Within the deadline."""
    asking = until_answers(port, "/api/health", ending=Ending())
    return asyncio.run(asyncio.wait_for(asking, DEADLINE_S))


def child_of(running: Dev, word: str) -> psutil.Process:
    family = psutil.Process(running.process.pid).children()
    return next(process for process in family if word in process.cmdline())


def test_a_taken_port_moves_to_the_next_and_says_so(running: Dev, state: State, port: int) -> None:
    note = state.read_note()

    assert note
    assert note.port > port
    assert is_healthy(note.port)
    who = f"Port {port} was taken by {psutil.Process().name()}, pid {os.getpid()}"
    assert f"{who}, so this is on {note.port}." in "".join(running.said)


def test_a_second_start_says_where_the_first_is(running: Dev, state: State, port: int) -> None:
    with dev(state, port=port) as second:
        line = second.wait_for("already runs")

        assert f"(pid {running.process.pid})" in line
        assert second.process.wait(DEADLINE_S) == 1


@pytest.mark.usefixtures("running")
def test_generate_draws_a_picture_over_the_public_api(state: State, tmp_path: Path) -> None:
    picture = tmp_path / "صاروخ.png"
    command = [sys.executable, "-m", "madar", "generate", "صاروخ أحمر", "--style", "voxel-3d"]
    options = ["--seed", "7", "--state", str(state.folder), "--json", "-o", str(picture)]

    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == "صاروخ أحمر"
    assert done.stderr.splitlines()[-1] == "completed"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_whatever_dies_is_started_again(running: Dev, state: State) -> None:
    child_of(running, "serve").kill()
    running.wait_for("web was ended by SIGKILL and is started again")
    psutil.Process(pid_in(state.postgres / "postmaster.pid")).kill()
    running.wait_for("PostgreSQL ended by itself and is started again")

    note = state.read_note()
    assert note
    assert is_healthy(note.port)


def test_after_kill_9_the_next_start_needs_no_repair(other_state: State) -> None:
    port = free_port()
    with dev(other_state, port=port) as first:
        first.wait_until_ready()
        orphans = psutil.Process(first.process.pid).children(recursive=True)
        server = psutil.Process(pid_in(other_state.postgres / "postmaster.pid"))
        first.end(signal.SIGKILL)

    with dev(other_state, port=port) as second:
        second.wait_until_ready()
        assert_gone(orphans, within_s=0)
        assert server.is_running()  # adopted
        assert "was taken" not in "".join(second.said)
        for process in second.family(other_state):
            with suppress(psutil.NoSuchProcess):  # ended with the one before
                process.kill()
        second.end(signal.SIGKILL)

    with dev(other_state, port=port) as third:
        third.wait_until_ready()
        assert is_healthy(port)
        family = third.family(other_state)
        third.process.send_signal(signal.SIGINT)
        third.wait_for("Stopping")
        assert third.end(signal.SIGINT) == 0  # a second Ctrl-C changes nothing
        assert_gone(family)


def test_a_signal_while_starting_stops_everything(other_state: State) -> None:
    with dev(other_state, port=free_port()) as starting:
        children: list[psutil.Process] = []
        while not children:
            children = psutil.Process(starting.process.pid).children()
        assert starting.end(signal.SIGTERM) == 0
        assert_gone(children)
    assert postgres.running(other_state.postgres) is None
