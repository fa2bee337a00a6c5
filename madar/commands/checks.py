"""What `madar doctor` looks at. A check answers or raises; none stops the others."""

import asyncio
import contextlib
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import httpx
import psycopg

from madar import __version__
from madar.clients.storage import Storage
from madar.commands.here import Here, look_around
from madar.db import system
from madar.db.migrate import MigrationFault, pending
from madar.errors import MadarError
from madar.local.postgres import running
from madar.local.state import State, as_text, read_json
from madar.settings import ROOT, Settings, SettingsFault

TIMEOUT_S = 5
CLOCK_TOLERANCE_S = 2
LITTLE_DISK_BYTES = 1_000_000_000

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    name: str
    verdict: Verdict
    text: str
    next_step: str = ""


def find_all(state: State) -> Iterator[Finding]:
    """In the order in which one would repair."""
    yield _python()
    try:
        here = look_around(state)
    except SettingsFault as fault:
        lines = "; ".join(line.strip() for line in str(fault).splitlines()[1:])
        yield _problem("Settings", lines, "set them, then: madar settings")
    else:
        yield _ok("Settings", f"complete, {here.settings.app_env}")
        checks: tuple[Callable[[Here, State], Finding], ...] = (
            *(_database, _clock, _storage, _disk),
            *(_fal, _google, _unused),
        )
        for check in checks:
            yield _guarded(check, here, state)
    yield _catalogues()


def _guarded(check: Callable[[Here, State], Finding], here: Here, state: State) -> Finding:
    try:
        return check(here, state)
    except Exception as error:  # noqa: BLE001 - a fault of one check must not hide the others
        name = check.__name__.strip("_").capitalize()
        return _problem(name, f"{type(error).__name__}: {error}", "see the text")


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return _ok("Python", f"{version}, madar {__version__}")
    return _problem("Python", f"{version} is not supported", "use Python 3.11, 3.12 or 3.13")


def _database(here: Here, state: State) -> Finding:
    if here.has_own_database and running(state.postgres) is None:
        return _problem("Database", "the local PostgreSQL is stopped", "start it: make run")
    started = time.monotonic()
    try:
        with psycopg.connect(here.settings.direct_url, connect_timeout=TIMEOUT_S) as conn:
            ms = (time.monotonic() - started) * 1000
            major, minor = divmod(conn.info.server_version, 10000)
            todo = pending(conn)
    except psycopg.OperationalError as error:
        return _problem("Database", _first_line(error), "check DATABASE_URL")
    except MigrationFault as fault:
        return _problem("Database", str(fault), "run the release that belongs to this database")
    about = f"PostgreSQL {major}.{minor}, connected in {ms:.0f} ms"
    if todo:
        return _problem("Database", f"{about}, {len(todo)} migrations pending", "madar migrate up")
    return _ok("Database", f"{about}, migrations current")


def _clock(here: Here, state: State) -> Finding:
    if here.has_own_database and running(state.postgres) is None:
        return _warning("Clock", "not compared, the database is stopped", "start it: make run")
    try:
        server_s = asyncio.run(_clock_of_server(here.settings.direct_url))
    except psycopg.OperationalError:
        return _warning("Clock", "not compared, the database does not answer", "see Database")
    off_s = abs(time.time() - server_s)
    if off_s > CLOCK_TOLERANCE_S:
        return _warning("Clock", f"{off_s:.1f} s off the database's", "let both keep time by NTP")
    return _ok("Clock", f"{off_s:.1f} s off the database's")


async def _clock_of_server(url: str) -> float:
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=TIMEOUT_S) as conn:
        return await system.get_clock(conn)


def _storage(here: Here, _: State) -> Finding:
    storage, content = Storage(here.settings), b"madar doctor"
    key = storage.key_for("doctor", content=content, suffix=".tmp")

    async def write_read_delete() -> bool:
        await storage.put(key, content)
        same = await storage.read(key) == content
        await storage.delete(key)
        return same

    place, cure = str(here.settings.storage_dir), "let this user write there"
    if not storage.is_local:
        place = f"{here.settings.storage_provider} {here.settings.aws_bucket_name}"
        cure = "check STORAGE_PROVIDER, AWS_… and what this key may do in the bucket"
    try:
        if asyncio.run(write_read_delete()):
            return _ok("Storage", f"{place}: write, read, delete")
    except MadarError as error:
        why = _first_line(error.__cause__ or error)
        return _problem("Storage", f"{place}: {why}", cure)
    return _problem("Storage", f"{place} does not give back what was written", "look there")


def _disk(here: Here, _: State) -> Finding:
    folder = here.settings.storage_dir
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < LITTLE_DISK_BYTES:
        return _warning("Disk", f"{as_text(free)} free at {place}", "make room; a picture is 1 MB")
    return _ok("Disk", f"{as_text(free)} free")


def _fal(here: Here, _: State) -> Finding:
    url = here.settings.fal_queue_url
    is_ours = here.local is not None and here.local.simulator
    name = "the simulator" if is_ours else url
    try:
        httpx.get(url, timeout=TIMEOUT_S)  # any answer shows that it is there; none costs money
    except httpx.TransportError as error:
        step = "start it: make run" if is_ours else "check the network and FAL_QUEUE_URL"
        return _problem("Fal", f"{name} does not answer: {_first_line(error)}", step)
    return _ok("Fal", f"{name} answers")


def _google(here: Here, _: State) -> Finding:
    issuer = here.settings.google_issuer
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    is_ours = here.local is not None and here.local.issuer
    step = "start it: make run" if is_ours else "check the network and GOOGLE_ISSUER"
    try:
        response = httpx.get(address, timeout=TIMEOUT_S)
        said = response.raise_for_status().json().get("issuer")
    except (httpx.HTTPError, ValueError) as error:
        return _problem("Google", f"{issuer}: {_first_line(error)}", step)
    if said != issuer:
        return _problem("Google", f"{issuer} calls itself {said}", "make GOOGLE_ISSUER the same")
    return _ok("Google", f"{issuer} can sign people in")


def _unused(here: Here, _: State) -> Finding:
    accepted = ["redis_url", "analytics_api_key", "cdn_url"]
    if here.settings.storage_provider == "local":
        accepted += [name for name in Settings.model_fields if name.startswith("aws_")]
    if found := [name.upper() for name in accepted if str(getattr(here.settings, name))]:
        return _warning("Unused", f"{' and '.join(found)}: no effect here", "remove it")
    return _ok("Unused", "no setting without effect")


def _catalogues() -> Finding:
    english, arabic = _keys_of("en.json"), _keys_of("ar.json")
    if different := sorted(english ^ arabic):
        return _problem("Arabic", f"only in one language: {', '.join(different)}", "add the other")
    return _ok("Arabic", f"{len(arabic)} of {len(english)} texts")


def _keys_of(catalogue: str) -> set[str]:
    with contextlib.suppress(OSError, ValueError):
        return set(read_json(ROOT / "madar" / "i18n" / catalogue))
    return set()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _ok(name: str, text: str) -> Finding:
    return Finding(name=name, verdict="ok", text=text)


def _warning(name: str, text: str, next_step: str) -> Finding:
    return Finding(name=name, verdict="warning", text=text, next_step=next_step)


def _problem(name: str, text: str, next_step: str) -> Finding:
    return Finding(name=name, verdict="problem", text=text, next_step=next_step)
