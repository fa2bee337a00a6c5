"""What may be written down or sent away: no secrets, no addresses, no words of a person.

Every log line and every report to Sentry passes here, whoever wrote it: our own lines name ids
only, but libraries put what they were given into their errors.
"""

import re
import traceback
from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import cast
from urllib.parse import quote

HIDDEN = "[hidden]"
MIN_SECRET_CHARACTERS = 8  # a shorter one would be found in ordinary words
MAX_CHARACTERS = 2_000
MAX_MESSAGE_CHARACTERS = 300
CAUSE = "\nThe above exception was the direct cause of the following exception:\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n"

_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{HIDDEN}@"),  # user and password in an address
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s?#'\"]*)[?#][^\s'\"]*"), rf"\1?{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),  # a JSON web token
    (re.compile(r"\b([Bb]earer|Basic)\s+[^\s'\",]{8,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"\b(\w*(?:password|passwd|secret|token|ticket|signature|api_?key|cookie))"
            r"(['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"[^\s@'\"<>(),;:=\[\]]{1,64}@[^\s@'\"<>(),;:=\[\]]+\.[^\W\d_]{2,}"), HIDDEN),
)
# Without any of these none of the patterns fits, as for most of what is written.
_SUSPECT = re.compile(r"[@=:]|eyJ|earer|Basic")
# Libraries quote what they were given. Names, types and paths help; anything longer may be a
# person's words.
# A quotation that was cut off ends with the text; the apostrophe of "can't" begins none.
_QUOTED = re.compile(
    r"(?<![^\W_]{2})'(?:[^'\\]|\\.?)*(?:'|$)|\"(?:[^\"\\]|\\.?)*(?:\"|$)|“[^”]*(?:”|$)"
    r"|\([^()]*\)=\([^()]*\)"
)
_NAME = re.compile(r"['\"]([A-Za-z_][\w.-]{0,31}|(/[\w.-]{1,40})+)['\"]", re.ASCII)

_secrets: re.Pattern[str] | None = None


def hide(secrets: Iterable[str]) -> None:
    """From here on none of these is written, as it is or as it stands in an address."""
    global _secrets  # noqa: PLW0603 - one process has one set of secrets
    spellings = {
        spelling
        for secret in secrets
        if len(secret) >= MIN_SECRET_CHARACTERS
        for spelling in (secret, quote(secret, safe=""), repr(secret)[1:-1])
    }
    longest_first = sorted(spellings, key=len, reverse=True)
    _secrets = re.compile("|".join(map(re.escape, longest_first))) if spellings else None


def clean(text: str) -> str:
    """Short enough, too, that looking through it holds nobody up."""
    if _secrets:
        text = _secrets.sub(HIDDEN, text)
    text = text[:MAX_CHARACTERS]
    if _SUSPECT.search(text):
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
    return text


def clean_fact(fact: object) -> object:
    """The same for what is given beside a line; what JSON does not know becomes text."""
    match fact:
        case None | bool() | int() | float():
            return fact
        case dict():
            facts = cast("Mapping[object, object]", fact)
            return {clean(str(key)): clean_fact(value) for key, value in facts.items()}
        case list() | tuple() | set() | frozenset():
            return [clean_fact(one) for one in cast("Iterable[object]", fact)]
        case BaseException():
            return f"{type(fact).__name__}: {message_of(fact)}"
        case _:
            return clean(str(fact))


def message_of(error: BaseException) -> str:
    """The first line of what it says, without what it quotes: details and inputs come after it."""
    try:
        return clean_message(str(error))
    except Exception:  # noqa: BLE001 - an error that cannot be told is still to be logged
        return HIDDEN


def clean_message(text: str) -> str:
    first = text.strip().partition("\n")[0][:MAX_CHARACTERS]
    return clean(_QUOTED.sub(_only_a_name, first))[:MAX_MESSAGE_CHARACTERS]


def stack_of(error: BaseException, *, seen: frozenset[int] = frozenset()) -> str:
    """As Python writes it, with messages that may be known."""
    seen |= {id(error)}
    before, link = error.__cause__, CAUSE
    if before is None and not error.__suppress_context__:
        before, link = error.__context__, CONTEXT
    lines: list[str] = []
    if before is not None and id(before) not in seen:
        lines += [stack_of(before, seen=seen), link]
    lines.append("Traceback (most recent call last):")
    lines += [frame.rstrip("\n") for frame in traceback.format_tb(error.__traceback__)]
    lines.append(f"{_name_of(type(error))}: {message_of(error)}")
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        lines += [indent(stack_of(one, seen=seen), "  | ") for one in group.exceptions]
    return "\n".join(lines)


def _only_a_name(quoted: re.Match[str]) -> str:
    return quoted[0] if _NAME.fullmatch(quoted[0]) else "'…'"


def _name_of(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
