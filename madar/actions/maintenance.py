"""Sweeping: rows whose time is over."""

from collections.abc import Awaitable
from typing import Protocol

from madar.db import idempotency, limits, maintenance, sessions, sign_ins, translations, usage
from madar.db.pool import connection
from madar.db.sql import Connection
from madar.resources import Resources

BATCH_ROWS = 5_000
MAX_BATCHES = 20


class Delete(Protocol):
    """Deletes at most `n` rows and says how many."""

    def __call__(self, conn: Connection, *, n: int) -> Awaitable[int]: ...


async def sweep(resources: Resources) -> None:
    """May run at any time, in any number of processes."""
    async with connection(resources.pool) as conn:
        await sessions.delete_ended_sessions(conn)
        await sign_ins.delete_ended_sign_ins(conn)
        await idempotency.delete_old_idempotency_keys(conn)
        await maintenance.delete_dead_jobs(conn)
        await limits.delete_full_rates(conn)
        await translations.delete_unused_translations(conn)
        await _delete_in_batches(conn, usage.delete_old_usage)
        await _delete_in_batches(conn, usage.delete_old_servings)


async def _delete_in_batches(conn: Connection, delete: Delete) -> None:
    """Short statements, each committed; what is left after many waits for the next sweep."""
    for _ in range(MAX_BATCHES):
        if await delete(conn, n=BATCH_ROWS) < BATCH_ROWS:
            return
