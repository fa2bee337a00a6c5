"""People who use the product while it is replaced; none asks again what was not answered."""

import asyncio
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.product import Json, Person

RESTARTING = 1012
ENDED = {"completed", "failed"}
FIRST_PAUSE_S = 0.5
ANSWER_WITHIN_S = 20


@dataclass(kw_only=True)
class Tally:
    """What became of it all; `faults` should stay empty."""

    requests: int = 0
    uploads: int = 0
    made: int = 0
    followed: int = 0
    faults: list[str] = field(default_factory=list[str])
    closings: Counter[int] = field(default_factory=Counter[int])
    away_s: list[float] = field(default_factory=list[float])
    took_s: list[float] = field(default_factory=list[float])

    @property
    def lost(self) -> int:
        """Of what was made, ends that nobody was told."""
        return self.made - self.followed


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long between two requests on average, and in which round something is made."""

    pause_s: float
    make_every: int


class User:
    """Asks for pictures, looks at the gallery, uploads, and follows by one socket.

    The socket comes back like the TypeScript client's: with a ticket of its own, after a moment
    by chance, with the cursor of last time.
    """

    def __init__(self, person: Person, url: str, tally: Tally, pace: Pace, *, number: int) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {person.token}"},
            timeout=ANSWER_WITHIN_S,
            trust_env=False,
            verify=False,
        )
        self._live = url.replace("http://", "ws://") + "/ws"
        self._tally = tally
        self._chance = random.Random(number)
        self._pace = pace
        self._turns = number
        self._made: dict[str, asyncio.Event] = {}
        self._versions: dict[str, int] = {}
        self._cursor: str | None = None

    async def work(self, until: asyncio.Event, picture: bytes) -> None:
        """And then until all that was asked for has come to its end."""
        async with self._http, asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow())
            while not until.is_set():
                await self._once(picture)
            ends = [one.wait() for one in self._made.values()]
            try:
                async with asyncio.timeout(60):
                    await asyncio.gather(*ends)
            except TimeoutError:
                left = [one for one, end in self._made.items() if not end.is_set()]
                self._tally.faults.append(f"nobody was told the end of {left}")
            following.cancel()

    async def _once(self, picture: bytes) -> None:
        """A look around, a moment after the last one, and now and then something to make."""
        self._turns += 1
        if self._turns % self._pace.make_every == 0:
            await self._make(picture)
        await self._ask("GET", "/api/generations?limit=20", 200)
        await self._ask("GET", "/api/styles", 200)
        for generation_id in list(self._made)[-1:]:
            await self._ask("GET", f"/api/generations/{generation_id}", 200)

    async def _make(self, picture: bytes) -> None:
        """What was asked for is asked for again by its key, which makes nothing."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        wish = {"style": "voxel-3d", "inputType": "text", "textPrompt": "a red rocket"}
        create: dict[str, Any] = {"json": wish, "headers": key}
        if made := await self._ask("POST", "/api/generations", 201, **create):
            generation_id: str = made["id"]
            self._tally.made += 1
            self._made.setdefault(generation_id, asyncio.Event())
            again = await self._ask("POST", "/api/generations", 201, **create)
            if again and again["id"] != generation_id:
                self._tally.faults.append(f"{generation_id} was made twice")
        upload: dict[str, Any] = {"files": {"image": picture}}
        if await self._ask("POST", "/api/uploads/image", 201, **upload):
            self._tally.uploads += 1

    async def _ask(self, method: str, path: str, expected: int, **given: Any) -> Json | None:
        await asyncio.sleep(self._chance.uniform(0, 2 * self._pace.pause_s))
        self._tally.requests += 1
        began = time.monotonic()
        try:
            answer = await self._http.request(method, path, **given)
        except httpx.TransportError as error:
            self._tally.faults.append(f"{method} {path}: {error!r}")
            return None
        self._tally.took_s.append(time.monotonic() - began)
        if answer.status_code != expected:
            self._tally.faults.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        return answer.json()

    async def _follow(self) -> None:
        ended_at: float | None = None
        while True:
            try:
                async with await self._connect() as socket:
                    since = {} if self._cursor is None else {"since": self._cursor}
                    await socket.send(orjson.dumps({"type": "join:mine", **since}).decode())
                    self._hear(orjson.loads(await socket.recv()))
                    if ended_at is not None:
                        self._tally.away_s.append(time.monotonic() - ended_at)
                        ended_at = None
                    while True:
                        self._hear(orjson.loads(await socket.recv()))
            except ConnectionClosed as closed:
                self._be_closed(closed)
            except (httpx.HTTPError, InvalidHandshake, OSError) as error:
                self._tally.faults.append(f"no socket: {error!r}")
            ended_at = time.monotonic() if ended_at is None else ended_at
            await asyncio.sleep(self._chance.uniform(0, FIRST_PAUSE_S))

    async def _connect(self) -> ClientConnection:
        answer = await self._http.post("/api/live/ticket")
        answer.raise_for_status()
        protocols = [Subprotocol(one) for one in ("madar.v1", f"ticket.{answer.json()['ticket']}")]
        return await connect(self._live, subprotocols=protocols, proxy=None, open_timeout=20)

    def _be_closed(self, closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd else 1006
        self._tally.closings[code] += 1
        if code != RESTARTING:
            self._tally.faults.append(f"a socket ended with {code}")

    def _hear(self, message: Json) -> None:
        self._cursor = message.get("cursor", self._cursor)
        if message.get("hasMore"):
            self._tally.faults.append("more was missed than an answer holds")
        for each in message.get("generations", [message]):
            generation_id = each.get("id", each.get("generationId"))
            self._note(generation_id, each["version"], each.get("status", ""))

    def _note(self, generation_id: str, version: int, status: str) -> None:
        """The socket may tell of one before the answer that made it is read."""
        is_news = version > self._versions.get(generation_id, -1)
        self._versions[generation_id] = max(version, self._versions.get(generation_id, -1))
        end = self._made.setdefault(generation_id, asyncio.Event())
        if is_news and status in ENDED:
            if end.is_set():
                self._tally.faults.append(f"{generation_id} ended twice")
            end.set()
            self._tally.followed += 1
