"""How far a generation is."""

from hypothesis import given
from hypothesis import strategies as st

from madar.domain.generations import Step
from madar.domain.progress import SPANS, Steps, finished, running, started, steps_of

STEPS = st.sampled_from(list(SPANS))


@given(STEPS, st.integers(1, 100), st.data())
def test_progress_rises_with_fals_steps_and_stays_in_its_span(
    step: Step, total: int, data: st.DataObject
) -> None:
    done = sorted(data.draw(st.lists(st.integers(0, total), min_size=1, max_size=20)))
    lines = [f"{n}/{total} [00:0{n % 10}<00:01, 6.02it/s]" for n in done]

    shown = [running(step, steps_of(lines[: n + 1])) for n in range(len(lines))]

    assert shown == sorted(shown)
    assert all(started(step) <= percent <= finished(step) for percent in shown)


@given(STEPS, st.lists(st.text(max_size=40), max_size=10))
def test_no_log_line_leads_out_of_the_span(step: Step, lines: list[str]) -> None:
    assert started(step) <= running(step, steps_of(lines)) <= finished(step)


def test_the_newest_line_with_numbers_counts() -> None:
    assert steps_of(["7/28", "14/28", "saving"]) == Steps(14, 28)
    assert steps_of(["30/28"]) == Steps(28, 28)
    assert steps_of(["9/0"]) is steps_of([]) is None
    assert running("draw", Steps(14, 28)) == 39
    assert running("draw", None) == started("draw")


def test_the_steps_follow_each_other_below_a_hundred() -> None:
    marks = [mark for step in ("translate", "draw", "cutout", "finalize") for mark in SPANS[step]]

    assert marks == sorted(set(marks))
    assert marks[0] > 0
    assert marks[-1] < 100
