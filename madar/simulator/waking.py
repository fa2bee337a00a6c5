"""Waiting for news or for a moment, whichever comes first."""

import asyncio
import contextlib


async def happens_within(event: asyncio.Event, timeout_s: float | None) -> bool:
    """Wait for the event; False when the time was up first. None waits for ever."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    return event.is_set()


class Alarm:
    """Wakes one sleeper; a ring while it is awake is kept for its next sleep."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float | None) -> None:
        await happens_within(self._event, timeout_s)
        self._event.clear()
