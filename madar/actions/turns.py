"""Whose turn it is at Fal: fair between people, and nobody's while Fal is away."""

from uuid import UUID

from madar.actions.work import Work
from madar.db import turns
from madar.db.pool import read, transaction
from madar.db.turns import Reason
from madar.domain.schedule import PROBE_S, RETRY_CAP_S
from madar.realtime.bell import ring
from madar.resources import Resources
from madar.settings import Settings


async def take_turn(work: Work) -> bool | None:
    """Whether a place at Fal is ours now; otherwise the attempt stands in the line.

    None: the attempt changed under our eyes.
    """
    if work.attempt.is_granted:
        return True
    async with work.connection() as conn:
        if not await turns.join_line(conn, work.claimed, work.attempt):
            return None
    return work.claimed.id in await give_turns(work.resources, asking_id=work.claimed.id)


async def give_turns(resources: Resources, *, asking_id: UUID | None = None) -> set[UUID]:
    """The generations that may be submitted now; they are due, but for the one whose worker asks.

    Safe in any number of processes.
    """
    if not await read(resources.pool, turns.has_line):
        return set()
    settings = resources.settings
    async with transaction(resources.pool) as conn:
        await turns.lock_gate(conn)
        granted = await turns.grant_turns(
            conn, places=settings.fal_concurrency, asking_id=asking_id
        )
        if granted:
            await turns.hold_gate(conn, probe_s=_probe_s(settings))
    await ring(resources.pool, granted - {asking_id})  # which is rung for when it is submitted
    return granted


async def close_gate(work: Work, reason: Reason, *, wait_s: float | None = None) -> None:
    """Fal said to come again later, or nothing: everybody waits, and then one tries it."""
    settings = work.resources.settings
    most_s = min(RETRY_CAP_S, 6 * settings.poll_min_s)
    least_s = most_s if reason == "key_refused" else max(wait_s or 0, _probe_s(settings))
    async with work.connection() as conn:
        await turns.close_gate(
            conn, reason=reason, least_s=min(least_s, RETRY_CAP_S), most_s=most_s
        )


async def open_gate(work: Work) -> None:
    """Fal answers again, whatever it says."""
    async with work.connection() as conn:
        await turns.open_gate(conn)


def _probe_s(settings: Settings) -> float:
    """Between two tries of a Fal that fails; shorter where the polling is shorter."""
    return min(PROBE_S, settings.poll_min_s / 2)
