"""The guards that tests/mutations.py takes out one at a time are where it looks for them."""

import pytest

from madar.settings import ROOT
from tests.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.name for one in MUTATIONS])
def test_each_guard_is_where_it_is_looked_for(mutation: Mutation) -> None:
    source = (ROOT / mutation.path).read_text(encoding="utf-8")

    assert mutation.applied_to(source) != source


def test_each_is_named_once_and_has_its_tests() -> None:
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS)
    paths = {test.partition("::")[0] for one in MUTATIONS for test in one.tests}
    assert [path for path in paths if not (ROOT / path).is_file()] == []
