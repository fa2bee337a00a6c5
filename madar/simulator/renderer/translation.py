"""The simulator as translator: Arabic to English, word by word, with the order of a noun phrase."""

import re
from dataclasses import dataclass, field

from madar.simulator.renderer.lexicon import Entry, entry_of
from madar.simulator.renderer.words import WORD, is_arabic

_TOKEN = re.compile(rf"{WORD.pattern}|\s+|.")


@dataclass(kw_only=True)
class _Phrase:
    """A noun with the nouns and adjectives behind it: Arabic puts last what English puts first."""

    head: Entry
    nouns: list[str] = field(default_factory=list[str])
    adjectives: list[str] = field(default_factory=list[str])

    def takes(self, entry: Entry) -> bool:
        """An attached "the" belongs to the phrase; any other attached word starts a new one."""
        return entry.kind != "other" and entry.attached in ("", "the")

    def add(self, entry: Entry) -> None:
        (self.nouns if entry.kind == "noun" else self.adjectives).append(entry.english)

    def english(self) -> list[str]:
        before = [self.head.attached] if self.head.attached else []
        return [*before, *reversed(self.adjectives), *reversed(self.nouns), self.head.english]


def translate(text: str) -> str:
    """Translate the words of the lexicon; everything else stays as it is."""
    if not is_arabic(text):
        return text
    said: list[str] = []
    phrase: _Phrase | None = None
    for token in _TOKEN.findall(text):
        if token.isspace():
            continue
        entry = entry_of(token) if is_arabic(token) else None
        if entry and phrase and phrase.takes(entry):
            phrase.add(entry)
            continue
        said += phrase.english() if phrase else []
        phrase = _Phrase(head=entry) if entry and entry.kind == "noun" else None
        if phrase is None:
            said += [entry.attached, entry.english] if entry else [token]
    said += phrase.english() if phrase else []
    return _joined(said)


def _joined(words: list[str]) -> str:
    text = " ".join(word for word in words if word)
    return (
        re.sub(r" ([,.;:!?،؛؟])", r"\1", text).replace("،", ",").replace("؛", ";").replace("؟", "?")
    )
