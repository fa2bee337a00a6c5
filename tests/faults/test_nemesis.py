"""The measurements of `make faults`, each in small: they run, and nothing is lost in them."""

from collections.abc import Generator

import pytest

from tests.faults import report
from tests.faults.rig.deletes import delete_at_random
from tests.faults.rig.nemesis import haunt
from tests.faults.rig.outages import lose_storage
from tests.faults.rig.restarts import restart_again_and_again
from tests.faults.rig.stage import Stage, setting_the_stage
from tests.faults.rig.trials import Outcome
from tests.faults.rig.unclear import KINDS, lose_answers
from tests.simulator.harness import Json


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with setting_the_stage(durable=True) as stage:
        yield stage


def test_a_nemesis_loses_nothing(stage: Stage) -> None:
    told = haunt(stage, seconds=5, seed=7)

    assert told["violations"] == []
    assert told["generations"] > 0
    assert told["strikes"] > 0


def test_an_answer_lost_in_any_way_brings_no_second_submission(stage: Stage) -> None:
    told = lose_answers(stage, submissions=len(KINDS), lanes=1)

    assert told["violations"] == []
    assert told["attempts"] == told["submissions"] == len(KINDS)


def test_pictures_wait_for_a_storage_that_is_away(stage: Stage) -> None:
    assert lose_storage(stage, seconds=1, completions=3)["violations"] == []


def test_nothing_is_left_of_what_is_deleted_at_any_moment(stage: Stage) -> None:
    assert delete_at_random(stage, deletes=5, seed=7)["violations"] == []


def test_everything_comes_back_after_postgresql_did(stage: Stage) -> None:
    told = restart_again_and_again(stage, cycles=1)

    assert told["violations"] == []
    assert set(told["codes"]) <= {200, 503}


def test_the_table_counts_trials_and_violations() -> None:
    lost: Json = {"kind": "lost", "invariant": "I4", "what": "a picture"}
    outcomes = [
        Outcome(point="create COMMIT held", mode="kill", seconds=1),
        Outcome(point="create COMMIT held", mode="overtake", seconds=1, violations=[lost]),
    ]
    measured: list[Json] = [{"part": "deletes", "deletes": 5, "violations": []}]

    table = report.markdown(outcomes, measured)

    assert "| create COMMIT held | 1 | 0 | 1 | 1 | 0 | 0 | 0 | 0 |" in table
    assert "| deleted at a random moment | 5 pictures, looked for within 60 s | 0 |" in table
    assert report.has_violations(outcomes, measured)
    assert not report.has_violations(outcomes[:1], measured)
