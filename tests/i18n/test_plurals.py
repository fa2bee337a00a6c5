"""Sentences that count: two forms in English, six in Arabic (CLDR plural rules)."""

import re

import pytest

from madar import i18n
from tests.i18n.reading import placeholders_of

FORMS = {"en": {"one", "other"}, "ar": {"zero", "one", "two", "few", "many", "other"}}
COUNTING = sorted(key for key, entry in i18n.catalogue("en").items() if isinstance(entry, dict))
# Names of parameters that are numbers of something; the symbol of a unit has no plural.
NUMBERS = r"(?:count|limit|size|files|seconds|minutes|hours|days)\w*"
SYMBOLS = r"(?:kB|MB|s)\b"


def category(language: str, count: int) -> str:
    """Written down from CLDR's table, apart from the library that the product asks."""
    if language == "en":
        return "one" if count == 1 else "other"
    if count <= 2:
        return ("zero", "one", "two")[count]
    if 3 <= count % 100 <= 10:
        return "few"
    return "many" if count % 100 >= 11 else "other"


def test_some_sentences_count() -> None:
    assert {"problem.prompt_too_long", "problem.rate_limited"} <= set(COUNTING)


@pytest.mark.parametrize("key", COUNTING)
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_sentence_that_counts_has_each_form(language: i18n.Language, key: str) -> None:
    entry = i18n.catalogue(language)[key]

    assert isinstance(entry, dict)
    assert set(entry) == FORMS[language] | {"by"}
    assert entry["by"] == i18n.catalogue("en")[key]["by"]  # pyright: ignore[reportArgumentType]
    assert f"{{{entry['by']}}}" in entry["other"]


@pytest.mark.parametrize("key", COUNTING)
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_number_gets_its_form(language: i18n.Language, key: str) -> None:
    entry = i18n.catalogue(language)[key]
    assert isinstance(entry, dict)
    others = dict.fromkeys(placeholders_of(entry) - {entry["by"]}, "x")

    for count in range(1001):
        sentence = i18n.text(key, language, **others, **{entry["by"]: count})

        plain = re.sub(r"[\u2068\u2069]", "", sentence)
        assert plain == entry[category(language, count)].format(**others, **{entry["by"]: count})


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (1, "لون واحد"),
        (2, "لونان"),
        (3, "3 ألوان"),
        (10, "10 ألوان"),
        (11, "11 لونًا"),
        (99, "99 لونًا"),
        (100, "100 لون"),
        (102, "102 لون"),
        (103, "103 ألوان"),
        (111, "111 لونًا"),
    ],
)
def test_colours_are_counted_as_one_reads_them(limit: int, words: str) -> None:
    sentence = i18n.text("problem.too_many_colors", "ar", limit=limit)

    assert re.sub(r"[\u2068\u2069]", "", sentence) == f"الحد الأقصى {words}."


def test_a_number_before_a_word_is_counted() -> None:
    for key, entry in i18n.catalogue("en").items():
        if isinstance(entry, str):
            counted = re.search(rf"{{{NUMBERS}}} (?!{SYMBOLS})\w", entry)
            assert not counted, f"{key} needs plural forms"
