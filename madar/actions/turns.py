"""Whose turn it is at Fal: fair between people; nobody's while Fal is away or a pause is on."""

from collections.abc import Collection
from uuid import UUID

from madar.actions.work import Work
from madar.db import turns
from madar.db.pool import read, transaction
from madar.db.sql import Connection
from madar.db.turns import Reason
from madar.domain.schedule import PROBE_S, RETRY_CAP_S
from madar.queue import ring_workers
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
        granted = await _grant(conn, settings, places=settings.fal_concurrency, asking_id=asking_id)
    await ring(resources.pool, granted - {asking_id})  # which is rung for when it is submitted
    return granted


async def pause_submitting(
    resources: Resources, *, reason: str, reason_ar: str
) -> Collection[UUID]:
    """Nothing is submitted to Fal from then on, and whoever waits reads why; answers what waits.

    What Fal has already is finished, new wishes are taken, no deadline of what waits runs. While it
    is paused only the reasons change.
    """
    async with transaction(resources.pool) as conn:
        await turns.lock_gate(conn)
        waiting = await turns.pause_gate(conn, reason=reason, reason_ar=reason_ar)
    await ring(resources.pool, waiting)
    return waiting


async def resume_submitting(resources: Resources) -> Collection[UUID]:
    """Every free place at Fal has its picture at once; answers what waited."""
    async with transaction(resources.pool) as conn:
        await turns.lock_gate(conn)
        gate = await turns.get_gate(conn)
        waiting = await turns.resume_gate(conn)
        # As many places as the workers have, whatever the settings are where this runs.
        granted = await _grant(conn, resources.settings, places=gate.places)
        await turns.insert_wake_ups(conn, granted)
    await ring_workers(resources.pool)
    await ring(resources.pool, waiting)
    return waiting


async def _grant(
    conn: Connection, settings: Settings, *, places: int, asking_id: UUID | None = None
) -> set[UUID]:
    """Behind lock_gate."""
    granted = await turns.grant_turns(conn, places=places, asking_id=asking_id)
    if granted:
        await turns.hold_gate(conn, probe_s=_probe_s(settings))
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
