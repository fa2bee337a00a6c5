"""An event stream as a program reads it."""

import contextlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.product import Json, Person

FINAL = {"generation:completed", "generation:failed", "generation:deleted"}


@dataclass(frozen=True, kw_only=True)
class Event:
    """`id` is empty where the event had none."""

    type: str
    data: Json
    id: str


def blocks_of(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """Field by field; a comment's name is empty. Ends with the stream."""
    block: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(":")
            assert name not in block, "a field of ours is one line"
            block[name] = value.removeprefix(" ")
        else:
            yield block
            block = {}
    assert not block, "the stream ended within an event"


def events_in(answer: httpx.Response) -> Iterator[Event]:
    for block in blocks_of(answer):
        if "event" in block:
            data = json.loads(block["data"])
            assert data["type"] == block["event"]
            yield Event(type=block["event"], data=data, id=block.get("id", ""))


@contextlib.contextmanager
def opened(person: Person, generation_id: object, **headers: str) -> Generator[httpx.Response]:
    path = f"/api/generations/{generation_id}/events"
    given: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    with person.http.stream("GET", path, headers=given) as answer:
        yield answer


@contextlib.contextmanager
def followed(person: Person, generation_id: object, **headers: str) -> Generator[Iterator[Event]]:
    with opened(person, generation_id, **headers) as answer:
        assert answer.status_code == 200, answer.read()
        events = events_in(answer)  # a name, since who lets go of it closes the connection
        yield events
