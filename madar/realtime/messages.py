"""What is told: one message for all who hear of the same row in the same language."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson

from madar.db.live import News
from madar.i18n import Language

Json = dict[str, Any]
Finish = Callable[[bytes, Language], bytes]

PROGRESS, COMPLETED, FAILED = "generation:progress", "generation:completed", "generation:failed"
DELETED, JOINED, ERROR = "generation:deleted", "joined", "error"
FINAL_STATUSES = frozenset({"completed", "failed"})
# What an event takes over from the document, and under which name.
_SHOWN = (
    ("stage", "stage"),
    ("steps", "steps"),
    ("queuePosition", "queuePosition"),
    ("pauseReason", "pauseReason"),
    ("estimatedTimeSeconds", "estimatedTimeRemaining"),
    ("result", "result"),
    ("error", "error"),
    ("errorCode", "errorCode"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Message:
    """`is_final`: what it tells of is completed, failed or deleted, so no progress follows."""

    type: str
    body: Json
    generation_id: UUID | None = None
    version: int = 0
    is_final: bool = False

    @cached_property
    def text(self) -> str:
        return orjson.dumps({"type": self.type, **self.body}).decode()


PONG = Message(type="pong", body={})
AUTHENTICATED = Message(type="authenticated", body={})


class Told:
    """A row as it is told, made once for each language in which somebody hears of it."""

    __slots__ = ("_finish", "_messages", "id", "is_deleted", "is_final", "news", "version")

    def __init__(self, news: News, finish: Finish, *, version: int | None = None) -> None:
        self.news = news
        self.id = news.id
        self.version = news.version if version is None else version
        self.is_deleted = news.is_deleted
        self.is_final = news.is_deleted or news.status in FINAL_STATUSES
        self._finish = finish
        self._messages: dict[Language, Message] = {}

    def in_language(self, language: Language) -> Message:
        if language not in self._messages:
            self._messages[language] = self._message(language)
        return self._messages[language]

    def _message(self, language: Language) -> Message:
        if self.news.document is None:
            named: Json = {"generationId": str(self.id), "version": self.version}
            return Message(
                type=DELETED,
                body=named,
                generation_id=self.id,
                version=self.version,
                is_final=True,
            )
        return event_of(orjson.loads(self._finish(self.news.document.encode(), language)))


_TYPES = {"completed": COMPLETED, "failed": FAILED}


def event_of(shown: Json) -> Message:
    """What is told of a generation when it has become what is shown."""
    body: Json = {
        "generationId": shown["id"],
        "version": shown["version"],
        "status": shown["status"],
        "progress": shown["progress"],
    }
    return Message(
        type=_TYPES.get(shown["status"], PROGRESS),
        body=body | {target: shown[source] for source, target in _SHOWN if source in shown},
        generation_id=UUID(shown["id"]),
        version=shown["version"],
        is_final=shown["status"] in FINAL_STATUSES,
    )


def joined(snapshot: Json) -> Message:
    """One generation as it is."""
    named = {"generationId": snapshot["id"], "version": snapshot["version"]}
    return Message(
        type=JOINED,
        body={**named, "snapshot": snapshot},
        generation_id=UUID(snapshot["id"]),
        version=snapshot["version"],
        is_final=snapshot["status"] in FINAL_STATUSES,
    )
