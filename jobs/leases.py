"""The keeper of leases: extends what is held, gives back what a lost connection dropped."""

import logging

from madar.actions.work import Worker
from madar.db import generations
from madar.db.pool import connection
from madar.errors import Unavailable
from madar.liveness import Liveness

log = logging.getLogger(__name__)

LEASES = "leases"
RETRY_S = 1.0
# A claim may have been written whose answer is still on its way to us. Nobody waits longer for an
# answer than this; to take its lease away all the same would cost a second claim, nothing else.
GRACE_S = 6.0


async def keep_leases(worker: Worker, liveness: Liveness) -> None:
    lease_s = worker.resources.settings.lease_s
    pause_s = lease_s / 3
    while True:
        await liveness.sleep(LEASES, pause_s)
        try:
            await see_to_leases(worker)
            pause_s = lease_s / 3
        except Unavailable as error:
            log.warning("leases.interrupted", extra={"why": error.code})
            pause_s = min(RETRY_S, lease_s / 3)


async def see_to_leases(worker: Worker) -> None:
    """What is held stays so; what is not held any more is given back."""
    await worker.extend_leases()
    lease_s = worker.resources.settings.lease_s
    async with connection(worker.resources.pool) as conn:
        released = await generations.release_dropped_leases(
            conn,
            owner=worker.name,
            held_ids=list(worker.held),
            left_s=lease_s - min(GRACE_S, lease_s / 2),
        )
    if released:
        log.info("leases.released", extra={"count": released})
        worker.changed.set()
