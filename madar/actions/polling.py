"""An accepted request: how far it is, and, when it has ended, what came of it."""

import logging
from typing import Any

from madar.actions.submitting import pause_s, settle_failure
from madar.actions.work import Work
from madar.clients.fal import Ended, FalUnreachable, RequestGone, SubmissionRejected, Waiting
from madar.db import attempts, generations
from madar.db.generations import Outcome
from madar.domain import progress, prompts
from madar.domain.failures import ProviderFailure
from madar.domain.generations import State, next_step
from madar.domain.schedule import next_poll_s

log = logging.getLogger(__name__)


async def poll(work: Work) -> Outcome | None:
    """Ask once. A webhook that announced the end spares the question."""
    attempt, settings = work.attempt, work.resources.settings
    assert attempt.endpoint
    assert attempt.request_id
    names = {"endpoint": attempt.endpoint, "request_id": attempt.request_id}
    if (attempt.accepted_age_s or 0) > settings.attempt_deadline_s:
        await work.resources.fal.cancel(**names)
        return await work.fail("timeout")
    async with work.connection() as conn:
        await attempts.count_poll(conn, attempt)
    try:
        status = Ended() if attempt.is_announced else await work.resources.fal.ask(**names)
        if not isinstance(status, Ended):
            return await _show(work, status)
        result = await work.resources.fal.fetch_result(**names)
    except FalUnreachable as error:
        log.info("fal.unreachable", extra={**work.facts, "why": str(error)})
        return await work.postpone(pause_s(work))
    except RequestGone:
        log.error("fal.request_gone", extra=work.facts)  # noqa: TRY400
        return await work.fail("result_expired")
    except SubmissionRejected as rejected:
        return await settle_failure(work, rejected.failure)
    return await _collect(work, result)


async def _show(work: Work, status: Any) -> Outcome | None:
    claimed, settings = work.claimed, work.resources.settings
    next_s = next_poll_s(work.attempt.polls, poll_min_s=settings.poll_min_s)
    if isinstance(status, Waiting):
        state: State = "queued"
        position, percent, word = status.position, 0, "IN_QUEUE"
    else:
        state, position, word = "processing", None, "IN_PROGRESS"
        percent = progress.running(claimed.step, status.log_lines)
    seen = (claimed.fal_status, claimed.queue_position, claimed.fal_progress)
    if seen == (word, position, max(percent, claimed.fal_progress)):
        return await work.postpone(next_s)
    async with work.connection() as conn:
        return await generations.mark_generation_progress(
            conn,
            claimed,
            next_s=next_s,
            state=state,
            progress=percent,
            queue_position=position,
            fal_status=word,
        )


async def _collect(work: Work, result: dict[str, Any]) -> Outcome | None:
    step = work.claimed.step
    if prompts.is_flagged(result):
        return await work.fail("content_policy", "has_nsfw_concepts")
    following = next_step(step, work.claimed.style_params)
    if step == "translate":
        english = prompts.translation_of(result)
        return await work.go_on(
            following, result=result if english else None, prompt_english=english
        )
    if prompts.picture_url(result) is None:
        empty = ProviderFailure(error_type="no_media_generated", status_code=422)
        return await settle_failure(work, empty)
    return await work.go_on(following, result=result)
