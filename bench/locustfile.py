"""What a thousand people do; bench/load.py starts the product for them, and this by locust.

Each has an address and a session of their own, keeps a socket open, and looks at the gallery or at
one picture every ten seconds or so. All together ask for pictures, upload and sign in anew as often
as they are told, whether or not the last one has been answered.
"""
# needs: make load

import itertools
import json
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gevent
import websocket
from locust import FastHttpUser, between, events, task
from locust.env import Environment

PLAN: dict[str, Any] = json.loads(os.environ["LOAD_PLAN"])  # noqa: TID251
PICTURE = Path(PLAN["picture"]).read_bytes()
ENDS = {"generation:completed", "generation:failed"}
HOUR_S = 3600
BOUNDARY = "a-line-that-no-picture-has"

numbers = itertools.count()
people: list["Person"] = []
counts = {"open": 0, "dropped": 0, "asked": 0, "told": 0, "failed": 0}


class Person(FastHttpUser):
    wait_time = between(5, 15)

    def on_start(self) -> None:
        self.number = next(numbers)
        self.ids: list[str] = []
        self.asked: dict[str, float] = {}
        self.sign_in()
        gevent.spawn(self.follow)
        people.append(self)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **self.address}

    @property
    def address(self) -> dict[str, str]:
        """As the proxy in front would tell it."""
        return {"X-Forwarded-For": f"10.9.{self.number >> 8}.{self.number & 255}"}

    def sign_in(self) -> None:
        """As in a browser of its own: one that knew the session before would end it."""
        got = self.client.get("/api/auth/google/url", headers=self.address)
        hint = f"{got.json()['url']}&login_hint=person-{self.number}@madar.test"
        back = self.client.get(hint, allow_redirects=False, name="(the local Google)")
        query = parse_qs(urlsplit(back.headers["location"]).query)
        answer = self.client.post(
            "/api/auth/google/callback",
            json={name: query[name][0] for name in ("code", "state")},
            headers=self.address,
        )
        self.client.cookiejar.clear()
        self.token: str = answer.json()["token"]

    @task(5)
    def look_at_gallery(self) -> None:
        name = "GET /api/generations"
        answer = self.client.get("/api/generations?limit=20", headers=self.headers, name=name)
        self.ids = [one["id"] for one in answer.json()["generations"]]

    @task(4)
    def look_at_one(self) -> None:
        if self.ids:
            path = f"/api/generations/{random.choice(self.ids)}"  # noqa: S311
            self.client.get(path, headers=self.headers, name="GET /api/generations/:id")

    @task(1)
    def look_at_styles(self) -> None:
        self.client.get("/api/styles", headers=self.headers, name="GET /api/styles")

    def create(self) -> None:
        began = time.monotonic()
        wish = {"style": "voxel-3d", "inputType": "text", "textPrompt": "a red rocket"}
        answer = self.client.post(
            "/api/generations",
            json=wish,
            headers={**self.headers, "Idempotency-Key": str(uuid.uuid4())},
            name="POST /api/generations",
        )
        if answer.status_code == 201:  # noqa: PLR2004
            counts["asked"] += 1
            self.asked[answer.json()["id"]] = began

    def upload(self) -> None:
        head = 'Content-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
        kind = "Content-Type: image/jpeg\r\n\r\n"
        body = (
            f"--{BOUNDARY}\r\n{head}{kind}".encode() + PICTURE + f"\r\n--{BOUNDARY}--\r\n".encode()
        )
        sort = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self.client.post(
            "/api/uploads/image", data=body, headers={**self.headers, **sort}, name="File uploads"
        )

    def follow(self) -> None:
        while True:
            with closing(self._socket()) as socket:
                counts["open"] += 1
                socket.send(json.dumps({"type": "join:mine"}))
                for message in _messages(socket):
                    self._hear(message)
                counts["open"] -= 1
                counts["dropped"] += 1
            gevent.sleep(random.uniform(0, 1))  # noqa: S311

    def _socket(self) -> websocket.WebSocket:
        name = "POST /api/live/ticket"
        ticket = self.client.post("/api/live/ticket", headers=self.headers, name=name).json()
        began = time.monotonic()
        socket = websocket.create_connection(
            self.host.replace("http", "ws", 1) + "/ws",
            subprotocols=["madar.v1", f"ticket.{ticket['ticket']}"],
            header=self.address,
            timeout=20,
        )
        socket.settimeout(None)
        _told("GET /ws", began)
        return socket

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] not in ENDS:
            return
        if began := self.asked.pop(message["generationId"], None):
            counts["told"] += 1
            counts["failed"] += message["type"] == "generation:failed"
            _told("from POST to the picture", began)


def _messages(socket: websocket.WebSocket) -> Iterator[dict[str, Any]]:
    """Until it ends, one way or another."""
    try:
        while text := socket.recv():
            yield json.loads(text)
    except (websocket.WebSocketException, OSError):
        return


def _told(name: str, began: float) -> None:
    events.request.fire(
        request_type="live",
        name=name,
        response_time=(time.monotonic() - began) * 1000,
        response_length=0,
        exception=None,
        context={},
    )


def _keep(per_hour: float, act: Callable[[Person], None]) -> None:
    """By somebody, at about this pace, however long it takes."""
    while True:
        gevent.sleep(random.uniform(0.5, 1.5) * HOUR_S / per_hour)  # noqa: S311
        gevent.spawn(act, random.choice(people))  # noqa: S311


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """All have come, but what they asked for may still wait."""
    later = partial(gevent.spawn_later, PLAN["settle_s"], begin, environment)
    events.spawning_complete.add_listener(lambda **_: later())


def begin(environment: Environment) -> None:
    environment.stats.reset_all()
    gevent.spawn(_keep, PLAN["generations_per_hour"], Person.create)
    gevent.spawn(_keep, PLAN["upload_bytes_per_hour"] / len(PICTURE), Person.upload)
    gevent.spawn(_keep, PLAN["sign_ins_per_hour"], Person.sign_in)


@events.test_stop.add_listener
def note(**_: Any) -> None:
    """While all are still there."""
    Path(PLAN["counts"]).write_text(json.dumps(counts), encoding="utf-8")
