"""Removing what nobody may see any more: objects first, then the rows that named them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from madar.db import purges, uploads, usage, users
from madar.db.pool import connection
from madar.db.purges import Purge
from madar.db.sql import Connection
from madar.domain.schedule import backoff_s
from madar.domain.uploads import UNUSED_LIFE_S
from madar.errors import Unavailable
from madar.resources import Resources

log = logging.getLogger(__name__)

BATCH = 100
USAGE_BATCH = 20_000
MAX_BATCHES = 20
AT_ONCE = 20
REMOVE_TIMEOUT_S = 10
# As long as a batch may take; a worker that dies over it delays it by no more than this.
CLAIM_S = 60
RETRY_BASE_S, RETRY_CAP_S = 5, 300
# By then whatever was under way for a deleted picture or account has ended, objects included.
ROWS_AFTER_S = 2 * 3600


async def purge(resources: Resources) -> None:
    """Whatever is due. May run at any time, in any number of processes."""
    while due := await _claim(resources):
        gone = await _remove(resources, due)
        left = {one: _wait_s(one) for one in due if one not in gone}
        async with connection(resources.pool) as conn:
            await purges.delete_purges(conn, gone)
            await purges.postpone_purges(conn, left)
        if not gone:  # storage is away: no need to ask for the next batch at once
            return


async def forget(resources: Resources) -> None:
    """Rows that nobody can see, and uploads that nobody used. Safe in any number of processes."""
    quota = resources.settings.quota_generations

    async def forget_uploads(conn: Connection) -> int:
        return await uploads.delete_unused_uploads(conn, after_s=UNUSED_LIFE_S, n=BATCH)

    async def forget_generations(conn: Connection) -> int:
        return await purges.delete_deleted_generations(
            conn, after_s=ROWS_AFTER_S, counted_s=quota.window_s, n=BATCH
        )

    async def forget_usage(conn: Connection) -> int:
        return await usage.anonymise_usage_of_deleted(conn, n=USAGE_BATCH)

    async def forget_users(conn: Connection) -> int:
        return await users.delete_deleted_user(conn, after_s=ROWS_AFTER_S)

    for some in (forget_uploads, forget_generations, forget_usage, forget_users):
        await _in_batches(resources, some)


async def _in_batches(resources: Resources, some: Callable[[Connection], Awaitable[int]]) -> None:
    """Short statements, each committed; what is left after many waits for the next time."""
    async with connection(resources.pool) as conn:
        for _ in range(MAX_BATCHES):
            if not await some(conn):
                return


async def _claim(resources: Resources) -> list[Purge]:
    async with connection(resources.pool) as conn:
        return await purges.claim_due_purges(conn, n=BATCH, lease_s=CLAIM_S)


async def _remove(resources: Resources, due: Sequence[Purge]) -> list[Purge]:
    """Those whose object is gone now."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def remove(one: Purge) -> bool:
        async with slots:
            return await _remove_one(resources, one)

    async with asyncio.TaskGroup() as tasks:
        removals = [tasks.create_task(remove(one)) for one in due]
    return [one for one, removal in zip(due, removals, strict=True) if removal.result()]


async def _remove_one(resources: Resources, one: Purge) -> bool:
    try:
        async with asyncio.timeout(REMOVE_TIMEOUT_S):
            await resources.storage.delete(one.object_key)
    except (Unavailable, TimeoutError) as error:
        log.warning("purge.postponed", extra={"purge_id": one.id, "why": type(error).__name__})
        return False
    except Exception:
        # One object that cannot be removed must not keep the others.
        log.exception("purge.failed", extra={"purge_id": one.id})
        return False
    return True


def _wait_s(one: Purge) -> float:
    return backoff_s(one.tries, base_s=RETRY_BASE_S, cap_s=RETRY_CAP_S)
