"""Words as the lexicon knows them: folded, and without the letters Arabic and English attach."""

import re
import unicodedata
from collections.abc import Iterator

WORD = re.compile(r"[^\W\d_]+(?:[\u0610-\u061a\u0640\u064b-\u065f\u0670]*[^\W\d_]*)*")

_SIGNS = re.compile(r"[\u0610-\u061a\u0640\u064b-\u065f\u0670]")
_LETTERS = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي", "ء": None}
)
# What is written together with the next word, longest first, and its English.
PREFIXES = {
    "وبال": "and with the",
    "ولل": "and for the",
    "وال": "and the",
    "بال": "with the",
    "فال": "and the",
    "كال": "like the",
    "لل": "for the",
    "ال": "the",
    "وب": "and with",
    "ول": "and for",
    "و": "and",
    "ب": "with",
    "ل": "for",
    "ف": "and",
    "ك": "like",
}
_ENDINGS = ("تان", "تين", "وان", "وين", "ات", "ان", "ين", "ون", "ه")


def folded(word: str) -> str:
    """One spelling for all: no vowel signs, no tatweel, one alef, one ya, one ha."""
    plain = unicodedata.normalize("NFC", word).casefold()
    return _SIGNS.sub("", plain).translate(_LETTERS)


def is_arabic(word: str) -> bool:
    return any("\u0600" <= letter <= "\u06ff" for letter in word)


def readings(word: str) -> Iterator[tuple[str, str]]:
    """Give the stems a word may have, likeliest first, each with what was attached before it."""
    plain = folded(word)
    yield from ((stem, "") for stem in _stems(plain))
    if is_arabic(plain):
        for prefix, meaning in PREFIXES.items():
            if plain.startswith(prefix) and len(plain) > len(prefix) + 1:
                yield from ((stem, meaning) for stem in _stems(plain[len(prefix) :]))


def _stems(plain: str) -> Iterator[str]:
    yield plain
    if is_arabic(plain):
        for ending in _ENDINGS:
            if plain.endswith(ending) and len(plain) > len(ending) + 1:
                yield plain[: -len(ending)]
                yield plain[: -len(ending)] + "ه"
        yield plain + "ه"
    elif plain.endswith("s"):
        yield plain[:-1]
        if plain.endswith("ies"):
            yield plain[:-3] + "y"
        if plain.endswith("es"):
            yield plain[:-2]
