"""Sweeping: rows whose time is over."""

from madar.db import maintenance, sessions, sign_ins
from madar.db.pool import connection
from madar.resources import Resources


async def sweep(resources: Resources) -> None:
    """May run at any time, in any number of processes."""
    async with connection(resources.pool) as conn:
        await sessions.delete_ended_sessions(conn)
        await sign_ins.delete_ended_sign_ins(conn)
        await maintenance.delete_old_idempotency_keys(conn)
        await maintenance.delete_dead_jobs(conn)
