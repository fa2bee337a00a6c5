"""Drive one generation on: whatever is due, one thing at a time, under a lease."""

import logging
from uuid import UUID

from madar import sentry
from madar.actions.finalizing import finalize
from madar.actions.polling import poll
from madar.actions.recovering import Unsent, look_back
from madar.actions.submitting import give_up, pause_s, resolve, submit
from madar.actions.turns import take_turn
from madar.actions.work import Work, Worker
from madar.db import attempts, generations
from madar.db.generations import Outcome
from madar.db.pool import connection
from madar.errors import TooBusy, Unavailable
from madar.log import about, note
from madar.realtime.bell import ring

log = logging.getLogger(__name__)

MAX_STUMBLES = 3
MAX_CRASHES = 3  # of workers in a row


async def advance_generation(
    worker: Worker, generation_id: UUID, *, may_be_suspect: bool = True
) -> None:
    """Until nothing is due, or somebody else has it. Safe to run at any time, any number of times.

    What a dependency interrupts stays due, and the reconciler comes back to it. A suspect, whose
    last worker may have died of it, is left to whoever takes one of them at a time.
    """
    with about(generation_id=generation_id):
        while outcome := await _advance_once(worker, generation_id, may_be_suspect=may_be_suspect):
            await ring(worker.resources.pool, [generation_id])
            if not outcome.is_due:
                return


async def _advance_once(
    worker: Worker, generation_id: UUID, *, may_be_suspect: bool
) -> Outcome | None:
    resources = worker.resources
    async with connection(resources.pool) as conn:
        claimed = await generations.claim_generation_to_advance(
            conn,
            id=generation_id,
            owner=worker.name,
            lease_s=resources.settings.lease_s,
            may_be_suspect=may_be_suspect,
        )
    if claimed is None:
        return None
    worker.held[generation_id] = claimed.lease_epoch
    try:
        async with connection(resources.pool) as conn:
            attempt = await attempts.get_attempt_to_advance(conn, generation_id=generation_id)
        note(attempt_id=attempt.id)
        with sentry.traced("queue.task") as trace:
            if trace:
                trace.name = f"generations.{claimed.step}"
            return await _carefully(Work(resources=resources, claimed=claimed, attempt=attempt))
    finally:
        if worker.held.get(generation_id) == claimed.lease_epoch:
            del worker.held[generation_id]
        worker.changed.set()


async def _carefully(work: Work) -> Outcome | None:
    """What nobody expected is written down and tried again a few times, not until the deadline."""
    try:
        return await _do_what_is_due(work)
    except Unavailable:
        raise
    except TooBusy:  # somebody holds what it needs; no fault of the generation's
        return await work.postpone(pause_s(work))
    except Exception:
        async with work.connection() as conn:
            stumbles = await generations.count_stumble(conn, work.claimed)
        if not stumbles:  # deleted meanwhile, or in other hands: no wonder
            log.info("generation.overtaken", extra=work.facts, exc_info=True)
            return None
        log.exception("generation.stumbled", extra=work.facts)
    # Fal may have an unclear submission, so that one is only given up with its deadline.
    is_unclear = work.attempt.state in {"sent", "unknown"}
    if work.claimed.is_overdue or (stumbles >= MAX_STUMBLES and not is_unclear):
        return await give_up(work, "submit_unresolved" if is_unclear else "internal")
    return await work.postpone(pause_s(work))


async def _send_in_turn(work: Work) -> Outcome | None:
    if work.attempt.restored_from:
        seen = await look_back(work)
        if not isinstance(seen, Unsent):
            return seen
    is_paused = work.claimed.is_paused
    if work.claimed.is_overdue and not is_paused:
        return await work.fail("provider_unavailable")
    has_turn = await take_turn(work)
    if has_turn is None:
        return await work.look_again()
    if has_turn:
        return await submit(work)
    # Whoever gives it its turn makes it due; at its deadline it is due by itself.
    wait = work.hold if is_paused else work.postpone
    return await wait(work.resources.settings.generation_deadline_s)


async def _do_what_is_due(work: Work) -> Outcome | None:
    if work.claimed.crashes >= MAX_CRASHES:
        log.error("generation.poisonous", extra=work.facts)
        return await give_up(work, "internal", "crashed")
    if work.claimed.step == "finalize":
        return await (work.fail("timeout") if work.claimed.is_overdue else finalize(work))
    match work.attempt.state:
        case "prepared":
            return await _send_in_turn(work)
        case "sent" | "unknown":
            return await resolve(work)
        case "accepted":
            return await poll(work)
        case state:
            raise AssertionError(f"nothing is due for an attempt that is {state}")
