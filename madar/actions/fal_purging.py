"""Requests at Fal that nobody wants any more: cancelled, and Fal's copies of them removed."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from madar.clients.fal import Ended, FalUnreachable, RemovalRefused, RequestGone
from madar.db import fal_purges
from madar.db.fal_purges import FalPurge, Postponed
from madar.db.pool import connection
from madar.domain.schedule import backoff_s
from madar.resources import Resources

log = logging.getLogger(__name__)

BATCH = 10  # all at once, with three calls each that may take ten seconds
# As long as a batch may take; a worker that dies over it delays it by no more than this.
CLAIM_S = 60
RETRY_BASE_S, RETRY_CAP_S = 5, 300
REFUSED_WAIT_S = 3600  # for an operator who puts in another key
# Beyond the time after which an unclear submission counts as never arrived.
LOOK_UP_SLACK_S = 60
GIVE_UP_AFTER_S = 7 * 86_400
# Words of a person are kept for looking a request up; that ends with the day.
GIVE_UP_LOOKING_AFTER_S = 86_400


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What came of one: done with, found in the history, or to be come back for."""

    next: Literal["done", "found", "later"]
    request_ids: tuple[str, ...] = ()
    is_cancelled: bool = False
    wait_s: float = 0


async def purge_at_fal(resources: Resources) -> None:
    """Whatever is due. May run at any time, in any number of processes."""
    while due := await _claim(resources):
        seen = await _look_at(resources, due)
        await _record(resources, seen)
        if all(what.next == "later" for what in seen.values()):
            return  # Fal is away: no need to ask for the next batch at once


async def _claim(resources: Resources) -> list[FalPurge]:
    async with connection(resources.pool) as conn:
        return await fal_purges.claim_due_fal_purges(conn, n=BATCH, lease_s=CLAIM_S)


async def _look_at(resources: Resources, due: Sequence[FalPurge]) -> dict[FalPurge, _Seen]:
    async with asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(_purge_one(resources, one)) for one in due]
    return {one: look.result() for one, look in zip(due, looks, strict=True)}


async def _record(resources: Resources, seen: Mapping[FalPurge, _Seen]) -> None:
    async with connection(resources.pool) as conn:
        for one, what in seen.items():
            if what.next == "found":
                await fal_purges.bind_fal_purge(conn, one, request_ids=what.request_ids)
        await fal_purges.delete_fal_purges(
            conn, [one for one, what in seen.items() if what.next == "done"]
        )
        await fal_purges.postpone_fal_purges(
            conn,
            {
                one: Postponed(is_cancelled=what.is_cancelled, wait_s=what.wait_s or _wait_s(one))
                for one, what in seen.items()
                if what.next == "later"
            },
        )


async def _purge_one(resources: Resources, one: FalPurge) -> _Seen:
    facts = {"attempt_id": str(one.attempt_id), "fal_request_id": one.request_id}
    wait_s: float = 0
    try:
        if one.request_id:
            return await _withdraw(resources, one, one.request_id)
        if one.arguments:  # without them the history has nothing to compare
            return await _look_up(resources, one, one.arguments)
        return _Seen(next="done")
    except FalUnreachable as error:
        log.warning("fal_purge.postponed", extra={**facts, "why": str(error)})
    except RemovalRefused as error:
        wait_s = REFUSED_WAIT_S
        log.error("fal_purge.refused", extra={**facts, "why": str(error)})  # noqa: TRY400
    except Exception:
        # One that cannot be done must not keep the others.
        log.exception("fal_purge.failed", extra=facts)
    if one.age_s > (GIVE_UP_AFTER_S if one.request_id else GIVE_UP_LOOKING_AFTER_S):
        log.error("fal_purge.given_up", extra=facts)
        return _Seen(next="done")
    return _Seen(next="later", is_cancelled=one.is_cancelled or wait_s > 0, wait_s=wait_s)


async def _withdraw(resources: Resources, one: FalPurge, request_id: str) -> _Seen:
    fal, names = resources.fal, {"endpoint": one.endpoint, "request_id": request_id}
    if not one.is_cancelled:
        await fal.withdraw(**names)
    if one.keeps_payload:
        return _Seen(next="done")
    try:
        has_ended = isinstance(await fal.ask(**names), Ended)
    except RequestGone:
        has_ended = True
    if not has_ended:  # its copies would come after their removal
        return _Seen(next="later", is_cancelled=True)
    await fal.remove_copies(request_id=request_id)
    return _Seen(next="done")


async def _look_up(resources: Resources, one: FalPurge, arguments: dict[str, Any]) -> _Seen:
    """The request may be under way to Fal even now; only after a while it certainly is not."""
    seen = await resources.fal.look_up(
        endpoint=one.endpoint, arguments=arguments, sent_at=one.sent_at
    )
    found = seen.carrying
    async with connection(resources.pool) as conn:
        others = await fal_purges.list_requests_of_others(conn, one, request_ids=found)
        is_anybodys = await fal_purges.has_unclear_twin(conn, one)
    theirs = tuple(request_id for request_id in found if request_id not in others)
    if theirs and not is_anybodys:
        return _Seen(next="found", request_ids=theirs)
    longest_s = resources.settings.submit_unknown_after_s + LOOK_UP_SLACK_S
    is_over = one.sent_age_s > longest_s and not is_anybodys
    return _Seen(next="done" if is_over else "later", is_cancelled=one.is_cancelled)


def _wait_s(one: FalPurge) -> float:
    return backoff_s(one.tries, base_s=RETRY_BASE_S, cap_s=RETRY_CAP_S)
