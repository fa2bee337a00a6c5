"""A limiter and a cache in front of the bridge, and what Upstash may do to them."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from madar.clients.cache import Cache
from madar.clients.limits import Limiter
from madar.clients.upstash import BUDGET_S, PAUSE_S, Breaker, Upstash, connect
from tests.limits.bridge import Bridge, Fault
from tests.limits.stores import PATIENT_S

# As the bridge is told; "down" and "unauthorized" are done by the address and the token.
FAULTS: list[Fault] = ["slow", "hanging", "garbage", "html", "empty", "list", "deep", "odd"]
any_fault = pytest.mark.parametrize("fault", FAULTS)


@dataclass
class Asking:
    limiter: Limiter
    cache: Cache
    upstash: Upstash
    clock: list[float]

    def pause(self) -> None:
        """The breaker's, over in no time."""
        self.clock[0] += PAUSE_S


@asynccontextmanager
async def asking(
    bridge: Bridge, *, budget_s: float = PATIENT_S, **other: Any
) -> AsyncGenerator[Asking]:
    clock = [0.0]
    async with connect(other.get("url", bridge.url), other.get("token", bridge.token)) as redis:
        upstash = Upstash(redis, budget_s=budget_s, breaker=Breaker(lambda: clock[0]))
        yield Asking(Limiter(upstash), Cache(upstash), upstash, clock)


@asynccontextmanager
async def hurried(bridge: Bridge, **other: Any) -> AsyncGenerator[Asking]:
    """With the product's own budget."""
    async with asking(bridge, budget_s=BUDGET_S, **other) as opened:
        yield opened


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
