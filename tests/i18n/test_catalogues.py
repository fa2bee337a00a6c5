"""Every sentence in both languages."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import madar
from madar import i18n
from madar.codes import CODES
from tests.i18n.reading import placeholders_of, sentences_of

SOURCES = [*Path(madar.__path__[0]).rglob("*.py")]
MARKUP = re.compile(r"<[^>]*>|<[^>]*$|^[^<]*>")


def spoken_around_texts(path: Path) -> Iterator[str]:
    """What this file glues to a sentence of the catalogue: words in an f-string, or a `+`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.BinOp) and any(map(_is_text, (node.left, node.right))):
            yield ast.unparse(node)
        if isinstance(node, ast.JoinedStr) and any(map(_is_text, node.values)):
            glued = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            yield from (part for part in glued if re.search(r"[^\W\d]", MARKUP.sub("", part)))


def _is_text(node: ast.AST) -> bool:
    called = node.value if isinstance(node, ast.FormattedValue) else node
    return isinstance(called, ast.Call) and ast.unparse(called.func).endswith("i18n.text")


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_no_key_stands_twice(language: i18n.Language) -> None:
    keys: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.extend(key for key, _ in pairs if "." in key)
        return dict(pairs)

    path = Path(i18n.__file__).with_name(f"{language}.json")
    json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=note)

    assert len(keys) > 200
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    english, arabic = i18n.catalogue("en"), i18n.catalogue("ar")

    assert list(english) == list(arabic), "in the same order, so that they can be read side by side"
    for key in english:
        assert placeholders_of(english[key]) == placeholders_of(arabic[key]), key
        assert isinstance(english[key], str) == isinstance(arabic[key], str), key


def test_arabic_is_arabic_and_english_is_not() -> None:
    letters = re.compile(r"[\u0600-\u06ff]")

    for key, entry in i18n.catalogue("ar").items():
        assert all(letters.search(sentence) for sentence in sentences_of(entry)), key
    for key, entry in i18n.catalogue("en").items():
        assert not any(letters.search(sentence) for sentence in sentences_of(entry)), key


def test_digits_are_the_same_in_both_languages() -> None:
    for key, entry in i18n.catalogue("ar").items():
        assert not re.search(r"[\u0660-\u0669\u06f0-\u06f9]", str(entry)), key


def test_a_latin_word_that_begins_with_a_sign_is_isolated_in_arabic() -> None:
    """Otherwise the sign of #3e7bfa or /gallery is shown at the wrong end of it."""
    for key, entry in i18n.catalogue("ar").items():
        for sentence in sentences_of(entry):
            assert not re.search(r"(?:^|[^A-Za-z] )[#/.\[\\@+-]+[A-Za-z0-9]", sentence), key


def test_no_sentence_is_empty_or_has_spaces_too_many() -> None:
    for language in i18n.LANGUAGES:
        for key, entry in i18n.catalogue(language).items():
            for sentence in sentences_of(entry):
                assert sentence == " ".join(sentence.split()) != "", key


def test_no_sentence_is_built_from_fragments() -> None:
    glued = {str(path): found for path in SOURCES if (found := list(spoken_around_texts(path)))}

    assert glued == {}


def test_every_status_has_its_title() -> None:
    statuses = {code.status for code in CODES.values() if code.status}

    assert {f"title.{status}" for status in statuses} == {
        key for key in i18n.catalogue("en") if key.startswith("title.")
    }


def test_a_value_in_an_arabic_sentence_keeps_its_own_direction() -> None:
    sentence = i18n.text("problem.prompt_too_long", "ar", limit=1000)

    assert "\u20681000\u2069" in sentence
    assert "\u2068" not in i18n.text("problem.prompt_too_long", "en", limit=1000)


def test_an_outline_names_nothing_in_particular() -> None:
    assert i18n.outline("problem.field_missing", "en") == "The field “…” is missing."
    assert i18n.outline("problem.prompt_too_long", "ar") == "الوصف أطول من … حرف."


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
