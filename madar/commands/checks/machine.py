"""This machine and this release: Python, clock, disk, both languages."""

import contextlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from madar import __version__
from madar.commands.checks.findings import Clock, Finding, Place, ok, problem, skipped, warning
from madar.local.state import as_text, read_json
from madar.settings import ROOT

LITTLE_DISK_BYTES = 1_000_000_000
TOLERANCE_S = 2
# From here on sign-ins fail: an ID token's times are taken with so much leeway (clients/google.py).
INTOLERABLE_S = 60


async def look_at_python(_: Place) -> Iterable[Finding]:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return [ok("python", f"{version}, madar {__version__}")]
    return [problem("python", f"{version} is not supported", "use Python 3.11, 3.12 or 3.13")]


async def look_at_clock(place: Place) -> Iterable[Finding]:
    """After everybody was asked. The one who is furthest away tells most."""
    if not place.clocks:
        return [skipped("clock", "not compared: nobody told the time", "see the others")]
    furthest = max(place.clocks, key=lambda clock: abs(clock.ahead_s))
    off_s, text = abs(furthest.ahead_s), _compared(furthest)
    others = sum(abs(clock.ahead_s - furthest.ahead_s) <= TOLERANCE_S for clock in place.clocks)
    if off_s <= TOLERANCE_S:
        return [ok("clock", text)]
    step = "set this machine's clock, and let it keep time by NTP"
    if others < len(place.clocks):
        step = "let this machine keep time by NTP; if it does, the other clock is wrong"
    tell = problem if off_s > INTOLERABLE_S else warning
    return [tell("clock", text, step)]


async def look_at_disk(place: Place) -> Iterable[Finding]:
    """Where pictures are kept, if here, and where they pass through."""
    folders = [Path(tempfile.gettempdir())]
    if place.settings.storage_provider == "local":
        folders.insert(0, place.settings.storage_dir)
    free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
    little = [
        warning("disk", f"{as_text(size)} free at {folder}", "make room; a picture is 1 MB")
        for folder, size in free.items()
        if size < LITTLE_DISK_BYTES
    ]
    return little or [ok("disk", f"{as_text(min(free.values()))} free")]


async def look_at_catalogues(_: Place) -> Iterable[Finding]:
    english, arabic = _keys_of("en.json"), _keys_of("ar.json")
    if different := sorted(english ^ arabic):
        text = f"only in one language: {', '.join(different)}"
        return [problem("catalogues", text, "add the other")]
    return [ok("catalogues", f"{len(arabic)} of {len(english)} texts in Arabic")]


def _compared(clock: Clock) -> str:
    direction = "ahead of" if clock.ahead_s > 0 else "behind"
    return f"{abs(clock.ahead_s):.1f} s {direction} {clock.whose}"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _keys_of(catalogue: str) -> set[str]:
    with contextlib.suppress(OSError, ValueError):
        return set(read_json(ROOT / "madar" / "i18n" / catalogue))
    return set()
