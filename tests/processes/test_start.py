"""`madar start`: two processes kept by a small parent that ends when it cannot keep them."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from madar.local.children import wait_until_gone
from madar.settings import Settings
from tests.faults.worker_process import environment_of
from tests.local.processes import free_port
from tests.processes.started import DEADLINE_S, started
from tests.product import Product, settings_for
from tests.simulator.harness import Fal, eventually

# Beats come every second then.
QUICK = {"loop_silence_s": 6}
PR_SET_CHILD_SUBREAPER = 36
CODE = """
import ctypes, sys
assert ctypes.CDLL(None).prctl({subreaper}, 1, 0, 0, 0) == 0
from madar.supervision import Child, Parent
orphaning = "(sleep 0.3 &) ; echo orphaned; exec cat"
sys.exit(Parent([Child("one", ("sh", "-c", orphaning), hung_after_s=60)]).run())
"""

Make = Callable[..., Settings]


@pytest.fixture
def make(dsn: str, fal: Fal, tmp_path: Path) -> Make:
    def make(**overrides: object) -> Settings:
        given = {"dsn": dsn, "fal": fal, "storage": str(tmp_path / "files"), **QUICK}
        return settings_for(**{**given, "port": free_port(), **overrides})  # pyright: ignore[reportArgumentType]

    return make


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_a_signal_ends_both_well(make: Make, fal: Fal, number: signal.Signals, times: int) -> None:
    settings = make()
    with started(settings) as running:
        both = [running.child("web"), running.child("worker")]
        running.wait_until_healthy()
        product = Product(settings=settings, fal=fal)
        amal = product.sign_in()
        with product.open, product.socket(Authorization=f"Bearer {amal.token}") as live:
            live.send(orjson.dumps({"type": "ping"}).decode())
            assert orjson.loads(live.recv(10))["type"] == "pong"

            for _ in range(times - 1):
                running.process.send_signal(number)
                running.wait_for("parent.stopping")
            code = running.end(number)

            with pytest.raises(ConnectionClosed) as closed:
                live.recv(10)

    assert code == 0
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1012
    ends = {one["child"]: one["code"] for one in running.told if one["event"] == "child.drained"}
    assert ends == {"web": 0, "worker": 0}
    assert not wait_until_gone(both, within_s=1)


def test_a_killed_child_is_started_again_and_what_it_writes_comes_out_at_once(make: Make) -> None:
    with started(make(log_level="info")) as running:
        both = {name: running.child(name) for name in ("web", "worker")}
        running.wait_until_healthy()
        eventually(lambda: any("worker.ready" in line for line in running.said) or None)

        again: list[psutil.Process] = []
        for name, child in both.items():
            child.kill()
            again.append(running.child(name))
        running.wait_until_healthy()

        assert all(child.is_running() for child in again)
        assert running.end() == 0


def test_a_child_that_dies_again_and_again_ends_everything(make: Make) -> None:
    with started(make()) as running:
        web = running.child("web")
        for _ in range(5):
            running.child("worker").kill()

        code = running.wait()

    assert code == 1
    assert any("failed 5 times" in one.get("why", "") for one in running.told)
    assert not wait_until_gone([web], within_s=1)


def test_what_cannot_start_as_it_is_configured_is_not_tried_again(make: Make) -> None:
    with started(make(), JWT_SECRET="") as running:
        code = running.wait()

    assert code == 3
    assert any("JWT_SECRET  is missing" in line for line in running.said)
    assert sum(one["event"] == "child.started" for one in running.told) == 2


def test_a_child_that_hangs_is_started_again_and_none_outlives_the_parent(make: Make) -> None:
    with started(make(), "--hung-after", "4") as running:
        both = {name: running.child(name) for name in ("web", "worker")}
        running.wait_until_healthy()

        again: list[psutil.Process] = []
        for name, child in both.items():
            child.suspend()
            running.wait_for("child.hung", child=name)
            again.append(running.child(name))
        assert not set(again) & set(both.values())
        running.wait_until_healthy()

        running.process.kill()

        assert not wait_until_gone(again, within_s=DEADLINE_S)


def test_a_taken_port_is_a_failure_and_no_matter_of_settings(make: Make) -> None:
    """The parent tries a failure again (test_supervision.py)."""
    settings = make()
    with closing(socket.create_server((settings.host, settings.port))):
        done = subprocess.run(
            [sys.executable, "-m", "madar", "serve"],
            env=environment_of(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    assert done.returncode == 1
    assert "address already in use" in done.stdout


def test_the_parent_loads_nothing_of_ours() -> None:
    code = "import sys, madar.commands.processes, madar.supervision; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    ours = {name for name in loaded if name.split(".")[0] in {"madar", "jobs"}}
    assert ours == {"madar", "madar.commands", "madar.commands.processes", "madar.supervision"}
    assert not {"psycopg", "asyncio", "pydantic", "starlette", "prometheus_client"} & set(loaded)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to such a process")
def test_orphans_are_reaped() -> None:
    """As process 1 of a container would have to."""
    command = [sys.executable, "-c", CODE.format(subreaper=PR_SET_CHILD_SUBREAPER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout
            while "orphaned" not in parent.stdout.readline():
                pass
            family = psutil.Process(parent.pid)
            eventually(lambda: len(family.children()) == 2 or None)

            eventually(lambda: len(family.children()) == 1 or None)
        finally:
            parent.terminate()
