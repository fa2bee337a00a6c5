"""Every sentence in both languages, and every code with its sentence."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import madar
from madar import i18n
from madar.api.problems import NARROWER, STATUSES
from madar.domain.failures import FailureCode

SOURCES = [path for path in Path(madar.__path__[0]).rglob("*.py") if "simulator" not in path.parts]
DYNAMIC = {
    *(f"{name}_out_of_range" for name in ("page", "limit")),
    *(f"{name}_unavailable" for name in ("database", "fal", "google", "storage")),
    *("not_found", "not_signed_in"),
}
CARRIES_A_CODE = {
    "InvalidInput.at": 1,
    "MadarError": 0,
    "MalformedRequest": 0,
    "Unauthenticated": 0,
    "Forbidden": 0,
    "Conflict": 0,
    "_choice_faults": 1,
    "document": 2,
}


def codes_in(path: Path) -> Iterator[str]:
    """Codes that this file raises, as far as they are written out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            place = CARRIES_A_CODE.get(name)
            given_codes = [one.value for one in node.keywords if one.arg == "code"]
            if place is not None and len(node.args) > place:
                given_codes.append(node.args[place])
            for code in given_codes:
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value


def placeholders_of(entry: str | dict[str, str]) -> set[str]:
    sentences = [entry] if isinstance(entry, str) else list(entry.values())
    return {
        name
        for sentence in sentences
        for _, name, _, _ in string.Formatter().parse(sentence)
        if name is not None
    }


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    english, arabic = i18n.catalogue("en"), i18n.catalogue("ar")

    assert list(english) == list(arabic), "in the same order, so that they can be read side by side"
    for key in english:
        assert placeholders_of(english[key]) == placeholders_of(arabic[key]), key


def test_arabic_is_arabic_and_english_is_not() -> None:
    letters = re.compile(r"[\u0600-\u06ff]")

    for key, entry in i18n.catalogue("ar").items():
        assert letters.search(str(entry)), key
    for key, entry in i18n.catalogue("en").items():
        assert not letters.search(str(entry)), key


def test_every_code_that_is_raised_has_its_sentence() -> None:
    raised = {code for path in SOURCES for code in codes_in(path)} | DYNAMIC

    missing = {code for code in raised if not i18n.has(f"problem.{code}")}

    assert len(raised) > 25
    assert missing == set()


def test_every_sentence_has_a_code_that_is_raised() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES)

    for key in i18n.catalogue("en"):
        kind, _, code = key.partition(".")
        if kind == "problem" and code not in DYNAMIC:
            assert f'"{code}"' in text, key


def test_every_way_to_fail_has_its_sentence() -> None:
    known = {key.partition(".")[2] for key in i18n.catalogue("en") if key.startswith("failure.")}

    assert known == set(get_args(FailureCode))


def test_every_status_has_its_title() -> None:
    statuses = {*STATUSES.values(), *NARROWER.values(), 405, 500}

    assert {f"title.{int(status)}" for status in statuses} == {
        key for key in i18n.catalogue("en") if key.startswith("title.")
    }


def test_a_value_in_an_arabic_sentence_keeps_its_own_direction() -> None:
    sentence = i18n.text("problem.prompt_too_long", "ar", limit=1000)

    assert "\u20681000\u2069" in sentence
    assert "\u2068" not in i18n.text("problem.prompt_too_long", "en", limit=1000)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("ar", "ar"),
        ("AR-sa", "ar"),
        ("en-GB", "en"),
        ("fr", None),
        ("fr, ar;q=0.1", "ar"),
        ("en;q=0.5, ar", "ar"),
        ("ar;q=0.5,en;q=0.9", "en"),
        ("ar;q=0", None),
        ("ar;q=0, *", "en"),
        ("*", "en"),
        ("arabic", None),
        ("ar;q=nan", None),
        ("ar;q=2", None),
        ("ar;q=٠٫٥", None),
        ("ar; q = 0.5", "ar"),
        ("ar, en", "ar"),
        ("en, ar", "en"),
        (";q=1", None),
        (", ".join(["fr"] * 20 + ["ar"]), None),
    ],
)
def test_the_best_of_our_languages_is_found(header: str, language: str | None) -> None:
    assert i18n.negotiate(header) == language


@given(st.text(max_size=200))
def test_no_header_is_too_strange(header: str) -> None:
    assert i18n.negotiate(header) in {"en", "ar", None}


@given(
    st.permutations(["ar", "en", "fr", "de"]),
    st.lists(st.integers(1, 1000), min_size=4, max_size=4, unique=True),
)
def test_order_does_not_matter_where_weights_do(tags: list[str], weights: list[int]) -> None:
    weighed = dict(zip(tags, weights, strict=True))
    header = ", ".join(f"{tag};q={weight / 1000}" for tag, weight in weighed.items())

    expected = max(("ar", "en"), key=lambda tag: weighed[tag])
    assert i18n.negotiate(header) == expected


def test_an_unknown_language_is_the_default() -> None:
    assert (i18n.known("ar"), i18n.known("fr"), i18n.known("")) == ("ar", "en", "en")
