"""Everything a person reads, in English and Arabic: catalogues, plurals, negotiation."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

Language = Literal["en", "ar"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "en"
MAX_RANGES = 20

# A value inside a sentence of the other direction keeps its own (Unicode UAX 9, isolates).
_ISOLATE, _POP = "\u2068", "\u2069"
_PLACEHOLDER = re.compile(r"\{\w+\}")


def text(key: str, language: Language, **params: Any) -> str:
    """The sentence for `key`; one that counts says under `by` which parameter it counts."""
    entry = catalogue(language)[key]
    if isinstance(entry, dict):
        entry = entry[plural(language, params[entry["by"]])]
    if language == "ar":
        params = {name: f"{_ISOLATE}{value}{_POP}" for name, value in params.items()}
    return entry.format(**params)


def outline(key: str, language: Language) -> str:
    """The sentence apart from any case: what it would name is an ellipsis."""
    entry = catalogue(language)[key]
    sentence = entry["other"] if isinstance(entry, dict) else entry
    return _PLACEHOLDER.sub("…", sentence).replace("….", "…")


@cache
def catalogue(language: Language) -> dict[str, str | dict[str, str]]:
    path = Path(__file__).parent / f"{language}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def negotiate(header: str) -> Language | None:
    """The best of ours for an `Accept-Language` header (RFC 9110, 12.5.4), if it names one."""
    best: tuple[float, Language | None] = (0.0, None)
    for item in header.split(",")[:MAX_RANGES]:
        tag, _, weight = item.strip().partition(";")
        language = _known(tag.partition("-")[0].lower())
        quality = _quality(weight)
        if language and quality > best[0]:
            best = (quality, language)
    return best[1]


def known(language: str) -> Language:
    """As a type; anything else is the default."""
    return language if language in LANGUAGES else DEFAULT


def _known(tag: str) -> Language | None:
    if tag == "*":
        return DEFAULT
    return known(tag) if tag in LANGUAGES else None


def _quality(weight: str) -> float:
    name, _, value = weight.replace(" ", "").partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value) if name == "q" and value.isascii() else 0.0
    except ValueError:
        return 0.0
    return quality if 0 < quality <= 1 else 0.0


def plural(language: Language, count: int) -> str:
    """The category of a number: zero, one, two, few, many or other; English has one and other."""
    from babel import Locale  # noqa: PLC0415 (slow to import, and few sentences count)

    return Locale(language).plural_form(count)
