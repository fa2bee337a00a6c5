"""The arithmetic of limits, and how it is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.rates import Decision, Rate, decide, describe, headers, parse_rate

RATES = st.builds(Rate, limit=st.integers(1, 1000), window_s=st.integers(1, 86400))
AHEAD = st.integers(0, 10**12)
NOW_US = 1_800_000_000_000_000


def taken(rate: Rate, *, ahead_us: int, cost: int = 1) -> Decision:
    """From somebody whose arrival time lies so far ahead."""
    _, decision = decide(rate, policy="api", cost=cost, tat_us=NOW_US + ahead_us, now_us=NOW_US)
    return decision


@pytest.mark.parametrize(
    ("written", "limit", "window_s"),
    [("100/15m", 100, 900), ("5/1m", 5, 60), ("200/24h", 200, 86400), ("1/1s", 1, 1),
     ("999999/9999d", 999999, 863913600)],
)  # fmt: skip
def test_a_rate_is_how_many_in_how_long(written: str, limit: int, window_s: int) -> None:
    assert parse_rate(written) == Rate(limit=limit, window_s=window_s)


@pytest.mark.parametrize(
    "written",
    ["", "100", "100/", "/15m", "0/1m", "5/0m", "5/m", "-5/1m", "5/1w", "5 / 1m", "5/1m ", "٥/1m",
     "5/1.5m", "5e3/1m", "1000000/1m", "5/10000d", "5/1m\n", "unlimited"],
)  # fmt: skip
def test_anything_else_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="like 100/15m"):
        parse_rate(written)


@given(rate=RATES)
def test_a_rate_reads_as_it_is_written(rate: Rate) -> None:
    assert parse_rate("100/15m").__str__() == "100/15m"
    assert parse_rate(str(rate)) == rate if rate.window_s < 10**4 else True


@given(rate=RATES)
def test_after_a_rest_exactly_the_limit_is_allowed_at_once(rate: Rate) -> None:
    tat_us, allowed = 0, 0
    for _ in range(rate.limit + 2):
        tat_us, decision = decide(rate, policy="api", cost=1, tat_us=tat_us, now_us=NOW_US)
        allowed += decision.is_allowed
        assert decision.remaining == rate.limit - allowed

    assert allowed == rate.limit


@given(rate=RATES, ahead_us=AHEAD, data=st.data())
def test_the_time_to_wait_is_exact(rate: Rate, ahead_us: int, data: st.DataObject) -> None:
    cost = data.draw(st.integers(1, rate.limit))
    decision = taken(rate, ahead_us=ahead_us, cost=cost)

    if decision.is_allowed:
        assert decision.wait_us == 0
    else:
        later_us = ahead_us - decision.wait_us
        assert taken(rate, ahead_us=max(later_us, 0), cost=cost).is_allowed
        assert not taken(rate, ahead_us=later_us + 1, cost=cost).is_allowed
        assert decision.retry_after_s * 1_000_000 >= decision.wait_us


@given(rate=RATES, ahead_us=AHEAD)
def test_what_remains_is_what_may_be_taken_now(rate: Rate, ahead_us: int) -> None:
    left = taken(rate, ahead_us=ahead_us)
    ahead_us += rate.step_us if left.is_allowed else 0

    if left.remaining:
        assert taken(rate, ahead_us=ahead_us, cost=left.remaining).is_allowed
    if left.remaining < rate.limit:
        assert not taken(rate, ahead_us=ahead_us, cost=left.remaining + 1).is_allowed


@given(rate=RATES, ahead_us=AHEAD)
def test_the_reset_is_when_one_more_remains(rate: Rate, ahead_us: int) -> None:
    left = taken(rate, ahead_us=ahead_us)
    ahead_us += rate.step_us if left.is_allowed else 0
    ahead_us -= left.reset_us

    assert seen(rate, ahead_us).remaining == left.remaining + 1
    assert seen(rate, ahead_us + 1).remaining == left.remaining


def seen(rate: Rate, ahead_us: int) -> Decision:
    return describe(rate, policy="api", cost=1, is_allowed=True, ahead_us=ahead_us)


@given(
    rate=st.builds(Rate, limit=st.integers(1, 20), window_s=st.integers(1, 60)),
    pauses_us=st.lists(st.integers(0, 10_000_000), max_size=60),
)
def test_over_any_time_at_most_the_limit_and_what_was_earned(
    rate: Rate, pauses_us: list[int]
) -> None:
    now_us, tat_us, allowed_at = NOW_US, 0, list[int]()
    for pause_us in pauses_us:
        now_us += pause_us
        tat_us, decision = decide(rate, policy="api", cost=1, tat_us=tat_us, now_us=now_us)
        allowed_at += [now_us] * decision.is_allowed

    for first, begin_us in enumerate(allowed_at):
        for last in range(first, len(allowed_at)):
            earned = (allowed_at[last] - begin_us) // rate.step_us
            assert last - first + 1 <= rate.limit + earned


def test_a_cost_above_the_limit_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        taken(parse_rate("5/1m"), ahead_us=0, cost=6)


def test_an_answer_names_its_limits() -> None:
    first = taken(parse_rate("5/1m"), ahead_us=0)

    assert headers([first]) == {
        "RateLimit-Policy": '"api";q=5;w=60',
        "RateLimit": '"api";r=4;t=12',
    }


def test_a_refusal_says_when_again_rounded_up() -> None:
    rate = parse_rate("5/1m")
    refused = taken(rate, ahead_us=rate.burst_us - 1_999_999)

    assert (refused.wait_us, refused.retry_after_s, refused.reset_s) == (10_000_001, 11, 11)
    assert headers([refused])["Retry-After"] == "11"


def test_of_two_limits_the_longer_wait_counts() -> None:
    rate = parse_rate("5/1m")
    refused = taken(rate, ahead_us=rate.burst_us)
    allowed = taken(parse_rate("3000/15m"), ahead_us=0)

    told = headers([allowed, refused])

    assert told["RateLimit-Policy"] == '"api";q=3000;w=900, "api";q=5;w=60'
    assert told["RateLimit"] == '"api";r=2999;t=1, "api";r=0;t=12'
    assert told["Retry-After"] == "12"
