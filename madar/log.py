"""One line per event on standard output: JSON in production, words on a laptop."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")

# What every LogRecord has; the rest of its attributes are the facts given with `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_REFUSALS = ("ASGI callable returned without completing", "Invalid UTF-8 sequence received")


def configure(level: str, *, as_json: bool) -> None:
    """Replace whatever handlers there are; safe to call twice."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines() if as_json else _Words())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.WARNING)  # its lines about sockets hold query strings and headers
    server.addFilter(_is_no_refusal)
    chatty_ones = ("httpx", "httpx2", "httpcore", "httpcore2")
    for chatty in (*chatty_ones, "procrastinate", "psycopg.pool", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.root.level))


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Uvicorn calls an error of ours what is a client's: a socket refused, text that is none."""
    return not record.getMessage().startswith(_REFUSALS)


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if identifier := request_id.get():
        facts["request_id"] = identifier
    return facts


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "service": "madar-ai-backend",
            "logger": record.name,
            "event": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class _Words(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts = " ".join(f"{key}={value}" for key, value in _facts(record).items())
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
