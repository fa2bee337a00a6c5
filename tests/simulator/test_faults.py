"""The fault dial: each of Fal's bad days, for everybody or for one prompt."""

import json
from pathlib import Path

import httpx
import pytest

from tests.simulator.harness import (
    CUT_OUT,
    DRAW,
    TRANSLATE,
    Fal,
    Json,
    Receiver,
    eventually,
    picture_at,
    serving,
)


def test_down_answers_503_to_all_but_our_own_addresses(fal: Fal) -> None:
    submitted = fal.translate()
    fal.finished(submitted)
    fal.turn("down")

    paths = [
        submitted["status_url"],
        submitted["response_url"],
        "/.well-known/jwks.json",
        "/files/x",
    ]
    assert {fal.http.get(path).status_code for path in paths} == {503}
    assert fal.try_submit(DRAW, prompt="cup").status_code == 503
    assert fal.http.get("/simulator/health").json()["faults"] == ["down"]
    assert fal.http.get("/google/.well-known/openid-configuration").status_code == 200


def test_down_is_no_marker(fal: Fal) -> None:
    assert fal.result(fal.translate("cup [sim:down]")).status_code == 200


def test_a_fault_that_does_not_exist_is_refused(fal: Fal) -> None:
    answer = fal.http.put("/simulator/faults", json={"faults": ["slow", "sleepy"]})

    assert answer.status_code == 422
    assert "sleepy" in answer.json()["detail"]
    assert fal.http.get("/simulator/health").json()["faults"] == []


def test_refuse_completes_with_a_policy_violation(fal: Fal, receiver: Receiver) -> None:
    submitted = fal.submit(DRAW, webhook=receiver.url, prompt="toy cup [sim:refuse]")

    result = fal.result(submitted)

    assert result.status_code == 422
    assert result.json()["detail"][0]["type"] == "content_policy_violation"
    assert json.loads(receiver.next().body)["status"] == "ERROR"


def test_nsfw_is_a_black_picture_that_succeeds(fal: Fal) -> None:
    output = fal.result(fal.submit(DRAW, prompt="toy cup [sim:nsfw]")).json()

    assert output["has_nsfw_concepts"] == [True]
    assert picture_at(fal, output["images"][0]["url"]).max() == 0


def test_opaque_follows_the_picture_to_its_cut_out(fal: Fal) -> None:
    drawn = fal.result(fal.submit(DRAW, prompt="toy cup [sim:opaque]")).json()

    cut = fal.result(fal.submit(CUT_OUT, image_url=drawn["images"][0]["url"])).json()

    picture = picture_at(fal, cut["image"]["url"])
    assert picture.bands == 4
    assert picture.extract_band(3).min() == 255


def test_a_marker_survives_the_translation(fal: Fal) -> None:
    output = fal.result(fal.translate("صاروخ [sim:nsfw] أحمر")).json()["output"]

    assert "rocket" in output.lower()
    assert output.endswith("[sim:nsfw]")


def test_duplicate_delivers_twice_and_once_more_late(fal: Fal, receiver: Receiver) -> None:
    fal.translate("cup [sim:duplicate]", webhook=receiver.url)

    bodies = {receiver.next().body for _ in range(3)}

    assert len(bodies) == 1


def test_no_webhooks_stays_silent(fal: Fal, receiver: Receiver) -> None:
    silent = fal.translate("cup [sim:no-webhooks]", webhook=receiver.url)
    fal.finished(silent)
    loud = fal.translate("tree", webhook=receiver.url)

    # The silent one was finished before the loud one began, so it would have come first.
    assert json.loads(receiver.next().body)["request_id"] == loud["request_id"]


def test_lost_records_the_submission_but_breaks_the_answer_once(fal: Fal) -> None:
    arguments: Json = {"prompt": "toy lantern [sim:lost]", "seed": 77}

    with pytest.raises(httpx.RemoteProtocolError):
        fal.try_submit(DRAW, **arguments)

    (recorded,) = [one for one in _submissions(fal) if one["input"] == arguments]
    listed = fal.history(DRAW, expand="payloads")["items"][0]
    assert listed["json_input"] == arguments
    assert listed["request_id"] == recorded["requestId"]
    assert fal.try_submit(DRAW, **arguments).status_code == 200


def test_flaky_fails_a_third_of_the_calls_in_a_fixed_order(tmp_path: Path) -> None:
    with serving(tmp_path, faults=frozenset({"flaky"})) as fal:
        submits = [fal.try_submit(TRANSLATE, model="m", prompt=str(n)) for n in range(6)]
        statuses = [
            fal.http.get(submits[0].json()["status_url"]).status_code in {200, 202}
            for _ in range(6)
        ]
        recorded = [one["input"]["prompt"] for one in _submissions(fal)]

    assert [answer.status_code for answer in submits] == [200, 503, 200, 200, 500, 200]
    assert statuses == [True, False, True, True, False, True]
    # A 503 was never taken; a 500 came after it was.
    assert recorded == ["0", "2", "3", "4", "5"]


def test_flaky_loses_every_third_runner(tmp_path: Path) -> None:
    with serving(tmp_path) as fal:
        unlucky = [fal.translate(), fal.translate(), fal.translate("third [sim:flaky]")][-1]

        status = fal.finished(unlucky)

    assert status["error_type"] == "runner_disconnected"
    assert status["error"]


def test_slow_takes_four_times_as_long(tmp_path: Path) -> None:
    with serving(tmp_path, speed=10) as fal:
        usual = _duration(fal, fal.translate("cup"))
        slow = _duration(fal, fal.translate("cup [sim:slow]"))

    assert slow > 2 * usual


def _duration(fal: Fal, submitted: Json) -> float:
    fal.finished(submitted)
    items = fal.history(TRANSLATE, request_id=submitted["request_id"])["items"]
    return float(items[0]["duration"])


def _submissions(fal: Fal) -> list[Json]:
    return eventually(lambda: fal.http.get("/simulator/submissions").json() or None)
