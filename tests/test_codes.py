"""Every permanent code: raised somewhere, with a status, words in both languages, and a place."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import pytest

from madar import i18n
from madar.api.problems import document
from madar.codes import CODES
from madar.domain.failures import FailureCode
from madar.errors import MadarError, NotFound, RateLimited, TooBusy, Unauthenticated, Unavailable
from madar.settings import ROOT
from tests.api.looking import is_arabic
from tests.i18n.reading import placeholders_of
from tests.product import Person, Product

SOURCES = [
    *(path for path in (ROOT / "madar").rglob("*.py") if "simulator" not in path.parts),
    *(ROOT / "jobs").rglob("*.py"),
]
REGISTRY = ROOT / "madar" / "codes.py"
KINDS = ("problem", "failure", "cause", "cure")
PROBLEMS = [code for code, known in CODES.items() if known.status]
DEPENDENCIES = ("database", "fal", "google", "storage")
# Where a call has the code, and which statuses the codes of its class have.
PLACES = {"InvalidInput.at": 1}
STATUSES = {
    "InvalidInput.at": {413, 422},
    "Fault": {413, 422},
    "_Wrong": {422},
    "MalformedRequest": {400, 408, 413, 414, 415, 431},
    "Unauthenticated": {401},
    "Forbidden": {403},
    "Conflict": {409},
    "RateLimited": {429},
    "MadarError": {code.status for code in CODES.values()},
}


@dataclass(frozen=True)
class Raised:
    """A call that names a code; `params` is None where they are not written out."""

    kind: str
    code: str
    params: frozenset[str] | None


def raised_in(text: str) -> Iterator[Raised]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and (kind := ast.unparse(node.func)) in STATUSES:
            place = PLACES.get(kind, 0)
            named = [one.value for one in node.keywords if one.arg == "code"]
            for code in [*node.args[place : place + 1], *named]:
                if isinstance(code, ast.Constant):
                    yield Raised(kind, str(code.value), params_of(kind, node))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {
            "code",
            "(code, params)",
        }:
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
            if isinstance(value, ast.Constant) and value.value:
                yield Raised("Fault", str(value.value), None)


def params_of(kind: str, call: ast.Call) -> frozenset[str] | None:
    names = {one.arg: one.value for one in call.keywords}
    if kind != "Fault":
        own = {"seconds"} if kind == "RateLimited" else set[str]()
        return None if None in names else frozenset(own | {name for name in names if name})
    given = names.get("params", ast.Dict(keys=[], values=[]))
    if not isinstance(given, ast.Dict):
        return None
    return frozenset(str(key.value) for key in given.keys if isinstance(key, ast.Constant))


def texts_in(text: str) -> Iterator[str]:
    """Each literal as a pattern; what an f-string puts in may be any word."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.escape(node.value)
        if isinstance(node, ast.JoinedStr):
            fixed = [str(one.value) if isinstance(one, ast.Constant) else "" for one in node.values]
            if re.search(r"_[a-z]{3}", "".join(fixed)):
                yield "".join(re.escape(part) or "[a-z]+" for part in fixed)


@pytest.fixture(scope="module")
def sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in SOURCES if path != REGISTRY]


def test_every_code_has_its_words_and_every_word_its_code() -> None:
    expected = {
        f"{kind}.{code}"
        for code, known in CODES.items()
        for kind in (*known.kinds, "cause", "cure")
    }

    assert expected == {key for key in i18n.catalogue("en") if key.startswith(KINDS)}


def test_a_code_is_a_problem_or_ends_generations() -> None:
    for code, known in CODES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert known.kinds, code
        assert known.status is None or 400 <= known.status < 600


def test_every_code_that_is_raised_is_known(sources: list[str]) -> None:
    raised = [one for text in sources for one in raised_in(text)]

    assert len({one.code for one in raised}) > 25
    assert [one for one in raised if one.code not in CODES] == []


def test_every_known_code_is_written_somewhere(sources: list[str]) -> None:
    patterns = re.compile("|".join({pattern for text in sources for pattern in texts_in(text)}))

    assert [code for code in CODES if not patterns.fullmatch(code)] == []


def test_a_code_has_a_status_of_its_class(sources: list[str]) -> None:
    for one in (one for text in sources for one in raised_in(text)):
        assert CODES[one.code].status in STATUSES[one.kind], one


def test_what_a_sentence_names_is_given(sources: list[str]) -> None:
    for one in (one for text in sources for one in raised_in(text)):
        if one.params is not None:
            entry = i18n.catalogue("en")[f"problem.{one.code}"]
            assert placeholders_of(entry) <= one.params, one


@pytest.mark.parametrize(
    ("error", "code", "retry_after_s"),
    [
        (NotFound(), "not_found", None),
        (Unauthenticated(), "not_signed_in", None),
        (RateLimited(policy="api", retry_after_s=7), "rate_limited", 7),
        (TooBusy(), "too_busy", 1),
        *((Unavailable(name), f"{name}_unavailable", 2) for name in DEPENDENCIES),
    ],
)
def test_a_class_brings_its_own_code(
    error: MadarError, code: str, retry_after_s: int | None
) -> None:
    assert error.code == code
    assert code in CODES
    assert error.retry_after_s == retry_after_s


def test_the_ways_a_generation_fails_are_known() -> None:
    assert {code for code, known in CODES.items() if known.ends_generation} == set(
        get_args(FailureCode)
    )


@pytest.mark.parametrize("code", PROBLEMS)
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_problem_can_be_told(language: i18n.Language, code: str) -> None:
    params = dict.fromkeys(placeholders_of(i18n.catalogue(language)[f"problem.{code}"]), 7)

    problem = document(MadarError(code, **params), language, app_url="https://api.test")

    assert problem["type"] == f"https://api.test/docs/errors#{code}"
    assert problem["status"] == CODES[code].status
    assert problem["retryable"] == CODES[code].is_retryable
    assert "retryAfterSeconds" not in problem
    assert is_arabic(problem["detail"]) == is_arabic(problem["title"]) == (language == "ar")


def test_a_pause_is_told_in_the_document_too() -> None:
    error = RateLimited("quota_exceeded", policy="day", retry_after_s=3600, limit=50)

    problem = document(error, "en", app_url="")

    assert problem["retryAfterSeconds"] == 3600
    assert problem["params"] == {"policy": "day", "seconds": 3600, "limit": 50}
    assert problem["detail"] == "Your allowance of 50 pictures is used up."


def test_a_failed_generation_says_whether_asking_again_helps(
    product: Product, amal: Person
) -> None:
    created = amal.create()["id"]

    for code in get_args(FailureCode):
        product.execute(
            "UPDATE generations SET state = 'failed', error_code = %s, next_action_at = NULL,"
            " completed_at = now(), version = version + 1",
            code,
        )
        shown = amal.status(created)

        assert shown["errorCode"] == code
        assert shown["error"] == i18n.text(f"failure.{code}", "en")
        assert shown["retryable"] == CODES[code].is_retryable, code
