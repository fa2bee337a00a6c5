"""One release takes over from another, and gives way to it again, under load."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
import psycopg.sql

from madar.settings import Settings
from tests.imaging.pictures import jpeg, photo
from tests.processes.started import Started, started
from tests.product import Person, Product
from tests.rolling.crowd import Pace, Tally, User
from tests.rolling.front import Front
from tests.rolling.releases import Release
from tests.simulator.harness import Fal

WITHIN_S = 60
UNFINISHED = "SELECT id FROM generations WHERE state <> 'completed'"
# An attempt that Fal took and that another attempt of the same step then repeated.
REPEATED = """
    SELECT generation_id, step FROM attempts WHERE sent_at IS NOT NULL
     GROUP BY generation_id, step HAVING count(*) > 1
"""
HELD = "SELECT id FROM generations WHERE lease_until IS NOT NULL"
FAILED_JOBS = "SELECT id FROM procrastinate_jobs WHERE status = 'failed'"
SENT = "SELECT id FROM attempts WHERE request_id IS NOT NULL"

# The settings of a process on a port of its own, behind an address that all share.
Make = Callable[[str], Settings]


@dataclass(frozen=True, kw_only=True)
class Load:
    users: int
    pace: Pace
    steady_s: float  # before, between and after the two


@dataclass(kw_only=True)
class Outcome:
    """`asked` tells how much went to each process, in the order of their starts."""

    tally: Tally
    asked: list[int] = field(default_factory=list[int])
    drained_s: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, kw_only=True)
class Running:
    process: Started
    port: int


class Rollout:
    def __init__(self, make: Make, front: Front, stack: ExitStack, outcome: Outcome) -> None:
        self._make = make
        self._front = front
        self._stack = stack
        self._outcome = outcome

    async def start(self, release: Release, tasks: asyncio.TaskGroup) -> Running:
        """Until the front has seen that it is ready."""
        settings = self._make(self._front.url)
        process = self._stack.enter_context(started(settings, folder=release.folder))
        self._front.add(settings.port, tasks)
        await _until(lambda: settings.port in self._front.ready, f"{release.name} to be ready")
        return Running(process=process, port=settings.port)

    async def end(self, running: Running) -> None:
        """As a platform does it: a signal, and then whatever the process makes of it."""
        began = time.monotonic()
        code = await asyncio.to_thread(running.process.end)
        self._outcome.drained_s.append(time.monotonic() - began)
        if code:
            self._outcome.faults.append(f"a process ended with {code}: {running.process.told}")
        self._front.remove(running.port)
        self._outcome.asked.append(self._front.asked[running.port])

    async def replace(
        self, running: Running, release: Release, tasks: asyncio.TaskGroup, load: Load
    ) -> Running:
        """Both serve side by side for a while."""
        following = await self.start(release, tasks)
        await _until(
            lambda: self._front.asked[following.port] >= load.users,
            "both to be asked for something",
        )
        await self.end(running)
        await asyncio.sleep(load.steady_s)
        return following


async def roll(older: Release, newer: Release, make: Make, fal: Fal, load: Load) -> Outcome:
    """The database is there and empty."""
    outcome = Outcome(tally=Tally())
    ended = asyncio.Event()
    front = Front()
    with ExitStack() as stack:
        async with front.serving(), asyncio.TaskGroup() as tasks:
            rollout = Rollout(make, front, stack, outcome)
            settings = make(front.url)
            await asyncio.to_thread(older.migrate, settings)
            running = await rollout.start(older, tasks)
            product = Product(settings=settings, fal=fal)
            stack.enter_context(product.open)
            people = await asyncio.to_thread(_sign_in, product, load.users)
            using = tasks.create_task(_use(people, front.url, outcome.tally, load, ended))
            await asyncio.sleep(load.steady_s)

            await asyncio.to_thread(newer.migrate, settings)
            for release in (newer, older):
                running = await rollout.replace(running, release, tasks, load)
            ended.set()
            await using
            await rollout.end(running)
        outcome.faults += [*front.broken, *outcome.tally.faults]
        outcome.faults += _faults_in(str(settings.database_url), product, outcome.tally)
    return outcome


def _sign_in(product: Product, count: int) -> list[Person]:
    return [product.sign_in(f"person-{number}@madar.test") for number in range(count)]


async def _use(
    people: Sequence[Person], url: str, tally: Tally, load: Load, ended: asyncio.Event
) -> None:
    picture = jpeg(photo())
    async with asyncio.TaskGroup() as tasks:
        for number, person in enumerate(people):
            user = User(person, url, tally, load.pace, number=number)
            tasks.create_task(user.work(ended, picture))


async def _until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110 - what is waited for happens elsewhere
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(f"waited in vain for {what}") from error


def _faults_in(dsn: str, product: Product, tally: Tally) -> list[str]:
    """What is left in the database that should not be there, and what is missing."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        wrong: dict[str, Any] = {
            "unfinished": conn.execute(UNFINISHED).fetchall(),
            "paid for twice": conn.execute(REPEATED).fetchall(),
            "still held": conn.execute(HELD).fetchall(),
            "failed jobs": conn.execute(FAILED_JOBS).fetchall(),
        }
        counts = {
            "generations": (tally.made, _count(conn, "generations")),
            "uploads": (tally.uploads, _count(conn, "uploads")),
            "submissions": (len(product.submissions()), len(conn.execute(SENT).fetchall())),
        }
    told = [f"{name}: {found}" for name, found in wrong.items() if found]
    return told + [f"{name}: {a} and {b}" for name, (a, b) in counts.items() if a != b]


def _count(conn: psycopg.Connection[Any], table: str) -> int:
    query = psycopg.sql.SQL("SELECT FROM {}").format(psycopg.sql.Identifier(table))
    return conn.execute(query).rowcount
