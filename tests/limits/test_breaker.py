"""When Upstash is left alone, and when it is tried again."""

from madar.clients.upstash import FAILURES, FAILURES_WITHIN_S, PAUSE_S, PROBE_S, Breaker


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.admits()
        breaker.failed()
    return breaker, clock


def test_five_failures_in_ten_seconds_open_it_for_fifteen() -> None:
    breaker, clock = opened()

    assert not breaker.is_closed
    clock.now += PAUSE_S - 0.1
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()


def test_fewer_do_not_whatever_succeeds_between() -> None:
    breaker = Breaker(Clock())
    for _ in range(FAILURES - 1):
        breaker.failed()
        breaker.succeeded()

    assert breaker.is_closed
    breaker.failed()
    assert not breaker.is_closed


def test_five_in_a_longer_time_do_not() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(100):
        clock.now += FAILURES_WITHIN_S / (FAILURES - 1) + 0.1
        breaker.failed()

    assert breaker.is_closed


def test_one_probe_goes_and_closes_it() -> None:
    breaker, clock = opened()
    clock.now += PAUSE_S

    assert [breaker.admits() for _ in range(5)] == [True, False, False, False, False]
    breaker.succeeded()

    assert breaker.is_closed
    assert breaker.admits()
    breaker.failed()
    assert breaker.is_closed, "what failed before the probe is forgotten"


def test_a_failed_probe_means_another_pause() -> None:
    breaker, clock = opened()
    clock.now += PAUSE_S
    assert breaker.admits()

    breaker.failed()

    clock.now += PAUSE_S - 0.1
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()


def test_a_probe_that_never_reports_is_followed_by_another() -> None:
    breaker, clock = opened()
    clock.now += PAUSE_S
    assert breaker.admits()

    clock.now += PROBE_S

    assert breaker.admits()
    assert not breaker.admits()


def test_a_late_answer_to_an_earlier_call_closes_nothing() -> None:
    breaker, _ = opened()

    breaker.succeeded()

    assert not breaker.is_closed
