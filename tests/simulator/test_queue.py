"""Status, stream, logs, result and cancel of queued, running and finished requests."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.harness import DRAW, TRANSLATE, Fal, eventually, serving


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fal]:
    """One request at a time; the first drawing holds it for about five seconds."""
    directory = tmp_path_factory.mktemp("busy")
    with serving(directory, concurrency=1, speed=1, faults=frozenset({"slow"})) as fal:
        yield fal


def test_walks_from_queue_over_logs_to_result(tmp_path: Path) -> None:
    with serving(tmp_path, speed=8) as fal:
        submitted = fal.submit(DRAW, prompt="toy cup", seed=1, num_inference_steps=14)

        running = eventually(lambda: _running_with_logs(fal, submitted))
        finished = fal.finished(submitted)

    assert running["logs"][0]["message"].startswith("1/14 [")
    assert {"message", "level", "source", "timestamp"} == set(running["logs"][0])
    assert finished["logs"][-1]["message"].startswith("14/14 [")
    assert finished["metrics"]["inference_time"] > 0
    assert "error" not in finished


def _running_with_logs(
    fal: Fal, submitted: dict[str, str]
) -> dict[str, list[dict[str, str]]] | None:
    answer = fal.http.get(submitted["status_url"], params={"logs": "true"})
    body = answer.json()
    assert answer.status_code == (200 if body["status"] == "COMPLETED" else 202)
    return body if body["status"] == "IN_PROGRESS" and body["logs"] else None


def test_logs_are_null_unless_asked_for(fal: Fal) -> None:
    submitted = fal.translate()
    fal.finished(submitted)

    assert fal.status(submitted, logs="0")["logs"] is None
    assert fal.status(submitted, logs="1")["logs"] == []


def test_those_who_wait_know_their_position_and_no_result(busy: Fal) -> None:
    holder, first, second = (busy.submit(DRAW, prompt="toy cup", seed=seed) for seed in (1, 2, 3))
    eventually(lambda: busy.status(holder)["status"] == "IN_PROGRESS" or None)

    assert busy.status(first)["queue_position"] == 0
    answer = busy.http.get(second["status_url"])
    assert (answer.status_code, answer.json()["queue_position"]) == (202, 1)
    early = busy.http.get(second["response_url"])
    assert early.status_code == 400
    assert early.json()["detail"] == "Request is still in progress"

    for limit, status_code in ((1, 429), (2, 200)):
        answer = busy.http.post(
            f"/{DRAW}", params={"fal_max_queue_length": limit}, json={"prompt": ""}
        )
        assert answer.status_code == status_code

    for submitted in (second, first, holder):
        busy.http.put(submitted["cancel_url"])
        busy.finished(submitted)


def test_a_waiting_request_is_cancelled_at_once_and_a_running_one_soon(busy: Fal) -> None:
    running, waiting = busy.submit(DRAW, prompt="cup"), busy.submit(DRAW, prompt="cup")
    eventually(lambda: busy.status(running)["status"] == "IN_PROGRESS" or None)

    gone, asked = busy.http.put(waiting["cancel_url"]), busy.http.put(running["cancel_url"])

    assert (gone.status_code, gone.json()) == (200, {"status": "OK"})
    assert (asked.status_code, asked.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert busy.finished(waiting)["error_type"] == "client_cancelled"
    assert busy.finished(running)["error_type"] == "client_cancelled"
    assert busy.result(running).status_code == 499


def test_a_finished_request_cannot_be_cancelled(fal: Fal) -> None:
    submitted = fal.translate()
    fal.finished(submitted)

    answer = fal.http.put(submitted["cancel_url"])

    assert (answer.status_code, answer.json()) == (400, {"status": "ALREADY_COMPLETED"})


def test_a_request_that_did_not_start_in_time_ends_with_504(busy: Fal) -> None:
    holder = busy.submit(DRAW, prompt="cup")
    answer = busy.http.post(
        f"/{TRANSLATE}",
        json={"model": "m", "prompt": "cup"},
        headers={"X-Fal-Request-Timeout": "0.2"},
    )

    result = busy.result(answer.json())

    assert result.status_code == 504
    assert result.json()["error_type"] == "request_timeout"
    assert result.headers["x-fal-request-timeout-type"] == "user"
    busy.http.put(holder["cancel_url"])
    busy.finished(holder)


@pytest.mark.parametrize("path", ["/status", "/status/stream", ""])
def test_an_unknown_id_is_not_found(fal: Fal, path: str) -> None:
    assert fal.http.get(f"/fal-ai/flux-lora/requests/none{path}").status_code == 404


def test_an_unknown_id_cannot_be_cancelled(fal: Fal) -> None:
    answer = fal.http.put("/fal-ai/flux-lora/requests/none/cancel")

    assert (answer.status_code, answer.json()) == (404, {"status": "NOT_FOUND"})


def test_a_request_is_not_found_below_another_app(fal: Fal) -> None:
    submitted = fal.translate()

    answer = fal.http.get(f"/fal-ai/flux-lora/requests/{submitted['request_id']}/status")

    assert answer.status_code == 404


def test_the_stream_ends_with_completed(fal: Fal) -> None:
    submitted = fal.translate()

    with fal.http.stream("GET", f"{submitted['status_url']}/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data:")]

    assert events[-1]["status"] == "COMPLETED"
    assert events[-1]["request_id"] == submitted["request_id"]
