"""Drive one generation on: whatever is due, one thing at a time, under a lease."""

import logging
from uuid import UUID

from madar.actions.finalizing import finalize
from madar.actions.polling import poll
from madar.actions.submitting import resolve, submit
from madar.actions.work import Work, Worker
from madar.db import attempts, generations
from madar.db.generations import Outcome
from madar.db.pool import connection
from madar.domain.failures import FailureCode
from madar.domain.generations import AttemptState
from madar.realtime.bell import ring

log = logging.getLogger(__name__)

_OVERDUE: dict[AttemptState, FailureCode] = {
    "prepared": "provider_unavailable",
    "sent": "submit_unresolved",
    "unknown": "submit_unresolved",
}


async def advance_generation(worker: Worker, generation_id: UUID) -> None:
    """Until nothing is due, or somebody else has it. Safe to run at any time, any number of times.

    What a dependency interrupts stays due, and the reconciler comes back to it.
    """
    while outcome := await _advance_once(worker, generation_id):
        await ring(worker.resources.pool, generation_id=generation_id, version=outcome.version)
        if not outcome.is_due:
            return


async def _advance_once(worker: Worker, generation_id: UUID) -> Outcome | None:
    resources = worker.resources
    async with connection(resources.pool) as conn:
        claimed = await generations.claim_generation_to_advance(
            conn, id=generation_id, owner=worker.name, lease_s=resources.settings.lease_s
        )
    if claimed is None:
        return None
    worker.held[generation_id] = claimed.lease_epoch
    try:
        async with connection(resources.pool) as conn:
            attempt = await attempts.get_attempt_to_advance(conn, generation_id=generation_id)
        return await _do_what_is_due(Work(resources=resources, claimed=claimed, attempt=attempt))
    finally:
        del worker.held[generation_id]
        worker.changed.set()


async def _do_what_is_due(work: Work) -> Outcome | None:
    if work.claimed.is_overdue:
        return await _give_up(work)
    if work.claimed.step == "finalize":
        return await finalize(work)
    match work.attempt.state:
        case "prepared":
            return await submit(work)
        case "sent" | "unknown":
            return await resolve(work)
        case "accepted":
            return await poll(work)
        case state:
            raise AssertionError(f"nothing is due for an attempt that is {state}")


async def _give_up(work: Work) -> Outcome | None:
    attempt = work.attempt
    if attempt.endpoint and attempt.request_id and attempt.state == "accepted":
        await work.resources.fal.cancel(endpoint=attempt.endpoint, request_id=attempt.request_id)
    return await work.fail(_OVERDUE.get(attempt.state, "timeout"))
