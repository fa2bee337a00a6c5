"""A simulator that is killed goes on where it was; one whose parent is gone stops."""

import json
from pathlib import Path

import psutil

from tests.simulator.harness import DRAW, TRANSLATE, Fal, Process, Receiver, eventually


def test_killed_in_the_middle_it_goes_on_and_keeps_its_key(
    tmp_path: Path, receiver: Receiver
) -> None:
    arguments = ("--concurrency", "1", "--max-side-px", "96")
    first = Process(tmp_path, *arguments, "--speed", "1")  # six seconds for the first of both
    with Fal(first.url) as fal:
        running = fal.submit(DRAW, webhook=receiver.url, prompt="toy cup", seed=1)
        waiting = fal.submit(TRANSLATE, webhook=receiver.url, model="m", prompt="cup")
        eventually(lambda: fal.status(running)["status"] == "IN_PROGRESS" or None)
        jwks = fal.http.get("/.well-known/jwks.json").json()
        children = eventually(lambda: psutil.Process(first.process.pid).children() or None)

    first.kill()
    second = Process(tmp_path, *arguments, "--speed", "0")

    with Fal(second.url) as fal:
        # Its remaining seconds were drawn up by the first simulator, so it is hurried along.
        delivered = [json.loads(receiver.next().body) for _ in range(2)]
        assert fal.http.get("/.well-known/jwks.json").json() == jwks
        history = fal.history(DRAW)["items"]
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
    # In either order: one delivery waits for no other.
    asked = {one["request_id"] for one in (running, waiting)}
    assert {one["request_id"] for one in delivered} == asked
    assert {one["status"] for one in delivered} == {"OK"}
    assert history[0]["status_code"] == 200
    second.stop()


def test_it_ends_with_its_parent_and_leaves_nobody_behind(tmp_path: Path) -> None:
    simulator = Process(tmp_path, "--speed", "0", "--max-side-px", "96")
    with Fal(simulator.url) as fal:
        fal.result(fal.submit(DRAW, prompt="toy cup"))
    children = psutil.Process(simulator.process.pid).children()

    simulator.stop()

    _, alive = psutil.wait_procs(children, timeout=10)
    assert children
    assert not alive
