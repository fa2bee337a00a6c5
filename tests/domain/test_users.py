"""What a person may say of themselves."""

import pytest

from madar.domain.users import check_profile
from madar.errors import InvalidInput

ZWNJ, RLM, RLO, POP = "\u200c", "\u200f", "\u202e", "\u2069"


def named(name: str) -> str | None:
    return check_profile(display_name=name, language=None).display_name


def refusals(name: str | None, language: str | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        check_profile(display_name=name, language=language)
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


@pytest.mark.parametrize(
    "name",
    [
        *("Amal", "أمل بنت خالد", "O'Neil-Ünal", "李", "ñ", "x", "7"),
        *(
            f"می{ZWNJ}خواهم",
            f"أمل{RLM}!",
            "e\u0301e"[1:] + "a",
            "🚀",
            "👩\u200d🚀",
            "🇵🇸",
            "❤\ufe0f",
        ),
        *("\U0001faea", "a" * 100, "م" * 100),
    ],
)
def test_names_people_have_are_kept(name: str) -> None:
    assert named(name) is not None


def test_a_name_is_composed_and_trimmed() -> None:
    assert named("  Zoe\u0301 \u00a0") == "Zo\u00e9"
    assert named("e\u0301" * 100) == "\u00e9" * 100


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(
            (name, "name_empty")
            for name in ("", " ", "\u00a0\u3000", ZWNJ, RLM, "\u0301", "\u064b")
        ),
        *((name, "name_too_long") for name in ("a" * 101, "🚀" * 101)),
        *(
            (f"A{letter}B", "name_unreadable")
            for letter in (
                *(RLO, POP, "\u202a", "\u2066", "\0", "\n", "\t", "\x7f", "\x85", "\x1b"),
                *("\u2028", "\u2029", "\ufeff", "\u00ad", "\ue000", "\ufffe", "\ufdd0"),
                *("\U000e0041", "\ud800"),
            )
        ),
    ],
)
def test_what_nobody_can_read_is_refused(name: str, code: str) -> None:
    assert refusals(name) == [("/displayName", code)]


def test_everything_wrong_is_told_at_once() -> None:
    assert refusals("", "fr") == [
        ("/displayName", "name_empty"),
        ("/language", "language_unknown"),
    ]


@pytest.mark.parametrize("language", ["", "EN", "en-US", "fr", "ar "])
def test_languages_madar_does_not_speak_are_refused(language: str) -> None:
    assert refusals(None, language) == [("/language", "language_unknown")]


def test_nothing_said_is_nothing_changed() -> None:
    change = check_profile(display_name=None, language=None)

    assert (change.display_name, change.language) == (None, None)
