"""A burst is fine, a flood is not."""

from madar.realtime.pace import Pace


def test_a_burst_passes_and_what_follows_at_once_does_not() -> None:
    pace = Pace(burst=3, per_s=0)

    assert [pace.allows_one_more() for _ in range(5)] == [True, True, True, False, False]


def test_it_fills_again_and_never_above_the_burst() -> None:
    pace = Pace(burst=2, per_s=1e9)

    assert all(pace.allows_one_more() for _ in range(100))
