"""The load generator, in a process of its own: many sockets, and one plain LISTEN beside them."""

import asyncio
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import uvloop

from bench.live.client import Client, Refused, Seat

ANSWER_WITHIN_S = 30
MAX_PAUSE_S = 16
PHONE_BUFFER_BYTES, PHONE_SEGMENT_BYTES = 4096, 1400  # a small window, as over a mobile network

Heard = list[tuple[str, int, float]]  # id, version, when


def run(pipe: Connection, dsn: str, channels: Sequence[str]) -> None:
    uvloop.run(_serve(pipe, dsn, channels))


async def _serve(pipe: Connection, dsn: str, channels: Sequence[str]) -> None:
    """A command is a method's name and its arguments; what it returns is the answer."""
    crowd = Crowd()
    conn = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    async with conn, asyncio.TaskGroup() as tasks:
        for channel in channels:
            await conn.execute(f"LISTEN {channel}".encode())
        listening = tasks.create_task(crowd.listen(conn))
        while command := await asyncio.to_thread(_command, pipe):
            name, *arguments = command
            pipe.send(await getattr(crowd, name)(*arguments))
        listening.cancel()


def _command(pipe: Connection) -> tuple[Any, ...] | None:
    try:
        return pipe.recv()
    except EOFError:  # whoever gave commands is gone
        return None


class Crowd:
    """Parties by the name of the server they are with."""

    def __init__(self) -> None:
        self._parties: dict[str, Party] = {}
        self._bells: Heard = []

    async def listen(self, conn: psycopg.AsyncConnection) -> None:
        """What anybody could know at the earliest, in this same loop."""
        async for notice in conn.notifies():
            generation_id, version = notice.payload.split()[:2]
            self._bells.append((generation_id, int(version), time.monotonic()))

    async def seat(
        self, name: str, port: int, seats: Sequence[Seat], within_s: float
    ) -> dict[str, float]:
        """Each at a moment of its own, evenly spread; answers how long and how often refused."""
        party = self._parties.setdefault(name, Party(port))
        delays = [within_s * n / len(seats) for n in range(len(seats))]
        return await party.seat(seats, delays)

    async def cut_and_return(self, name: str, within_s: float) -> dict[str, float]:
        """All gone at once; each comes back after a random time."""
        party = self._parties[name]
        seats = party.cut()
        delays = [random.uniform(0, within_s) for _ in seats]  # noqa: S311
        return await party.seat(seats, delays)

    async def cut(self, name: str, numbers: Sequence[int]) -> None:
        self._parties[name].cut(frozenset(numbers))

    async def begin(self) -> None:
        self._bells.clear()
        for party in self._parties.values():
            party.heard.clear()

    async def heard(self, name: str) -> tuple[Heard, Heard]:
        """By the sockets, and by the plain LISTEN."""
        return self._parties[name].heard, self._bells

    async def wait_for(
        self, name: str, versions: dict[str, int], numbers: Sequence[int], within_s: float
    ) -> int:
        """Until these seats know these versions of what they follow; how many states are not."""
        party, deadline = self._parties[name], time.monotonic() + within_s
        while True:
            missing = party.missing(versions, numbers)
            if not missing or time.monotonic() > deadline:
                return missing
            await asyncio.sleep(0.1)

    async def stuck_bytes(self, name: str, numbers: Sequence[int]) -> list[int]:
        return self._parties[name].stuck_bytes(frozenset(numbers))

    async def dropped(self) -> dict[str, dict[int, int]]:
        """Sockets that were lost without our doing, by close code; 1006 came without one."""
        lost = {name: dict(party.dropped) for name, party in self._parties.items()}
        return {name: codes for name, codes in lost.items() if codes}


class Party:
    """All the sockets to one server."""

    def __init__(self, port: int) -> None:
        self.heard: Heard = []
        self.dropped: Counter[int] = Counter()
        self._port = port
        self._clients: dict[int, Client] = {}
        self._refused: Counter[int | str] = Counter()

    async def seat(self, seats: Sequence[Seat], delays: Sequence[float]) -> dict[str, float]:
        self._refused.clear()
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for seat, delay_s in zip(seats, delays, strict=True):
                tasks.create_task(self._come(seat, delay_s))
        refused = {f"refused {code}": float(n) for code, n in self._refused.items()}
        return {"took s": time.monotonic() - began, **refused}

    async def _come(self, seat: Seat, delay_s: float) -> None:
        """Asks again for as long as it takes, never sooner than told, and ever more seldom."""
        await asyncio.sleep(delay_s)
        for tries in count():
            try:
                self._clients[seat.number] = await self._connect(seat)
            except (Refused, OSError) as error:  # a TimeoutError is one
                refused = error if isinstance(error, Refused) else Refused("without an answer")
                self._refused[refused.code] += 1
                pause_s = max(refused.retry_after_s, min(MAX_PAUSE_S, 2**tries))
                await asyncio.sleep(pause_s * random.uniform(1, 2))  # noqa: S311
            else:
                return

    async def _connect(self, seat: Seat) -> Client:
        loop = asyncio.get_running_loop()
        raw = socket.socket()
        raw.setblocking(False)
        if seat.is_stalled:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PHONE_BUFFER_BYTES)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, PHONE_SEGMENT_BYTES)
        if sys.platform == "linux":  # elsewhere 127.0.0.1 is the only one
            raw.bind((f"127.0.0.{2 + seat.number % 8}", 0))
        async with asyncio.timeout(ANSWER_WITHIN_S):
            try:
                await loop.sock_connect(raw, ("127.0.0.1", self._port))
            except BaseException:
                raw.close()
                raise
            make = partial(Client, seat, f"http://127.0.0.1:{self._port}", self._hear, self._lost)
            _, client = await loop.create_connection(make, sock=raw)
            try:
                await client.settled
            except asyncio.CancelledError:
                client.cut()
                raise
        return client

    def _hear(self, generation_id: str, version: int, at: float) -> None:
        self.heard.append((generation_id, version, at))

    def _lost(self, client: Client) -> None:
        if self._clients.get(client.seat.number) is client:
            del self._clients[client.seat.number]
            self.dropped[client.code] += 1

    def cut(self, numbers: frozenset[int] | None = None) -> list[Seat]:
        """These, or all; answers who sat there."""
        cut = [n for n in self._clients if numbers is None or n in numbers]
        clients = [self._clients.pop(n) for n in cut]
        for client in clients:
            client.cut()
        return [client.seat for client in clients]

    def missing(self, versions: dict[str, int], numbers: Sequence[int]) -> int:
        missing = 0
        for number in numbers:
            client = self._clients.get(number)
            if client is None:
                missing += 1
                continue
            for generation_id in client.seat.generation_ids:
                known = client.versions.get(generation_id, 0)
                missing += known < versions.get(generation_id, 0)
        return missing

    def stuck_bytes(self, numbers: frozenset[int]) -> list[int]:
        """What the kernel holds on the server's side for each of them (Linux only)."""
        ports = {
            client.transport.get_extra_info("sockname")[1]
            for number, client in self._clients.items()
            if number in numbers
        }
        try:
            table = Path("/proc/net/tcp").read_text(encoding="ascii")
        except OSError:
            return []
        lines = [line.split() for line in table.splitlines()[1:]]
        return [
            int(words[4].partition(":")[0], 16)
            for words in lines
            if int(words[1].partition(":")[2], 16) == self._port
            and int(words[2].partition(":")[2], 16) in ports
        ]
