"""Sending what was generated, checking every answer, counting both."""

import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode

from tests.fuzz.contract import contract_of
from tests.fuzz.identities import Somebody, Who
from tests.fuzz.rules import all_checks, checks
from tests.product import Product

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
WHO: tuple[Who, ...] = ("nobody", "somebody")
TIMEOUT_S = 30
# Generating is allowed to be slow and wasteful.
UNHURRIED = (
    *(HealthCheck.too_slow, HealthCheck.filter_too_much),
    *(HealthCheck.data_too_large, HealthCheck.large_base_example),
)
NO_ANSWER = 0


@dataclass
class Outcome:
    """`answers` by operation and status; `faults` by what is wrong where, with one example."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    faults: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def requests(self) -> int:
        return self.answers.total()


class Fuzzer:
    """All operations of one product."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._contract: Any = contract_of(product)
        self._checks = all_checks()
        self._session = requests.Session()
        self._session.trust_env = False
        self.outcome = Outcome()
        found = [one.ok() for one in self._contract.get_all_operations()]
        self.operations: dict[str, Any] = {one.label: one for one in found}

    def close(self) -> None:
        self._session.close()

    def round(
        self, number: int, *, examples: int, edges_for: Collection[Who] = ()
    ) -> Iterator[str]:
        """Every operation, both identities, valid and not; yields after each operation.

        The same number sends the same again. The edges of a schema are the longest and shortest of
        everything, what is missing or repeated, and other methods.
        """
        somebody = Somebody(self._product, f"fuzz-{number}@madar.test")
        for label in self.operations:
            for who in WHO:
                somebody.make_generation()
                if who in edges_for:
                    self._send_edges(label, who, somebody)
                for mode in MODES:
                    self._send_generated(label, who, somebody, mode, number, examples)
            yield label

    def _send_edges(self, label: str, who: Who, somebody: Somebody) -> None:
        operation = self.operations[label]
        config = self._contract.config.generation_for(operation=operation)
        cases = self._contract.iter_coverage_cases(
            operation, generation_modes=list(MODES), generation_config=config
        )
        for case in cases:
            self._send(case, who, somebody)

    def _send_generated(
        self,
        label: str,
        who: Who,
        somebody: Somebody,
        mode: GenerationMode,
        number: int,
        examples: int,
    ) -> None:
        chance = random.Random(number)

        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=UNHURRIED,
        )
        @given(case=self.operations[label].as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            is_real = mode is GenerationMode.POSITIVE and chance.random() < 0.5
            if is_real:
                somebody.make_real(case)
            self._send(case, who, somebody, is_real=is_real)

        try:
            send()
        except Exception as error:
            # An operation without inputs has nothing that could be wrong.
            if "Unsatisfiable" not in type(error).__name__:
                raise

    def _send(self, case: Any, who: Who, somebody: Somebody, *, is_real: bool = False) -> None:
        label = case.operation.label
        headers = somebody.headers(label) if who == "somebody" else {}
        try:
            answer = case.call(
                base_url=self._product.url,
                session=self._session,
                headers=headers,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            self._note_fault(label, f"no answer: {type(error).__name__}", f"{case!r}\n{error}")
            self.outcome.answers[label, NO_ANSWER] += 1
            return
        self.outcome.answers[label, answer.status_code] += 1
        try:
            case.validate_response(
                answer,
                checks=self._checks,
                # The bytes of a picture are no text, which the schema's `string` has to be.
                excluded_checks=[checks.negative_data_rejection] if is_real else [],
                headers=headers,
                transport_kwargs={"session": self._session, "base_url": self._product.url},
            )
        except FailureGroup as group:
            for failure in group.exceptions:
                self._note_fault(label, str(getattr(failure, "title", failure)), f"{group}")

    def _note_fault(self, label: str, what: str, example: str) -> None:
        self.outcome.faults.setdefault(f"{label}: {what}", example)
