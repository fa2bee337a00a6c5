"""Comparing storage with the rows, both ways: what nobody names goes, what is missing is told."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from madar.db import orphans
from madar.db.pool import connection
from madar.errors import NotFound
from madar.resources import Resources

log = logging.getLogger(__name__)

FOLDERS = 256  # the first two hexadecimal digits of a key
# Whatever was on its way to a row when it was stored has arrived by then, or never will.
ORPHAN_AFTER = timedelta(hours=24)
SETTLED_S = 3600
BATCH = 5_000
MAX_TOLD = 20
OWNER_KEY = "madar-owner.txt"


async def reconcile_folder(resources: Resources, *, turn: int) -> None:
    """One folder of storage; `turn` after `turn` all of them have theirs.

    May run at any time, in any number of processes, while pictures come and go: a key that was
    named by no row a day after it was stored will never be, since keys are made of the ids of
    attempts and uploads, and those take their places within hours. Raises Unavailable.
    """
    if not await _is_ours(resources):
        return
    folder = f"{turn % FOLDERS:02x}"
    found = await resources.storage.list_folder(folder)
    young = datetime.now(UTC) - ORPHAN_AFTER
    old = [stored.key for stored in found if stored.at < young]
    await _remove_orphans(resources, old, folder=folder)
    await _tell_missing(resources, {stored.key for stored in found}, folder=folder)


async def _remove_orphans(resources: Resources, keys: Sequence[str], *, folder: str) -> None:
    for start in range(0, len(keys), BATCH):
        some = keys[start : start + BATCH]
        async with connection(resources.pool) as conn:
            found = await orphans.insert_purges_of_orphans(conn, object_keys=some)
        if found:
            log.warning("orphans.found", extra={"folder": folder, "objects": found})


async def _tell_missing(resources: Resources, there: set[str], *, folder: str) -> None:
    async with connection(resources.pool) as conn:
        named = await orphans.list_named_objects(
            conn, first=f"{folder}/", beyond=f"{folder}0", settled_s=SETTLED_S
        )
    missing = sorted({one.object_key for one in named} - there)
    lost = [key for key in missing[:MAX_TOLD] if await _is_gone(resources, key)]
    if lost:
        facts = {"folder": folder, "object_keys": lost, "suspected": len(missing)}
        log.error("objects.missing", extra=facts)


async def _is_gone(resources: Resources, key: str) -> bool:
    """A list may be behind; asking for one object is not."""
    try:
        await resources.storage.check(key)
    except NotFound:
        return True
    return False


async def _is_ours(resources: Resources) -> bool:
    """A bucket has one owner, who leaves a note in it.

    With the settings of another deployment, a copy of its database for one, everything new of
    that other one would look like an orphan here.
    """
    if resources.storage.is_local:
        return True
    us = resources.settings.app_url.rstrip("/")
    try:
        owner = (await resources.storage.read(OWNER_KEY)).decode()
    except NotFound:
        await resources.storage.put(OWNER_KEY, us.encode())
        return True
    if owner != us:
        log.error("orphans.not_ours", extra={"owner": owner, "note": OWNER_KEY})
    return owner == us
