"""When to come back."""

from hypothesis import given
from hypothesis import strategies as st

from madar.domain.schedule import backoff_s, next_poll_s


@given(st.integers(0, 10_000), st.floats(0.01, 60))
def test_polls_come_at_ten_seconds_and_grow_to_sixty(polls: int, poll_min_s: float) -> None:
    factor = [1, 1, 1, 1.5, 2, 3, 4.5, 6][min(polls, 7)]

    pause = next_poll_s(polls, poll_min_s=poll_min_s) / poll_min_s

    assert 0.8 * factor <= pause * 1.000001
    assert pause <= 1.2 * factor * 1.000001


@given(st.integers(0, 10_000), st.floats(0.01, 10), st.floats(0.1, 600))
def test_a_pause_never_spins_and_never_grows_beyond_its_cap(
    failures: int, base_s: float, cap_s: float
) -> None:
    ceiling = min(cap_s, base_s * 2 ** min(failures, 10))

    pause = backoff_s(failures, base_s=base_s, cap_s=cap_s)

    assert ceiling / 10 <= pause <= ceiling


def test_without_numbers_it_is_two_seconds_to_a_minute() -> None:
    assert 0.2 <= backoff_s(0) <= 2
    assert 6 <= backoff_s(50) <= 60
