"""The one LISTEN connection of a process, and the loops that feed the hub.

NOTIFY has no replay and a bell may be lost, so what is joined is read again after every
reconnect and every few seconds; the bell only makes it quick.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from madar.clients.cache import Cache, styles_key
from madar.db import generations, sessions, system
from madar.db.pool import KEEPALIVE, Pool, read
from madar.db.system import GENERATIONS_CHANNEL, STYLES_CHANNEL
from madar.errors import Unavailable
from madar.i18n import LANGUAGES
from madar.liveness import Liveness
from madar.realtime.hub import Hub

log = logging.getLogger(__name__)

REREAD_S = 5
ANSWER_WITHIN_S = 10
RECONNECT_MAX_S = 5
LISTEN, DELIVER, REREAD = "realtime.listen", "realtime.deliver", "realtime.reread"


class Listener:
    """Run `run` in a task group; `heard` is set once the first LISTEN stands."""

    def __init__(
        self, direct_url: str, pool: Pool, hub: Hub, cache: Cache, liveness: Liveness
    ) -> None:
        self._url = direct_url
        self._pool = pool
        self._hub = hub
        self._cache = cache
        self._liveness = liveness
        self.heard = asyncio.Event()
        self._hears = False

    @property
    def hears(self) -> bool:
        """Whether a LISTEN stands now."""
        return self._hears

    async def run(self) -> None:
        turns = {LISTEN: self._listen, DELIVER: self._deliver, REREAD: self._reread}
        async with asyncio.TaskGroup() as tasks:
            for loop, turn in turns.items():
                tasks.create_task(self._liveness.keep(loop, partial(self._for_ever, loop, turn)))

    async def _for_ever(self, loop: str, turn: Callable[[], Awaitable[None]]) -> None:
        await for_ever(turn, partial(self._liveness.sleep, loop))

    async def _listen(self) -> None:
        self._liveness.beat(LISTEN)
        conn = await AsyncConnection.connect(self._url, autocommit=True, **KEEPALIVE)
        async with conn:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await conn.execute(f"LISTEN {GENERATIONS_CHANNEL}".encode())
                await conn.execute(f"LISTEN {STYLES_CHANNEL}".encode())
            self._hub.ring_all()
            await self._forget_styles()
            self.heard.set()
            self._hears = True
            try:
                await self._follow(conn)
            finally:
                self._hears = False

    async def _follow(self, conn: AsyncConnection) -> None:
        """After a silence the connection must prove that it lives."""
        while True:
            self._liveness.beat(LISTEN)
            async for notice in conn.notifies(timeout=self._liveness.every_s):
                self._liveness.beat(LISTEN)
                if notice.channel == STYLES_CHANNEL:
                    await self._forget_styles()
                else:
                    self._hub.ring(_ids(notice.payload))
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await system.ping(conn)

    async def _forget_styles(self) -> None:
        await self._cache.delete(*(styles_key(language) for language in LANGUAGES))

    async def _deliver(self) -> None:
        await self._liveness.wait(DELIVER, self._hub.rung)
        await self._hub.deliver(
            lambda ids: read(
                self._pool, lambda conn: generations.list_documents_to_announce(conn, ids=ids)
            )
        )

    async def _reread(self) -> None:
        await self._liveness.sleep(REREAD, REREAD_S)
        self._hub.ring_all()
        if ids := self._hub.session_ids:
            ended = await read(self._pool, lambda conn: sessions.list_ended_sessions(conn, ids=ids))
            self._hub.end_sessions(ended)


def _ids(payload: str) -> list[UUID]:
    try:
        return [UUID(payload.split(maxsplit=1)[0])]
    except (ValueError, IndexError):
        log.warning("bell.unreadable")
        return []


async def for_ever(
    turn: Callable[[], Awaitable[None]], sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Turn after turn; what interrupts one costs a pause, growing to a few seconds.

    Nothing ends the loop: it lives in the web process, which must outlive its database.
    """
    failures = 0
    while True:
        try:
            await turn()
            failures = 0
        except (psycopg.Error, Unavailable, OSError) as error:
            log.warning("realtime.interrupted", extra={"why": type(error).__name__})
            failures += 1
        except Exception:
            log.exception("realtime.failed")
            failures += 1
        if failures:
            pause = min(RECONNECT_MAX_S, 0.1 * 2 ** min(failures, 10))
            await sleep(random.uniform(pause / 2, pause))  # noqa: S311
