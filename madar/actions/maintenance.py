"""Sweeping: rows whose time is over."""

import logging
from collections.abc import Awaitable
from typing import Protocol

from madar.db import (
    idempotency,
    limits,
    live,
    maintenance,
    sessions,
    sign_ins,
    tickets,
    translations,
    usage,
)
from madar.db.pool import connection
from madar.db.sql import Connection
from madar.errors import TooBusy, Unavailable, Unreachable
from madar.resources import Resources

log = logging.getLogger(__name__)

BATCH_ROWS = 5_000
MAX_BATCHES = 20


class Delete(Protocol):
    """Deletes at most `n` rows and says how many."""

    def __call__(self, conn: Connection, *, n: int) -> Awaitable[int]: ...


async def sweep(resources: Resources) -> None:
    """Each part for itself: one that is in somebody's way leaves the others alone.

    May run at any time, in any number of processes. Raises Unreachable: every part would wait for
    the database in vain, and a worker that is to stop for all of them.
    """
    for delete in (
        sessions.delete_ended_sessions,
        sign_ins.delete_ended_sign_ins,
        tickets.delete_ended_tickets,
        idempotency.delete_old_idempotency_keys,
        maintenance.delete_dead_jobs,
        limits.delete_full_rates,
        translations.delete_unused_translations,
        _delete_old_usage,
        _delete_old_servings,
        _delete_old_deletions,
    ):
        try:
            async with connection(resources.pool) as conn:
                await delete(conn)
        except Unreachable:
            raise
        except (TooBusy, Unavailable) as error:
            log.warning("sweep.interrupted", extra={"part": delete.__name__, "why": error.code})


async def _delete_old_usage(conn: Connection) -> None:
    await _delete_in_batches(conn, usage.delete_old_usage)


async def _delete_old_servings(conn: Connection) -> None:
    await _delete_in_batches(conn, usage.delete_old_servings)


async def _delete_old_deletions(conn: Connection) -> None:
    await _delete_in_batches(conn, live.delete_old_deletions)


async def _delete_in_batches(conn: Connection, delete: Delete) -> None:
    """Short statements, each committed; what is left after many waits for the next sweep."""
    for _ in range(MAX_BATCHES):
        if await delete(conn, n=BATCH_ROWS) < BATCH_ROWS:
            return
