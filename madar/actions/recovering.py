"""After a restore: what was begun before the backup is looked for at Fal before it is sent.

The rows say that an attempt was never sent when it was sent after the backup. So each submission
for a generation that came out of the backup is one of unknown fate, as far as the time between
backup and restore goes, and is settled as such: found in Fal's history it is taken over, and only
what Fal would know by now, and does not, is sent.
"""

from dataclasses import dataclass

from madar.actions.submitting import LOOK_UP_CAP_S, give_up, patience_s, pause_s, request_of
from madar.actions.work import Work
from madar.clients.fal import FalUnreachable
from madar.db import attempts
from madar.db.generations import Outcome


@dataclass(frozen=True)
class Unsent:
    """Fal has never had it."""


async def look_back(work: Work) -> Outcome | Unsent | None:
    """What came of the attempt, or that it may be sent."""
    attempt, resources = work.attempt, work.resources
    assert attempt.restored_from
    assert attempt.restored_at
    endpoint, arguments = await request_of(work)
    try:
        seen = await resources.fal.look_up(
            endpoint=endpoint,
            arguments=arguments,
            sent_at=attempt.restored_from,
            sent_until=attempt.restored_at,
            key_of=resources.storage.key_behind,
        )
    except FalUnreachable:
        return await _look_later(work, pause_s(work))
    async with work.connection() as conn:
        bound = await attempts.list_bound_requests(
            conn, attempt, request_ids=[*seen.carrying, *seen.without_input]
        )
    ours = [request_id for request_id in seen.carrying if request_id not in bound]
    if ours:
        async with work.connection() as conn:
            outcome = await attempts.mark_attempt_found(
                conn,
                work.claimed,
                attempt,
                endpoint=endpoint,
                arguments=arguments,
                request_id=ours[-1],
            )
        return outcome or await work.look_again()
    age_s = attempt.restored_age_s or 0
    if age_s < patience_s(work, resources.settings.submit_unknown_after_s):
        next_s = max(resources.settings.poll_min_s, age_s / 4)
        return await _look_later(work, min(next_s, LOOK_UP_CAP_S))
    if set(seen.without_input) - bound:  # one of them may be it
        return await give_up(work, "submit_unresolved")
    return Unsent()


async def _look_later(work: Work, next_s: float) -> Outcome | None:
    """Nobody waits longer for it than for any other."""
    if work.claimed.is_paused:
        return await work.hold(next_s)
    if work.claimed.is_overdue:
        return await give_up(work, "submit_unresolved")
    return await work.postpone(next_s)
