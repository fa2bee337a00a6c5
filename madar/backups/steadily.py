"""Storage that hesitates is asked again; one that is away ends what was begun."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from madar.errors import Unavailable

PAUSES_S = (1, 4, 15)

Result = TypeVar("Result")


async def steadily(operation: Callable[[], Awaitable[Result]]) -> Result:
    """For operations that may run twice. Raises Unavailable in the end."""
    for pause_s in PAUSES_S:
        try:
            return await operation()
        except Unavailable:
            await asyncio.sleep(pause_s)
    return await operation()
