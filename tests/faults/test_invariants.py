"""The checker of the fault trials must be able to fail: each invariant, violated on purpose."""

import dataclasses
from collections.abc import Generator
from typing import Any, cast

import pytest

from tests.faults.rig.invariants import Witnesses, check
from tests.faults.rig.lane import opening_lane
from tests.faults.rig.nemesis import opening_round
from tests.faults.rig.points import POINTS
from tests.faults.rig.stage import Stage, setting_the_stage
from tests.faults.rig.trials import Round, ask_witnesses, run_trial, settle
from tests.faults.rig.watching import Seen, Watcher
from tests.imaging.pictures import ball, png
from tests.simulator.harness import Json


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with setting_the_stage() as stage:
        yield stage


def sound(**changes: Any) -> Witnesses:
    """One completed picture, seen by its client, as it should be."""
    picture = png(ball())
    row: Json = {
        "id": "g",
        "state": "completed",
        "step": "finalize",
        "version": 5,
        "deleted_at": None,
        "error_code": None,
        "fal_error": None,
        "master_key": "m",
        "result_image_key": "f",
        "thumbnail_key": "t",
        "file_size_bytes": len(picture),
        "image_dimensions": {"width": ball().shape[1], "height": ball().shape[0]},
        "attempts": [{"id": "a", "n": 1, "step": "draw", "state": "succeeded"}],
    }
    told = Witnesses(
        acknowledged={"key": "g"},
        answers={"key": {"g"}},
        rows={"g": row},
        keys_in_use={"m", "f", "t"},
        submissions=[submission()],
        objects=dict.fromkeys(("m", "f", "t"), picture),
        seen={"g": [seen(1, "queued"), seen(5, "completed")]},
        codes={200, 201, 503},
        shown_to_owner={"g": 200},
        shown_to_stranger={"g": 404},
        quota_used=1,
        quota_expected=1,
    )
    return dataclasses.replace(told, **changes)


def submission(**changes: Any) -> Json:
    one: Json = {
        "attempt_id": "a",
        "request_id": "r",
        "endpoint_id": "fal-ai/flux-lora",
        "state": "COMPLETED",
        "status_code": 200,
        "arguments": {},
    }
    return {**one, **changes}


def seen(version: int, status: str) -> Seen:
    return Seen(channel="socket", version=version, status=status)


def row(**changes: Any) -> dict[str, Json]:
    return {"g": {**sound().rows["g"], **changes}}


def test_what_is_sound_passes() -> None:
    assert check(sound()) == []


@pytest.mark.parametrize(
    ("kind", "invariant", "changes"),
    cast(
        "list[tuple[str, str, Json]]",
        [
            ("lost", "I1", {"rows": {}}),
            ("stuck", "I1", {"rows": row(state="processing")}),
            ("lost", "I1", {"rows": row(state="failed")}),
            ("doubled", "I1", {"answers": {"key": {"g", "another"}}}),
            ("doubled", "I2", {"submissions": [submission(), submission(request_id="s")]}),
            ("doubled", "I2", {"submissions": [submission(), submission(status_code=None)]}),
            ("regressed", "I3", {"seen": {"g": [seen(4, "completed"), seen(5, "processing")]}}),
            ("regressed", "I3", {"seen": {"g": [seen(4, "deleted"), seen(5, "completed")]}}),
            ("lost", "I4", {"objects": {}, "keys_in_use": set()}),
            ("lost", "I4", {"objects": dict.fromkeys(("m", "f", "t"), b"no picture")}),
            ("lost", "I4", {"rows": row(file_size_bytes=1)}),
            ("lost", "I4", {"rows": row(image_dimensions={"width": 1, "height": 1})}),
            ("broken", "I5", {"quota_used": 2}),
            ("broken", "I6", {"shown_to_stranger": {"g": 200}}),
            ("regressed", "I7", {"seen": {"g": [seen(3, "queued"), seen(2, "queued")]}}),
            ("regressed", "I7", {"rows": row(version=4)}),
            ("regressed", "I8", {"deleted": {"g"}}),
            ("stuck", "I8", {"keys_in_use": {"m"}}),
            ("stuck", "I8", {"unpurged": 1}),
            ("stuck", "I8", {"deleted": {"g"}, "rows": row(deleted_at="then")}),
            ("broken", "I9", {"codes": {200, 500}}),
        ],
    ),
)
def test_what_is_not_is_told(kind: str, invariant: str, changes: Json) -> None:
    found = check(sound(**changes))

    assert (kind, invariant) in {(one.kind, one.invariant) for one in found}


def test_a_step_may_be_submitted_again_when_fal_has_ended_the_first_without_a_result() -> None:
    ended = submission(status_code=503)

    assert check(sound(submissions=[ended, submission(request_id="s")])) == []


def test_a_failure_may_become_a_success_once() -> None:
    history = [seen(1, "queued"), seen(3, "failed"), seen(5, "completed")]

    assert check(sound(seen={"g": history})) == []


def test_what_is_planted_in_the_running_product_is_found(stage: Stage) -> None:
    with opening_round(stage, web=1, workers=1) as round_:
        generation_id = round_.create_and_watch()
        assert settle(round_) == []
        key = round_.lane.rows("SELECT master_key FROM generations")[0]["master_key"]

        assert planted(round_, generation_id) == set()
        round_.lane.bucket.objects["ff/left"] = b"left behind"
        assert planted(round_, generation_id) == {("stuck", "I8")}
        del round_.lane.bucket.objects["ff/left"]
        kept = round_.lane.bucket.objects.pop(key)
        assert planted(round_, generation_id) == {("lost", "I4")}
        round_.lane.bucket.objects[key] = kept
        round_.lane.rows("UPDATE generations SET version = 1 WHERE id = %s", generation_id)
        assert planted(round_, generation_id) == {("regressed", "I7")}


def planted(round_: Round, generation_id: str) -> set[tuple[str, str]]:
    told = ask_witnesses(round_.lane, round_.watcher, [generation_id], deleted=set())
    told.acknowledged = {"key": generation_id}
    return {(one.kind, one.invariant) for one in check(told)}


def test_a_fal_that_gets_a_submission_after_it_was_called_dead_is_found_out(stage: Stage) -> None:
    """The one thing that no client can prevent, and the reason why ten minutes are waited."""
    point = next(point for point in POINTS if point.name == "Fal read, not recorded")
    late = dataclasses.replace(point, never_arrives=False)
    with (
        opening_lane(stage, submit_unknown_after_s=2.0) as lane,
        Watcher(lane.product.sign_in(), lane.edge.url) as watcher,
    ):
        outcome = run_trial(lane, watcher, late, "overtake")

    assert outcome.count("doubled") == 1
