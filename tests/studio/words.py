"""The page's sentences, to find things by as a reader does."""

import re
from typing import Any

from madar import i18n
from tests.studio.visit import Language

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def say(key: str, language: Language, /, **params: Any) -> str:
    """As the page writes it: text inside a sentence keeps its own direction, numbers need not."""
    entry = i18n.catalogue(language)[f"studio.{key}"]
    if isinstance(entry, dict):
        entry = entry[i18n.plural(language, params[entry["by"]])]

    def fill(found: re.Match[str]) -> str:
        value = params[found[1]]
        return f"\u2068{value}\u2069" if isinstance(value, str) else str(value)

    return _PLACEHOLDER.sub(fill, entry)


def failure(code: str, language: Language) -> str:
    return i18n.text(f"failure.{code}", language)
