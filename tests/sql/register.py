"""Which property holds which query.

    @holds("users.get_profile_document")
    @given(strategies.people())
    def test_…(sql: Sql, person: Row) -> None:

Naming a query is not enough: the test fails unless the query was run in it and found or changed
at least one row (conftest.py). Together the names are all of sql/queries (test_register.py).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import is_hypothesis_test, settings

Test = TypeVar("Test", bound=Callable[..., Any])


def holds(*names: str, share: float = 1) -> Callable[[Test], Test]:
    """`share`: of the usual number of examples, for a property that is worth less, or more."""

    def mark(test: Test) -> Test:
        if is_hypothesis_test(test):
            test = settings(profile(), max_examples=examples(share))(test)
        return pytest.mark.holds(*names)(test)

    return mark


def profile() -> settings:
    """`make prove-sql` asks for `long`; otherwise there are few examples, always the same."""
    is_long = settings.get_current_profile_name() == "long"
    return settings.get_profile("long" if is_long else "short")


def examples(share: float = 1) -> int:
    return max(1, round(profile().max_examples * share))
