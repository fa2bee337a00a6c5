"""What a check says, and what it is given to look at."""

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx

from madar.commands.here import Here
from madar.local.state import State
from madar.settings import Settings

Verdict = Literal["ok", "warning", "problem", "skipped"]

# Once said, these stay: programs read them.
NAMES = {
    "python": "Python",
    "settings": "Settings",
    "database": "Database",
    "listen": "Listen",
    "connections": "Connections",
    "neon": "Neon",
    "storage": "Storage",
    "google": "Google",
    "fal": "Fal",
    "webhook": "Webhook",
    "upstash": "Upstash",
    "clock": "Clock",
    "disk": "Disk",
    "unused": "Unused",
    "catalogues": "Catalogues",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`name` is one of NAMES."""

    name: str
    verdict: Verdict
    text: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Somebody else's clock: by how much ours is ahead of it."""

    whose: str
    ahead_s: float


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is looked at. Whoever is asked over HTTP also tells the time, which is kept."""

    here: Here
    state: State
    http: httpx.AsyncClient
    clocks: list[Clock] = field(default_factory=list[Clock])

    @property
    def settings(self) -> Settings:
        return self.here.settings

    async def ask(self, method: str, url: str, **given: object) -> httpx.Response:
        """Raises httpx.HTTPError, httpx.InvalidURL."""
        began_at = time.time()
        response = await self.http.request(method, url, **given)  # pyright: ignore[reportArgumentType]
        self.note_clock(response, (began_at + time.time()) / 2)
        return response

    def note_clock(self, response: httpx.Response, now_s: float) -> None:
        """By the Date header, which is written when the answer begins and counts whole seconds."""
        try:
            theirs = parsedate_to_datetime(response.headers["date"])
        except (KeyError, ValueError):
            return
        whose = f"{response.url.scheme}://{response.url.netloc.decode()}"
        self.clocks.append(Clock(whose=whose, ahead_s=now_s - theirs.timestamp() - 0.5))


@dataclass(frozen=True, kw_only=True)
class Check:
    """`needs` are settings without which there is nothing to look at."""

    name: str
    look: Callable[[Place], Awaitable[Iterable[Finding]]]
    needs: tuple[str, ...] = ()
    is_remote: bool = False


def ok(name: str, text: str) -> Finding:
    return Finding(name=name, verdict="ok", text=text)


def warning(name: str, text: str, next_step: str) -> Finding:
    return Finding(name=name, verdict="warning", text=text, next_step=next_step)


def problem(name: str, text: str, next_step: str) -> Finding:
    return Finding(name=name, verdict="problem", text=text, next_step=next_step)


def skipped(name: str, text: str, next_step: str) -> Finding:
    return Finding(name=name, verdict="skipped", text=text, next_step=next_step)


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
