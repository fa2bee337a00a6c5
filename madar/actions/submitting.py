"""A prepared attempt goes to Fal: exactly one POST, recorded before it leaves."""

import logging
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from madar.actions.turns import close_gate, open_gate
from madar.actions.work import Work
from madar.clients.fal import (
    FalUnreachable,
    KeyRefused,
    NotSent,
    SubmissionRejected,
    SubmissionUnclear,
)
from madar.db import attempts, fal_purges, uploads
from madar.db.generations import Outcome
from madar.domain import prompts
from madar.domain.failures import FailureCode, ProviderFailure
from madar.domain.generations import MAX_TRIES_PER_STEP
from madar.domain.schedule import RETRY_BASE_S, RETRY_CAP_S, backoff_s

log = logging.getLogger(__name__)

MAX_SEND_DELAY_S = 5
SOURCE_LINK_LIFE_S = 60 * 60  # Fal may fetch it as late as a whole generation's deadline
LOOK_UP_CAP_S = 30
TRANSLATION_PATIENCE_S = 120  # it takes seconds; longer than this a picture does not wait for it
MAX_TRANSLATION_WAITS = 8  # some two minutes of Fal not taking it


def pause_s(work: Work) -> float:
    """Until Fal is asked again after no answer; shorter where the polling is shorter."""
    pace = work.resources.settings.poll_min_s
    base, cap = min(RETRY_BASE_S, pace), min(RETRY_CAP_S, 6 * pace)
    return backoff_s(work.attempt.polls, base_s=base, cap_s=cap)


async def submit(work: Work) -> Outcome | None:
    """Send it once. What cannot be known afterwards is `unknown`, never sent again blindly."""
    endpoint, arguments = await request_of(work)
    began_s = boot_time_s()
    async with work.connection() as conn:
        if not await attempts.mark_attempt_sent(
            conn, work.claimed, work.attempt, endpoint=endpoint, arguments=arguments
        ):
            return await work.look_again()
    work = replace(work, attempt=replace(work.attempt, state="sent"))
    if boot_time_s() - began_s > MAX_SEND_DELAY_S:
        # This machine slept in between; meanwhile somebody may have called the attempt dead.
        return await _look_up_later(work)
    try:
        request_id = await work.resources.fal.submit(
            endpoint=endpoint, arguments=arguments, webhook_url=_webhook_url(work)
        )
    except KeyRefused as refused:
        log.error("fal.key_refused", extra={**work.facts, "why": str(refused)})  # noqa: TRY400
        await close_gate(work, "key_refused")
        return await _put_back(work)
    except NotSent as unsent:
        log.warning("fal.not_sent", extra={**work.facts, "why": str(unsent)})
        reason = "unreachable" if unsent.retry_after_s is None else "rate_limited"
        await close_gate(work, reason, wait_s=unsent.retry_after_s)
        return await _put_back(work)
    except SubmissionRejected as rejected:
        await open_gate(work)
        return await settle_failure(work, rejected.failure)
    except SubmissionUnclear as unclear:
        log.warning("fal.submission_unclear", extra={**work.facts, "why": str(unclear)})
        await close_gate(work, "unreachable")
        return await _look_up_later(work)
    return await _accepted(work, request_id)


async def resolve(work: Work) -> Outcome | None:
    """A submission of unknown fate: find it in Fal's history, or wait until it is proved dead."""
    attempt, settings = work.attempt, work.resources.settings
    assert attempt.endpoint
    assert attempt.arguments is not None
    assert attempt.sent_at
    waited_s = attempt.sent_age_s or 0
    is_late = waited_s > patience_s(work, settings.submit_unknown_after_s)
    is_late = is_late or work.claimed.is_overdue
    try:
        seen = await work.resources.fal.look_up(
            endpoint=attempt.endpoint, arguments=attempt.arguments, sent_at=attempt.sent_at
        )
    except FalUnreachable:
        return await (give_up(work, "submit_unresolved") if is_late else _look_up_later(work))
    async with work.connection() as conn:
        bound = await attempts.list_bound_requests(
            conn, attempt, request_ids=[*seen.carrying, *seen.without_input]
        )
    ours = [request_id for request_id in seen.carrying if request_id not in bound]
    if ours:
        return await _accepted(work, ours[-1])
    if not is_late:
        return await _look_up_later(work)
    if set(seen.without_input) - bound:  # one of them may be it
        return await give_up(work, "submit_unresolved")
    return await _take_for_dead(work)


