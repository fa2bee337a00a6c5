"""Every operation, asked with what its schema allows and with what it does not (Schemathesis).

The short form; `make fuzz` is the long one.
"""

import contextlib
import gc
from collections.abc import Generator

import pytest

from tests.fuzz.sending import Fuzzer
from tests.product import Product

ROUND, EXAMPLES = 1, 1


@pytest.fixture(autouse=True)
def no_collection() -> Generator[None]:
    """Schemathesis parses sources as it goes.

    In Python 3.11 that breaks where a collected object writes a traceback in the middle of it
    ("AST constructor recursion depth mismatch").
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.timeout(300)  # some 20 s where nobody else works
def test_every_answer_is_one_that_the_contract_tells_of(product: Product) -> None:
    with contextlib.closing(Fuzzer(product)) as fuzzer:
        asked = list(fuzzer.round(ROUND, examples=EXAMPLES, edges_for=["somebody"]))
        outcome = fuzzer.outcome

    assert outcome.faults == {}
    assert {label for label, _ in outcome.answers} == set(asked)
    assert outcome.requests > 700
