"""What a case works with: fresh servers, the load generator, the writer, and the stopwatch."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psutil

from bench.live.client import Seat
from bench.live.crowd import Heard, run
from bench.live.product import CHANNELS, RINGS, Change, Product, Server, change, serving
from bench.reads import backends, cpu_s
from madar.db.pool import Pool, open_pool

ARRIVALS_PER_S = {"madar": 250, "floor": 2_000}  # Madar admits about 300 a second
ARRIVE_WITHIN_S = 20  # longer than until what a lost bell told of is read again
WRITERS = 8


@dataclass(frozen=True, kw_only=True)
class Sizes:
    sockets: int
    some: int  # where a case needs fewer
    rounds: int
    seconds: float
    idle_s: float
    return_within_s: float
    events_per_s: float


@dataclass(frozen=True, kw_only=True)
class Used:
    """Processor seconds."""

    server_s: float
    postgres_s: float
    load_s: float  # the load generator and the writer

    def since(self, before: "Used") -> "Used":
        return Used(
            server_s=self.server_s - before.server_s,
            postgres_s=self.postgres_s - before.postgres_s,
            load_s=self.load_s - before.load_s,
        )


@dataclass(frozen=True, kw_only=True)
class Heeded:
    """What became of a round's changes, in ms from the commit."""

    sockets_ms: list[float]
    listen_ms: list[float]
    lost: int
    used: Used
    per_s: float


class Stage:
    def __init__(
        self, product: Product, sizes: Sizes, servers: tuple[Server, Server], pool: Pool
    ) -> None:
        self.product, self.sizes = product, sizes
        self.madar, self.floor = servers
        self.notes: list[str] = []
        self._pool = pool
        spawn = get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=run, args=(theirs, product.dsn, CHANNELS))
        self._process.start()
        theirs.close()
        self._turn = asyncio.Lock()

    async def crowd(self, command: str, *arguments: object) -> Any:
        """Have the load generator do it, one command after the other."""
        async with self._turn:
            self._pipe.send((command, *arguments))
            return await asyncio.to_thread(self._pipe.recv)

    async def seat(self, server: Server, seats: Sequence[Seat]) -> None:
        within_s = len(seats) / ARRIVALS_PER_S[server.name]
        told = await self.crowd("seat", server.name, server.port, seats, within_s)
        self.note(f"{len(seats)} sockets came to {server.name}: {said(told)}")

    async def change(self, server: Server, ids: Sequence[UUID]) -> list[Change]:
        """All in one statement."""
        return await change(self._pool, ids, RINGS[server.name])

    async def change_steadily(
        self, server: Server, ids: Sequence[UUID], *, per_s: float, seconds: float
    ) -> list[Change]:
        """One after the other, each at its time."""
        changes: list[Change] = []
        first_at = time.monotonic()
        turns = iter(range(int(per_s * seconds)))

        async def writer() -> None:
            for turn in turns:
                await asyncio.sleep(max(0, first_at + turn / per_s - time.monotonic()))
                changes.extend(await self.change(server, [ids[turn % len(ids)]]))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(writer())
        return changes

    async def begin(self, server: Server) -> Used:
        await self.crowd("begin")
        return self.used(server)

    async def heeded(
        self, server: Server, before: Used, changes: Sequence[Change], numbers: Sequence[int]
    ) -> Heeded:
        """Wait until all has arrived, then look when it did."""
        newest: dict[str, int] = {}
        for one in changes:
            newest[one.generation_id] = max(one.version, newest.get(one.generation_id, 0))
        lost = await self.crowd("wait_for", server.name, newest, numbers, ARRIVE_WITHIN_S)
        used = self.used(server).since(before)
        sockets, bells = await self.crowd("heard", server.name)
        took_s = max(one.at for one in changes) - min(one.at for one in changes)
        return Heeded(
            sockets_ms=_delays_ms(changes, sockets),
            listen_ms=_delays_ms(changes, bells),
            lost=lost,
            used=used,
            per_s=len(changes) / took_s if took_s else 0,
        )

    def used(self, server: Server) -> Used:
        return Used(
            server_s=cpu_s([server.process]),
            postgres_s=cpu_s(backends(self.product.postgres)),
            load_s=cpu_s([psutil.Process(self._process.pid), psutil.Process()]),
        )

    def note(self, words: str) -> None:
        self.notes.append(words)

    async def end(self) -> None:
        if dropped := await self.crowd("dropped"):
            self.note(f"sockets that ended by themselves, by close code: {dropped}")
        self._pipe.send(None)
        await asyncio.to_thread(self._process.join, 30)

    def kill(self) -> None:
        """Harmless after the end."""
        self._process.kill()


@asynccontextmanager
async def staged(product: Product, sizes: Sizes) -> AsyncGenerator[Stage]:
    with serving(product) as servers:
        async with open_pool(product.dsn, max_size=WRITERS) as pool:
            stage = Stage(product, sizes, servers, pool)
            try:
                yield stage
                await stage.end()
            finally:
                stage.kill()


def memory_kib(server: Server, kind: Literal["Rss", "Pss"]) -> float:
    """Pss shares what processes have in common among them; Linux only, elsewhere both are Rss."""
    try:
        rollup = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return server.process.memory_info().rss / 1024
    return float(rollup.partition(f"\n{kind}:")[2].split(maxsplit=1)[0])


def said(told: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in told.items())


def _delays_ms(changes: Sequence[Change], heard: Heard) -> list[float]:
    """Who hears of a newer version has heard of this one."""
    arrivals: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for generation_id, version, at in heard:
        arrivals[generation_id].append((at, version))
    delays = (
        min(
            (at for at, version in arrivals[one.generation_id] if version >= one.version),
            default=None,
        )
        for one in changes
    )
    return [(at - one.at) * 1000 for at, one in zip(delays, changes, strict=True) if at is not None]