async def _take_for_dead(work: Work) -> Outcome | None:
    """Fal would know it by now. Should it succeed all the same, that is not thrown away."""
    if work.claimed.step != "translate" and work.attempt.tries < MAX_TRIES_PER_STEP:
        return await work.try_again("never_arrived", next_s=0, end_state="abandoned")
    return await give_up(work, "submit_unresolved", "never_arrived")


async def settle_failure(work: Work, failure: ProviderFailure) -> Outcome | None:
    """Fal ended the request without a result: another attempt, on without it, or the end."""
    may_repeat = work.claimed.step != "translate" and work.attempt.tries < MAX_TRIES_PER_STEP
    if failure.may_pass and may_repeat:
        return await work.try_again(failure.error_type, next_s=pause_s(work))
    return await give_up(work, failure.code, failure.error_type)


async def give_up(work: Work, code: FailureCode, fal_error: str | None = None) -> Outcome | None:
    """The attempt came to nothing, and so does the picture.

    Without a translation, though, the original goes on: the translator is not asked again, so
    it does not matter any more whether the attempt arrived.
    """
    if work.claimed.step != "translate":
        return await work.fail(code, fal_error)
    log.warning("translation.failed", extra={**work.facts, "error": fal_error or code})
    return await work.go_on("draw", result=None)


def patience_s(work: Work, usual_s: float) -> float:
    """How long this step's attempt may take."""
    return min(usual_s, TRANSLATION_PATIENCE_S) if work.claimed.step == "translate" else usual_s


def boot_time_s() -> float:
    """Seconds that also pass while the machine is suspended, where the system can tell."""
    clock: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


async def request_of(work: Work) -> tuple[str, dict[str, Any]]:
    """Endpoint and arguments of what is to be sent next."""
    claimed, style = work.claimed, work.claimed.style_params
    if claimed.step == "translate":
        model = work.resources.settings.translate_model
        return prompts.TRANSLATOR, prompts.translate_arguments(claimed.prompt, model=model)
    if claimed.step == "cutout":
        async with work.connection() as conn:
            drawn = await attempts.get_drawn_result(conn, generation_id=claimed.id)
        url = prompts.picture_url(drawn)
        assert url
        return style["cutout"]["endpoint"], prompts.cutout_arguments(style, image_url=url)
    arguments = prompts.draw_arguments(
        style,
        prompt=claimed.prompt_english or claimed.prompt,
        colors=claimed.custom_colors,
        aspect_ratio=claimed.aspect_ratio,
        seed=claimed.seed,
        source_url=await _source_url(work),
    )
    has_source = claimed.source_upload_id is not None
    return prompts.draw_endpoint(style, has_source=has_source), arguments


async def _source_url(work: Work) -> str | None:
    claimed = work.claimed
    if claimed.source_upload_id is None:
        return None
    async with work.connection() as conn:
        source = await uploads.get_upload(
            conn, owner_id=claimed.user_id, id=claimed.source_upload_id
        )
    assert source, "the foreign key keeps it"
    return work.resources.storage.direct_link(source.object_key, life_s=SOURCE_LINK_LIFE_S)


def _webhook_url(work: Work) -> str:
    settings, attempt_id = work.resources.settings, work.attempt.id
    query = urlencode({"a": str(attempt_id), "t": settings.webhook_token(attempt_id)})
    return f"{settings.app_url.rstrip('/')}/api/webhooks/fal?{query}"


async def _accepted(work: Work, request_id: str) -> Outcome | None:
    next_s = work.resources.settings.poll_min_s
    async with work.connection() as conn:
        outcome = await attempts.mark_attempt_accepted(
            conn, work.claimed, work.attempt, request_id=request_id, next_s=next_s
        )
        unwanted = await attempts.get_unwanted(conn, work.attempt) if not outcome else None
        if unwanted:
            await fal_purges.insert_fal_purge(
                conn,
                attempt_id=work.attempt.id,
                request_id=request_id,
                keeps_payload=unwanted.keeps_payload,
            )
    return outcome or await _look_up_later(work)


async def _put_back(work: Work) -> Outcome | None:
    if work.claimed.step == "translate" and work.attempt.polls >= MAX_TRANSLATION_WAITS:
        return await give_up(work, "provider_unavailable")
    async with work.connection() as conn:
        outcome = await attempts.put_attempt_back(conn, work.claimed, work.attempt)
        if outcome is None:
            await attempts.forget_sending(conn, work.attempt)
    return outcome


async def _look_up_later(work: Work) -> Outcome | None:
    age_s = work.attempt.sent_age_s or 0
    next_s = min(max(work.resources.settings.poll_min_s, age_s / 4), LOOK_UP_CAP_S)
    async with work.connection() as conn:
        return await attempts.mark_attempt_unknown(conn, work.claimed, work.attempt, next_s=next_s)
