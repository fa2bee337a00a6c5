"""PostgreSQL by both addresses: is it there, does it fit this release, is a NOTIFY heard."""

import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors

from madar.commands.checks.findings import (
    Clock,
    Finding,
    Place,
    first_line,
    ok,
    problem,
    skipped,
    warning,
)
from madar.commands.checks.neon import is_at_neon
from madar.db import system
from madar.db.migrate import MigrationFault, still_pending
from madar.db.pool import DIRECT, POOLED, REFUSED_SESSION, SESSION
from madar.local.postgres import running
from madar.resources import direct_connections, pooled_connections
from madar.settings import Settings
from madar.settings_checks import host_of, is_neons_pooler

CONNECT_S = 5
HEARD_WITHIN_S = 3
OLDEST = 14  # MERGE, multiranges and what else the queries use
FOR_MIGRATIONS = 3
_STOPPED = "the local PostgreSQL is stopped"
_START = "start it: make run"
# What libpq and the server say in English, and what to do about it.
_ADVICE = {
    "password authentication failed": "correct user and password in {name}",
    "no password supplied": "put the password into {name}",
    'role "': "correct the user in {name}",
    'database "': "create the database, or correct its name in {name}",
    "resolve host": "correct the host in {name}",
    "Name or service not known": "correct the host in {name}",
    "certificate": "correct sslmode and sslrootcert in {name}",
    "SSL": "correct sslmode in {name}",
    "too many": "end other programs' connections, or take a larger server",
    "remaining connection slots": "end other programs' connections, or take a larger server",
    REFUSED_SESSION: "a pooler answers: give the server's own address in DATABASE_DIRECT_URL",
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A server that answered."""

    server: system.Server
    session: system.Session
    connected_in_s: float
    pending: int


async def look_at_database(place: Place) -> Iterable[Finding]:
    if _is_stopped(place):
        return [problem("database", _STOPPED, _START)]
    address, name = str(place.settings.database_url), "DATABASE_URL"
    try:
        seen = await _look(place, address)
    except psycopg.OperationalError as error:
        return [_away("database", error, name)]
    except MigrationFault as fault:
        return [problem("database", str(fault), "run the release that belongs to this database")]
    return [_judged(seen, kind_of(address)), *_unlimited(seen.session)]


async def look_at_listen(place: Place) -> Iterable[Finding]:
    """What counts is not what the address is called, but whether a NOTIFY comes through."""
    settings = place.settings
    has_own = settings.direct_url != str(settings.database_url)
    name = "DATABASE_DIRECT_URL" if has_own else "DATABASE_URL"
    if _is_stopped(place):
        return [skipped("listen", _STOPPED, "see Database")]
    try:
        async with _open(settings.direct_url) as hears:
            is_heard = await _is_heard(hears, settings)
    except psycopg.OperationalError as error:
        if not has_own:
            return [skipped("listen", "the database does not answer", "see Database")]
        return [_away("listen", error, name)]
    if is_heard is None:
        return [skipped("listen", f"{name} answers, DATABASE_URL does not", "see Database")]
    if not is_heard:
        cause, _, fix = settings.unheard_fault.partition("; ")
        return [problem("listen", cause, fix)]
    return [ok("listen", f"a NOTIFY of DATABASE_URL is heard at {name}")]


async def look_at_connections(place: Place) -> Iterable[Finding]:
    """As many as a machine with one web process and one worker may open."""
    if _is_stopped(place):
        return [skipped("connections", _STOPPED, "see Database")]
    try:
        async with _open(place.settings.direct_url) as conn:
            server = await system.get_server(conn)
    except psycopg.OperationalError:
        return [skipped("connections", "the database does not answer", "see Database")]
    wanted = pooled_connections() + direct_connections(place.settings)
    free = server.max_connections - server.other_connections - FOR_MIGRATIONS
    text = (
        f"{server.other_connections} of {server.max_connections} taken by others; "
        f"web and worker of a machine open up to {wanted}"
    )
    if free < wanted:
        step = "end other programs' connections, lower WORKER_CONCURRENCY or take a larger server"
        return [problem("connections", text, step)]
    return [ok("connections", f"{text}, so there is room for {free // wanted}")]


def kind_of(address: str) -> str:
    """In words, by the host's name."""
    host = host_of(address)
    if is_neons_pooler(host):
        return "Neon, pooled"
    return "Neon, direct" if is_at_neon(host) else "PostgreSQL"


async def _look(place: Place, address: str) -> Seen:
    began_at = time.monotonic()
    async with _open(address, is_pooled=place.settings.is_pooled) as conn:
        connected_in_s = time.monotonic() - began_at
        place.clocks.append(await _clock_of(conn))
        return Seen(
            server=await system.get_server(conn),
            session=await system.get_session(conn),
            connected_in_s=connected_in_s,
            pending=len(still_pending(await _applied(conn))),
        )


def _judged(seen: Seen, kind: str) -> Finding:
    major, minor = divmod(seen.server.version_number, 10000)
    about = f"{kind} {major}.{minor}, connected in {seen.connected_in_s * 1000:.0f} ms"
    if major < OLDEST:
        return problem("database", about, f"take PostgreSQL {OLDEST} or newer")
    if seen.server.is_replica:
        step = "take the address of the primary"
        return problem("database", f"{about}, a replica that only reads", step)
    if seen.pending:
        text = f"{about}, {seen.pending} migrations pending"
        return problem("database", text, "madar migrate up")
    return ok("database", f"{about}, migrations current")


def _unlimited(session: system.Session) -> Iterable[Finding]:
    """Only a session behind a pooler can be otherwise than Madar asks for."""
    other = [f"{name} {value}" for name, value in asdict(session).items() if SESSION[name] != value]
    if other:
        text = f"sessions of DATABASE_URL have {', '.join(other)}"
        yield warning("database", text, "madar migrate up, as the role that is in DATABASE_URL")


async def _applied(conn: AsyncConnection[Any]) -> dict[str, str]:
    try:
        rows = await system.list_applied_migrations(conn)
    except errors.UndefinedTable:  # a new database
        return {}
    return {row.version: row.sha256 for row in rows}


async def _is_heard(hears: AsyncConnection[Any], settings: Settings) -> bool | None:
    """None: there is nobody to say something."""
    channel = f"madar_doctor_{token_hex(8)}"
    await hears.execute(f"LISTEN {channel}".encode())
    try:
        # By another connection: a pooler may well deliver to a client what that client says.
        async with _open(str(settings.database_url), is_pooled=settings.is_pooled) as says:
            await system.ring_pulse(says, channel=channel)
    except psycopg.OperationalError:
        return None
    async for _ in hears.notifies(timeout=HEARD_WITHIN_S, stop_after=1):
        return True
    return False


async def _clock_of(conn: AsyncConnection[Any]) -> Clock:
    began_at = time.time()
    theirs = await system.get_clock(conn)
    return Clock(whose="the database", ahead_s=(began_at + time.time()) / 2 - theirs)


@asynccontextmanager
async def _open(address: str, *, is_pooled: bool = False) -> AsyncGenerator[AsyncConnection[Any]]:
    """As Madar does: a pooler may refuse one way and take another."""
    way: dict[str, Any] = {
        **(POOLED if is_pooled else DIRECT),
        "connect_timeout": CONNECT_S,
        "application_name": "madar doctor",
    }
    async with await AsyncConnection.connect(address, autocommit=True, **way) as conn:
        yield conn


def _is_stopped(place: Place) -> bool:
    return place.here.has_own_database and running(place.state.postgres) is None


def _away(check: str, error: psycopg.OperationalError, name: str) -> Finding:
    said = str(error)
    advice = "start it, or correct host and port in {name}"
    for words, better in _ADVICE.items():
        if words in said:
            advice = better
            break
    return problem(check, first_line(error), advice.format(name=name))
