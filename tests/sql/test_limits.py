"""sql/queries/limits.sql: GCRA, to the microsecond, for whoever asks at once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from madar.db import limits
from madar.domain.rates import Rate, decide
from tests.sql.harness import Sql, Story
from tests.sql.register import holds

RATES = (Rate(limit=1, window_s=1), Rate(limit=3, window_s=7), Rate(limit=100, window_s=900))
KEYS = ("quota:amal", "quota:بدر")
MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    return (moment - datetime(2026, 1, 1, tzinfo=UTC)) // MICROSECOND


class Rates(Story):
    """The model is the rule itself (domain/rates.py), at the moment the row says it was asked."""

    keys = st.sampled_from(KEYS)

    def __init__(self, sql: Sql) -> None:
        super().__init__(sql)
        self.model: dict[str, int] = {}

    @rule(key=keys, rate=st.sampled_from(RATES), share=st.floats(0, 1))
    def take(self, key: str, rate: Rate, share: float) -> None:
        cost = 1 + int(share * (rate.limit - 1))
        given = {"policy": "p", "rate": rate, "cost": cost}
        decision = self.db.call(limits.take, key=key, **given)  # pyright: ignore[reportArgumentType]
        row = self.db.row("rate_limits", key=key)
        now_us = microseconds(row["asked_at"])
        tat_us = self.model.get(key, now_us)
        self.model[key], expected = decide(
            rate, policy="p", cost=cost, tat_us=tat_us, now_us=now_us
        )

        assert decision == expected
        assert microseconds(row["tat"]) == self.model[key]
        assert row["is_allowed"] == expected.is_allowed
        assert timedelta() <= row["asked_at"] - self.db.now < timedelta(minutes=1)

    @rule(by_us=st.integers(1, 10**7) | st.sampled_from((7 * 10**6, 9 * 10**6, 10**9)))
    def wait(self, by_us: int) -> None:
        self.db.pass_time(microseconds=by_us)
        self.model = {key: tat_us - by_us for key, tat_us in self.model.items()}

    @rule(key=keys)
    def wait_until_it_is_full(self, key: str) -> None:
        """Exactly: the transaction's clock stands still."""
        if (by_us := self.model.get(key, 0) - microseconds(self.db.now)) > 0:
            self.wait(by_us)

    @rule()
    def sweep(self) -> None:
        now_us = microseconds(self.db.now)
        left = {key: tat_us for key, tat_us in self.model.items() if tat_us >= now_us}

        assert self.db.call(limits.delete_full_rates) == len(self.model) - len(left)
        self.model = left

    @invariant()
    def each_key_has_its_own(self) -> None:
        found = {row["key"]: microseconds(row["tat"]) for row in self.db.rows("rate_limits")}
        assert found == self.model


@holds("limits.take_rate", "limits.delete_full_rates")
def test_what_is_allowed_is_what_the_rule_allows(sql: Sql) -> None:
    sql.check(Rates, share=2)


@holds("limits.take_rate", "limits.delete_full_rates", share=0.3)
@given(st.booleans(), st.integers(1, 2))
def test_takers_of_one_key_go_one_after_another(sql: Sql, commits: bool, limit: int) -> None:  # noqa: FBT001
    rate = Rate(limit=limit, window_s=3600)
    with sql.committed(3) as (first, second, sweeper):
        first.begin()
        assert first.call(limits.take, policy="p", key="k", rate=rate).is_allowed
        waiting = second.start(limits.take, policy="p", key="k", rate=rate)
        assert waiting.is_waiting()
        if commits:
            first.commit()
        else:
            first.rollback()

        assert waiting.result().is_allowed == (limit == 2 or not commits)
        first.pass_time(days=1)
        second.begin()
        second.call(limits.take, policy="p", key="k", rate=rate)
        assert sweeper.call(limits.delete_full_rates) == 0, "one that is being taken from stays"
        second.rollback()
        assert sweeper.call(limits.delete_full_rates) == 1
