"""People who do not give up: they ask again, with the same key, until they are answered."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from tests.product import ROCKET, Person

T = TypeVar("T")

_PAUSE_S = 0.2
_ASK_S = 20.0
DEADLINE_S = 60.0


@dataclass(eq=False)
class Client:
    """One person's programs; may be used from several threads."""

    person: Person
    codes: set[int] = field(default_factory=set[int])
    answers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    answered: threading.Event = field(default_factory=threading.Event)
    _pause: threading.Event = field(default_factory=threading.Event)

    def create(self, key: str, **wishes: object) -> str:
        """Its id, once it is acknowledged."""

        def ask() -> str | None:
            answer = self._send("POST", "/api/generations", json={**ROCKET, **wishes}, key=key)
            if answer is None or not answer.is_success:
                return None
            return str(answer.json()["id"])

        generation_id = self._until_answered(ask)
        self.answers.setdefault(key, set()).add(generation_id)
        return generation_id

    def delete(self, generation_id: str) -> None:
        """Until it is gone: a first answer may have been lost."""

        def ask() -> bool | None:
            answer = self._send("DELETE", f"/api/generations/{generation_id}")
            return (answer is not None and answer.status_code in {204, 404}) or None

        self._until_answered(ask)

    def _send(
        self, method: str, path: str, *, json: object = None, key: str = ""
    ) -> httpx.Response | None:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self.person.http.request(
                method, path, json=json, headers=headers, timeout=_ASK_S
            )
        except httpx.HTTPError:
            return None
        self.codes.add(answer.status_code)
        self.answered.set()
        return answer

    def _until_answered(self, ask: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if (found := ask()) is not None:
                return found
            self._pause.wait(_PAUSE_S)
        raise AssertionError("nobody was answered in time")
