"""A verified delivery from Fal: record what it says, and wake a worker."""

import logging
from typing import Literal
from uuid import UUID

from madar.db import attempts, fal_purges
from madar.db.attempts import Delivered
from madar.db.pool import connection, transaction
from madar.db.sql import Connection
from madar.domain.failures import LOCAL_FAILURES
from madar.errors import Unauthenticated
from madar.queue import ring_workers
from madar.resources import Resources

log = logging.getLogger(__name__)

Said = Literal["success", "failure"]
# What was sent after an abandoned attempt may have waited in vain for Fal to take it.
REVIVABLE = LOCAL_FAILURES | {"provider_unavailable"}
OURS = {"superseded", "duplicate"}  # we ended it ourselves, for another one


async def record_delivery(
    resources: Resources, *, attempt_id: UUID, request_id: str, said: Said
) -> None:
    """Any number of times, in any order; what came of the request is asked with our own key.

    Raises Unauthenticated for an attempt that is not there (any more).
    """
    async with connection(resources.pool) as conn:
        woken = await attempts.announce_result(conn, attempt_id=attempt_id, request_id=request_id)
    if not woken:
        async with transaction(resources.pool) as conn:
            woken = await _record_late(conn, attempt_id, request_id, said)
    if woken:
        await ring_workers(resources.pool)


async def _record_late(conn: Connection, attempt_id: UUID, request_id: str, said: Said) -> bool:
    """Nobody waits for it: whether somebody does now."""
    if not await attempts.lock_delivered_generation(conn, attempt_id=attempt_id):
        raise Unauthenticated("webhook_refused")
    seen = await attempts.get_delivered_attempt(conn, attempt_id=attempt_id, request_id=request_id)
    facts = {"attempt_id": str(attempt_id), "generation_id": str(seen.generation_id)}
    if seen.is_anothers or seen.request_id not in (None, request_id):
        log.warning("webhook.other_request", extra={**facts, "fal_request_id": request_id})
    elif seen.is_deleted or seen.error_code == "cancelled":
        await fal_purges.insert_fal_purge(
            conn, attempt_id=attempt_id, request_id=request_id, keeps_payload=not seen.is_deleted
        )
    elif said == "success" and seen.state == "failed" and seen.error_type not in OURS:
        log.error("webhook.success_after_failure", extra=facts)
    elif said == "success" and seen.state == "abandoned":
        return await _take_late_success(conn, seen, attempt_id, request_id)
    return False


async def _take_late_success(
    conn: Connection, seen: Delivered, attempt_id: UUID, request_id: str
) -> bool:
    """The first success wins, whichever attempt it is of; what is paid for in vain is cancelled."""
    facts = {"attempt_id": str(attempt_id), "generation_id": str(seen.generation_id)}
    is_wanted = seen.generation_state != "completed" and seen.is_at_its_step and not seen.is_beaten
    if seen.generation_state == "failed" and seen.error_code not in REVIVABLE:
        is_wanted = False
    if not is_wanted:
        log.warning("webhook.duplicate", extra=facts)
        await attempts.settle_duplicate(conn, attempt_id=attempt_id, request_id=request_id)
        await fal_purges.insert_fal_purge(
            conn, attempt_id=attempt_id, request_id=request_id, keeps_payload=False
        )
        return False
    for rival in await attempts.end_rivals(
        conn, generation_id=seen.generation_id, attempt_id=attempt_id
    ):
        await fal_purges.insert_fal_purge(conn, attempt_id=rival, keeps_payload=False)
    log.info("webhook.late_success", extra=facts)
    return await attempts.adopt_attempt(conn, attempt_id=attempt_id, request_id=request_id)
