"""Where a browser may go after sign-in: a path of the frontend, whatever reads it."""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from madar.errors import InvalidInput

MAX_CHARACTERS = 512
_PATH = re.compile(r"/[\x21-\x7e]*")
_PATH_ENDS = re.compile(r"[?#]")
_BREAKS = {"Cc", "Zl", "Zp"}  # Unicode's controls and separators of lines


def check_return_to(path: str) -> str:
    """Answers `path`. Raises InvalidInput for what could lead to another site.

    Percent-encoding is taken off layer by layer: a router or proxy behind us may do it too.
    """
    is_short = len(path) <= MAX_CHARACTERS
    if not is_short or not _PATH.fullmatch(path) or not all(map(_is_local, _layers(path))):
        raise InvalidInput.at("?returnTo", "return_to_invalid")
    return path


def _layers(path: str) -> Iterator[str]:
    """As written, and after each round of decoding that still changes something."""
    yield path
    while (inner := unquote(path)) != path:
        yield inner
        path = inner


def _is_local(path: str) -> bool:
    """No second slash anywhere in the path, so that no tidying up can bring it to the front."""
    own = _PATH_ENDS.split(path, maxsplit=1)[0]
    is_one_line = not any(unicodedata.category(letter) in _BREAKS for letter in path)
    return own.startswith("/") and "//" not in own and "\\" not in path and is_one_line
