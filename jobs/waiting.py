"""The loop that tells those who wait for a turn at Fal their numbers."""

import logging

from madar.actions.waiting import renumber
from madar.actions.work import Worker
from madar.errors import TooBusy, Unavailable
from madar.liveness import Liveness

log = logging.getLogger(__name__)

NUMBERS = "numbers"
EVERY_S = 1.0
TURN_S = 15.0


async def keep_numbers(worker: Worker, liveness: Liveness) -> None:
    """Nobody's picture depends on it, so it is a loop of its own."""
    while True:
        try:
            async with liveness.working(NUMBERS, at_most_s=TURN_S):
                await renumber(worker.resources)
        except (TooBusy, Unavailable, TimeoutError) as error:
            log.warning("numbers.interrupted", extra={"why": type(error).__name__})
        except Exception:
            log.exception("numbers.failed")
        await liveness.sleep(NUMBERS, EVERY_S)
