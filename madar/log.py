"""One line per event on standard output: JSON in production, words on a laptop."""

import json
import logging
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from madar.redaction import clean, clean_fact, stack_of

request_id: ContextVar[str] = ContextVar("request_id", default="")
_ids: ContextVar[dict[str, str] | None] = ContextVar("ids", default=None)

# What every LogRecord has; the rest of its attributes are the facts given with `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_REFUSALS = ("ASGI callable returned without completing", "Invalid UTF-8 sequence received")
# What could end a line, move a cursor or turn the reading direction, or is no text at all; JSON
# itself escapes only what is below a space.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def configure(level: str, *, as_json: bool) -> None:
    """Replace whatever handlers there are; safe to call twice."""
    logging.raiseExceptions = not as_json  # what cannot be written would go out as it is
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines() if as_json else _Words())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.WARNING)  # its lines about sockets hold query strings and headers
    server.addFilter(_is_no_refusal)
    chatty_ones = ("httpx", "httpx2", "httpcore", "httpcore2")
    for chatty in (*chatty_ones, "procrastinate", "psycopg.pool", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.root.level))


@contextmanager
def about(**given: object) -> Generator[None]:
    """Lines that are written inside name these ids, and those that `note` adds."""
    known = {name: str(value) for name, value in given.items()}
    token = _ids.set({**(_ids.get() or {}), **known})
    try:
        yield
    finally:
        _ids.reset(token)


def note(**given: object) -> None:
    """What the work that is under way turns out to be about; for the rest of `about`."""
    known = _ids.get()
    if known is not None:
        known.update({name: str(value) for name, value in given.items()})


def ids() -> dict[str, str]:
    """Of what is under way here."""
    identifier = request_id.get()
    return {**(_ids.get() or {}), **({"request_id": identifier} if identifier else {})}


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """What was given with the line, and the ids of what is under way."""
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {**ids(), **{key: clean_fact(value) for key, value in given.items()}}


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Uvicorn calls an error of ours what is a client's: a socket refused, text that is none."""
    return not record.getMessage().startswith(_REFUSALS)


def _stack(record: logging.LogRecord) -> str | None:
    error = record.exc_info and record.exc_info[1]
    return stack_of(error) if error else None


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "service": "madar-ai-backend",
            "logger": record.name,
            "event": clean(record.getMessage()),
            **facts_of(record),
        }
        if stack := _stack(record):
            line["stack"] = stack
        return _escaped(json.dumps(line, default=str, ensure_ascii=False))


class _Words(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts = " ".join(f"{key}={value}" for key, value in facts_of(record).items())
        event = clean(record.getMessage())
        line = _escaped(f"{time} {record.levelname.lower():7} {event} {facts}".rstrip())
        stack = _stack(record)
        return f"{line}\n{stack}" if stack else line
