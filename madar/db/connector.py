"""How the queue's library reaches the database: in bounded time, and with ears that come back.

The library's own listener ends for good when the database is away for a moment, without a word
where no periodic task exists; and it waits for ever for a server that is silent.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable
from typing import Any, LiteralString

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException, UniqueViolation
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from madar.db import system
from madar.db.pool import DIRECT
from madar.liveness import Liveness

log = logging.getLogger(__name__)

LISTENER = "queue.listener"
ANSWER_WITHIN_S = 15
FIRST_PAUSE_S, MAX_PAUSE_S = 0.2, 5.0


class Connector(PsycopgConnector):
    def __init__(self, url: str, liveness: Liveness) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._url = url
        self._liveness = liveness

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        async with self._in_time():
            await super().execute_query_async(query, **arguments)

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        async with self._in_time():
            return await super().execute_query_one_async(query, **arguments)

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        async with self._in_time():
            return await super().execute_query_all_async(query, **arguments)

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncGenerator[None]:
        """What fails with one connection would fail with its neighbours; they are made anew."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                yield
        except TimeoutError as error:
            await self.pool.drain()
            raise ConnectorException from error
        except UniqueViolation:
            raise
        except ConnectorException:
            await self.pool.drain()
            raise

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Never ends by itself; who listens also polls, so what is missed meanwhile is found."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async for channel, payload in self._heard(list(channels)):
                    pause_s = FIRST_PAUSE_S
                    await on_notification(channel=channel, payload=payload)
            except (psycopg.Error, OSError) as error:
                log.warning("queue.deaf", extra={"why": type(error).__name__})
            await self._liveness.sleep(LISTENER, pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    async def _heard(self, channels: list[str]) -> AsyncGenerator[tuple[str, str]]:
        """Until the connection is lost, or silent when it must prove that it lives."""
        conn = await AsyncConnection.connect(self._url, autocommit=True, **DIRECT)
        async with conn:
            for channel in channels:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await conn.execute(SQL("LISTEN {}").format(Identifier(channel)))
            while True:
                self._liveness.beat(LISTENER)
                async for notice in conn.notifies(timeout=self._liveness.every_s):
                    self._liveness.beat(LISTENER)
                    yield notice.channel, notice.payload
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await system.ping(conn)
