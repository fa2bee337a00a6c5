"""The three stores: the same limit, the same answers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from madar.domain.rates import Decision, Rate, decide, parse_rate
from tests.limits.stores import POLICY, Tried, fresh_key

FIVE = parse_rate("5/10m")  # a step of two minutes: no machine is that slow
STEP_S = 120
SLACK_US = 60_000_000


def is_about(told_us: int, exact_us: float) -> bool:
    """A store that has a clock of its own may have seen a little time pass."""
    return exact_us - SLACK_US < told_us <= exact_us


def test_exactly_the_limit_is_allowed(store: Tried) -> None:
    key = fresh_key()

    answers = [store.take(key, FIVE) for _ in range(9)]

    assert [one.is_allowed for one in answers] == [True] * 5 + [False] * 4
    assert [one.remaining for one in answers] == [4, 3, 2, 1, 0, 0, 0, 0, 0]
    assert {(one.policy, one.limit, one.window_s) for one in answers} == {(POLICY, 5, 600)}


def test_a_refusal_says_when_the_next_one_is_allowed(store: Tried) -> None:
    key = fresh_key()
    store.together(key, FIVE, [1] * 5)

    refused = store.take(key, FIVE)

    assert is_about(refused.wait_us, STEP_S * 1e6)
    assert refused.reset_us == refused.wait_us
    store.wait(refused.wait_us / 1e6)
    assert store.take(key, FIVE).is_allowed
    assert not store.take(key, FIVE).is_allowed


def test_a_refusal_takes_nothing(store: Tried) -> None:
    key = fresh_key()
    store.together(key, FIVE, [1] * 50)

    store.wait(STEP_S)

    assert [store.take(key, FIVE).is_allowed for _ in range(2)] == [True, False]


def test_what_was_taken_is_earned_back_step_by_step(store: Tried) -> None:
    key = fresh_key()
    store.together(key, FIVE, [1] * 5)

    store.wait(2.5 * STEP_S)

    assert [store.take(key, FIVE).is_allowed for _ in range(3)] == [True, True, False]


def test_never_more_than_the_limit_is_earned(store: Tried) -> None:
    key = fresh_key()
    store.take(key, FIVE)

    store.wait(100 * STEP_S)

    assert store.take(key, FIVE).remaining == 4


def test_some_cost_more(store: Tried) -> None:
    key = fresh_key()

    first, second, third = (store.take(key, FIVE, cost) for cost in (3, 3, 2))

    assert (first.is_allowed, first.remaining) == (True, 2)
    assert (second.is_allowed, second.remaining) == (False, 2)
    assert is_about(second.wait_us, STEP_S * 1e6)
    assert (third.is_allowed, third.remaining) == (True, 0)


def test_each_key_counts_for_itself(store: Tried) -> None:
    one, other = fresh_key(), fresh_key()
    store.together(one, FIVE, [1] * 6)

    assert store.take(other, FIVE).remaining == 4


def test_a_limit_that_was_lowered_counts_what_was_taken_before(store: Tried) -> None:
    key = fresh_key()
    store.together(key, parse_rate("50/100m"), [1] * 20)

    refused = store.take(key, FIVE)

    assert (refused.is_allowed, refused.remaining) == (False, 0)
    assert is_about(refused.wait_us, 16 * STEP_S * 1e6)


def test_many_at_once_never_get_more_than_the_limit(store: Tried) -> None:
    for _ in range(5):
        answers = store.together(fresh_key(), FIVE, [1] * 40)

        assert sum(one.is_allowed for one in answers) == 5
        assert sorted(one.remaining for one in answers if one.is_allowed) == [0, 1, 2, 3, 4]


def test_a_limit_that_does_not_divide_its_window_is_whole(store: Tried) -> None:
    key = fresh_key()

    answers = [store.take(key, parse_rate("7/11h")) for _ in range(8)]

    assert [one.is_allowed for one in answers] == [True] * 7 + [False]


PLANS = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from([0, 0, 0.25, 0.5, 1, 1.75, 3, 6])),
    min_size=1,
    max_size=12,
)


def test_it_answers_as_the_arithmetic_says(store: Tried) -> None:
    """Pauses are quarters of a step, far longer than an example takes."""

    @settings(max_examples=25)
    @given(plan=PLANS)
    def agrees(plan: list[tuple[int, float]]) -> None:
        key, model = fresh_key(), Model(FIVE)
        for cost, steps in plan:
            expected, told = model.take(cost), store.take(key, FIVE, cost)
            assert (told.is_allowed, told.remaining) == (expected.is_allowed, expected.remaining)
            assert is_about(told.wait_us, expected.wait_us)
            assert is_about(told.reset_us, expected.reset_us)
            model.now_us += round(steps * STEP_S * 1_000_000)
            store.wait(steps * STEP_S)

    agrees()


class Model:
    """The pure rule and a clock that moves only when told."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.now_us = self.tat_us = 0

    def take(self, cost: int) -> Decision:
        self.tat_us, decision = decide(
            self.rate, policy=POLICY, cost=cost, tat_us=self.tat_us, now_us=self.now_us
        )
        return decision
