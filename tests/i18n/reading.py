"""What tests read out of a catalogue's entry."""

import string

Entry = str | dict[str, str]


def sentences_of(entry: Entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [sentence for form, sentence in entry.items() if form != "by"]


def placeholders_of(entry: Entry) -> set[str]:
    return {
        name
        for sentence in sentences_of(entry)
        for _, name, _, _ in string.Formatter().parse(sentence)
        if name is not None
    }
