"""How commands reach the database, and whatever else the product works with."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from madar.local.state import State

if TYPE_CHECKING:
    from madar.db.sql import Connection
    from madar.resources import Resources

Result = TypeVar("Result")

CONNECT_TIMEOUT_S = 5


def with_database(state: State, ask: Callable[["Connection"], Awaitable[Result]]) -> Result:
    import asyncio

    from madar.commands.here import open_database

    with open_database(state) as url:
        return asyncio.run(_asked(url, ask))


def with_resources(state: State, act: Callable[["Resources"], Awaitable[Result]]) -> Result:
    """For what the product itself does, too: the same action, with the same resources.

    What actions tell their log, the command tells by what it answers.
    """
    import asyncio
    import logging

    from madar.clients.storage import NOBODY_WAITS
    from madar.commands.here import look_around, open_database
    from madar.db.system import ping
    from madar.resources import open_resources

    async def run(url: str) -> Result:
        await _asked(url, ping)  # a database that is away is told as that, and soon
        async with open_resources(
            look_around(state).settings, url=url, pool_size=4, patience=NOBODY_WAITS
        ) as resources:
            return await act(resources)

    for name in ("madar", "psycopg"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    with open_database(state) as url:
        return asyncio.run(run(url))


async def _asked(url: str, ask: Callable[["Connection"], Awaitable[Result]]) -> Result:
    from psycopg import AsyncConnection

    connecting = AsyncConnection.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    async with await connecting as conn:
        return await ask(conn)
