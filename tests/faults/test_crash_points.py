"""Each of the eighteen crash points once, in one of the modes; `make faults` runs them all."""

import pytest

from madar.db.sql import QUERIES, load
from tests.faults.rig import points
from tests.faults.rig.campaign import LOOK_BACK, rotated, run_trials
from tests.faults.rig.stage import setting_the_stage
from tests.faults.rig.trials import Outcome

LANES = 3


@pytest.mark.timeout(400)
def test_nothing_is_lost_doubled_stuck_or_seen_going_back_at_any_point() -> None:
    told: list[Outcome] = []

    with setting_the_stage() as stage:
        run_trials(stage, rotated(), lanes=LANES, tell=told.append)

    tried = {one.point for one in told if one.point != LOOK_BACK}
    assert [one for one in told if one.violations] == []
    assert tried == {point.name for point in points.POINTS}
    assert len(points.POINTS) == 18


def test_every_mode_is_among_them() -> None:
    assert {mode for _, mode in rotated()} == {"kill", "terminate", "overtake"}


@pytest.mark.parametrize(
    "statement",
    [
        *(points.CREATE, points.CLAIM, points.ACCEPT, points.ANNOUNCE),
        *(points.COMPLETE, points.BEFORE_BELL, points.DELETE),
    ],
    ids=lambda statement: statement[1],
)
def test_what_is_held_in_the_database_is_a_statement_of_the_product(
    statement: tuple[str, str],
) -> None:
    file, name = statement
    assert name in load(QUERIES / f"{file}.sql")
