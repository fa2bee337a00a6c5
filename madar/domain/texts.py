"""What a line of text may hold before it is kept, shown in a header or written to a log."""

import unicodedata

# The joiners and marks that Arabic and Persian are written with.
_NEEDED = "\u061c\u200c\u200d\u200e\u200f"
_NEVER = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_LAST_TWO = 0xFFFE  # of each plane, which no character will ever have


def printable(text: str) -> str:
    """Without control characters and directional overrides, which would disturb every reader.

    Letters that this Python does not know yet stay: emoji are younger than most of them.
    """
    return "".join(letter for letter in text if _is_printable(letter)).strip()


def is_printable(text: str) -> bool:
    return printable(text) == text.strip()


def is_visible(letter: str) -> bool:
    """Something to read; no white space, and no mark that needs a letter to stand on."""
    return unicodedata.category(letter)[0] in "LNPS" or unicodedata.category(letter) == "Cn"


def _is_printable(letter: str) -> bool:
    if letter in _NEEDED:
        return True
    is_noncharacter = ord(letter) & _LAST_TWO == _LAST_TWO or "\ufdd0" <= letter <= "\ufdef"
    return unicodedata.category(letter) not in _NEVER and not is_noncharacter
