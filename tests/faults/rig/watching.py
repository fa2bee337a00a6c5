"""A client that watches: what a socket tells and what questions answer, in the order of seeing."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

import httpx
import orjson
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.product import Person
from tests.simulator.harness import Json

Channel = Literal["socket", "question"]
DELETED = "deleted"  # what a socket tells of one that went; questions answer 404
_ASK_EVERY_S = 0.25
_RECONNECT_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Seen:
    channel: Channel
    version: int
    status: str


@dataclass(eq=False)
class Watcher:
    """Hears of all that is the person's, and asks about what it is told to, until told to stop.

    It outlives whatever becomes of the server.
    """

    person: Person
    url: str
    seen: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict[str, list[Seen]](list))
    codes: set[int] = field(default_factory=set[int])
    heard_at: float = 0.0
    _watched: frozenset[str] = frozenset()
    _cursor: str | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def watch(self, generation_id: str) -> None:
        self._watched |= {generation_id}

    def leave(self, *generation_ids: str) -> None:
        self._watched -= set(generation_ids)

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._until_ended, args=(turn,))
            for turn in (self._listen, self._ask)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(20)

    def _until_ended(self, turn: Callable[[], None]) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(httpx.HTTPError, WebSocketException, OSError):
                turn()
            self._ended.wait(_RECONNECT_S)

    def _listen(self) -> None:
        """Follows everything of the person, and comes back with what it was told to come with."""
        token = {"Authorization": f"Bearer {self.person.token}"}
        url = self.url.replace("http://", "ws://") + "/ws"
        with connect(url, additional_headers=token, proxy=None, open_timeout=5) as live:
            live.send(orjson.dumps({"type": "join:mine", "since": self._cursor}).decode())
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    self._hear(orjson.loads(live.recv(0.1)))

    def _hear(self, message: Json) -> None:
        self.heard_at = time.monotonic()
        self._cursor = message.get("cursor", self._cursor)
        for each in message.get("generations", [message]):
            generation_id = each.get("id", each.get("generationId"))
            one = Seen(
                channel="socket", version=each["version"], status=each.get("status", DELETED)
            )
            self.seen[generation_id].append(one)

    def _ask(self) -> None:
        while not self._ended.wait(_ASK_EVERY_S):
            for each in self._watched:
                answer = self.person.get(f"/api/generations/{each}")
                self.codes.add(answer.status_code)
                if answer.is_success:
                    body = answer.json()
                    one = Seen(channel="question", version=body["version"], status=body["status"])
                    self.seen[each].append(one)
