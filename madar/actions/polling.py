"""An accepted request: how far it is, and, when it has ended, what came of it."""

import logging
from typing import Any

from madar.actions.submitting import give_up, patience_s, pause_s, settle_failure
from madar.actions.work import Work
from madar.clients.fal import (
    Ended,
    FalUnreachable,
    RequestGone,
    Running,
    SubmissionRejected,
    Waiting,
)
from madar.db import attempts, fal_purges, generations
from madar.db.generations import Outcome
from madar.domain import progress, prompts
from madar.domain.failures import ProviderFailure
from madar.domain.generations import State, next_step
from madar.domain.schedule import next_poll_s

log = logging.getLogger(__name__)


async def poll(work: Work) -> Outcome | None:
    """Ask once. A webhook that announced the end spares the question.

    Past a deadline it is asked a last time: what is finished and paid for is not thrown away.
    """
    attempt, fal = work.attempt, work.resources.fal
    assert attempt.endpoint
    assert attempt.request_id
    names = {"endpoint": attempt.endpoint, "request_id": attempt.request_id}
    async with work.connection() as conn:
        await attempts.count_poll(conn, work.claimed, attempt)
    try:
        status = Ended() if attempt.is_announced else await fal.ask(**names)
        if isinstance(status, Ended):
            return await _collect(work, await fal.fetch_result(**names))
    except FalUnreachable as error:
        log.info("fal.unreachable", extra={**work.facts, "why": str(error)})
        return await _ask_later(work)
    except RequestGone:
        return await _recall(work)
    except SubmissionRejected as rejected:
        return await settle_failure(work, rejected.failure)
    if _is_late(work):
        await fal.cancel(**names)
        return await give_up(work, "timeout")
    return await _show(work, status)


async def _recall(work: Work) -> Outcome | None:
    """The queue forgets a result within minutes; the history keeps it for days."""
    attempt = work.attempt
    assert attempt.endpoint
    assert attempt.request_id
    try:
        result = await work.resources.fal.recall_result(
            endpoint=attempt.endpoint, request_id=attempt.request_id
        )
    except FalUnreachable:
        return await _ask_later(work)
    except RequestGone:
        log.error("fal.request_gone", extra=work.facts)  # noqa: TRY400
        return await give_up(work, "result_expired")
    return await _collect(work, result)


async def _ask_later(work: Work) -> Outcome | None:
    """Past its deadline it is to be cancelled, once Fal can be reached."""
    if not _is_late(work):
        return await work.postpone(pause_s(work))
    async with work.connection() as conn:
        await fal_purges.insert_fal_purge(conn, attempt_id=work.attempt.id, keeps_payload=True)
    return await give_up(work, "timeout")


def _is_late(work: Work) -> bool:
    if work.attempt.is_announced:  # only its result is missing
        return work.claimed.is_overdue
    deadline_s = patience_s(work, work.resources.settings.attempt_deadline_s)
    return work.claimed.is_overdue or (work.attempt.accepted_age_s or 0) > deadline_s


async def _show(work: Work, status: Waiting | Running) -> Outcome | None:
    claimed, settings = work.claimed, work.resources.settings
    next_s = next_poll_s(work.attempt.polls, poll_min_s=settings.poll_min_s)
    if isinstance(status, Waiting):
        state: State = "queued"
        position, steps, percent, word = status.position, None, 0, "IN_QUEUE"
    else:
        state, position, word = "processing", None, "IN_PROGRESS"
        steps = progress.steps_of(status.log_lines)
        percent = progress.running(claimed.step, steps)
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
            steps=steps if claimed.step == "draw" else None,
        )


async def _collect(work: Work, result: dict[str, Any]) -> Outcome | None:
    if work.claimed.step == "translate":
        english = prompts.translation_of(result, prompt=work.claimed.prompt)
        if english is None:
            return await give_up(work, "result_invalid")
        return await work.go_on("draw", result={"output": english}, prompt_english=english)
    if prompts.is_flagged(result):
        return await work.fail("content_policy", "has_nsfw_concepts")
    following = next_step(work.claimed.step, work.claimed.style_params)
    url = prompts.picture_url(result)
    if url is None:
        empty = ProviderFailure(error_type="no_media_generated", status_code=422)
        return await settle_failure(work, empty)
    return await work.go_on(following, result={"image": {"url": url}})
