"""Comparing storage with the rows, both ways: what nobody names goes, what is missing is told."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from madar import metrics
from madar.clients.storage import Stored
from madar.db import orphans, purges
from madar.db.orphans import Owned
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
# So few may be orphans even where they are most of a folder.
HANDFUL = 5
OWNER_KEY = "madar-owner.txt"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Of the old objects of one folder: those that no row names, and how many a row names."""

    folder: str
    orphans: tuple[Stored, ...]
    named: int

    @property
    def is_suspicious(self) -> bool:
        """Rather than these pictures, it seems, the rows are missing: nothing may go."""
        return len(self.orphans) > HANDFUL and len(self.orphans) > self.named


async def survey_folder(resources: Resources, *, turn: int) -> Survey:
    """What reconcile_folder would find; changes nothing. Raises Unavailable."""
    folder = f"{turn % FOLDERS:02x}"
    return await _survey(resources, await resources.storage.list_folder(folder), folder=folder)


async def measure_folder(resources: Resources, *, turn: int) -> list[tuple[Stored, Owned]]:
    """Every object of one folder, with whose it is; changes nothing. Raises Unavailable."""
    found = await resources.storage.list_folder(f"{turn % FOLDERS:02x}")
    by_key = {stored.key: stored for stored in found}
    keys, owned = list(by_key), list[Owned]()
    for start in range(0, len(keys), BATCH):
        async with connection(resources.pool) as conn:
            batch = keys[start : start + BATCH]
            owned += await orphans.list_object_owners(conn, object_keys=batch)
    return [(by_key[one.object_key], one) for one in owned]


async def read_owner(resources: Resources) -> tuple[str | None, str]:
    """Whose storage it is by the note in it, and what this deployment would write there."""
    async with connection(resources.pool) as conn:
        us = f"{await orphans.get_installation(conn)} {resources.settings.app_url.rstrip('/')}"
    try:
        return (await resources.storage.read(OWNER_KEY)).decode(errors="replace"), us
    except NotFound:
        return None, us


async def reconcile_folder(resources: Resources, *, turn: int) -> int:
    """One folder of storage; `turn` after `turn` all of them have theirs.

    May run at any time, in any number of processes, while pictures come and go: a key that was
    named by no row a day after it was stored will never be, since keys are made of the ids of
    attempts and uploads, and those take their places within hours. Answers how many objects the
    worker is to remove now. Raises Unavailable.
    """
    folder = f"{turn % FOLDERS:02x}"
    found = await resources.storage.list_folder(folder)
    removed = await _remove_orphans(resources, await _survey(resources, found, folder=folder))
    young = datetime.now(UTC) - ORPHAN_AFTER
    await _remove_unfinished(resources, folder=folder, before=young)
    await _tell_missing(resources, {stored.key for stored in found}, folder=folder)
    return removed


async def _survey(resources: Resources, found: Sequence[Stored], *, folder: str) -> Survey:
    young = datetime.now(UTC) - ORPHAN_AFTER
    old = {stored.key: stored for stored in found if stored.at < young}
    unnamed = [old[key] for key in await _list_orphans(resources, list(old))]
    return Survey(folder=folder, orphans=tuple(unnamed), named=len(old) - len(unnamed))


async def _remove_orphans(resources: Resources, survey: Survey) -> int:
    """Only from storage of ours, and not where it looks as if the rows were what is missing."""
    unnamed = survey.orphans
    is_ours = await _is_ours(resources, has_most=survey.named > len(unnamed))
    if not is_ours or not unnamed:
        return 0
    facts = {"folder": survey.folder, "objects": len(unnamed)}
    if survey.is_suspicious:
        log.error("objects.suspicious", extra={**facts, "named": survey.named})
        return 0
    async with connection(resources.pool) as conn:
        await purges.insert_purges(conn, object_keys=[one.key for one in unnamed])
    log.warning("orphans.found", extra=facts)
    return len(unnamed)


async def _list_orphans(resources: Resources, keys: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(keys), BATCH):
        async with connection(resources.pool) as conn:
            found += await orphans.list_orphans(conn, object_keys=keys[start : start + BATCH])
    return found


async def _remove_unfinished(resources: Resources, *, folder: str, before: datetime) -> None:
    removed = await resources.storage.remove_unfinished(folder, before=before)
    if removed:
        log.warning("unfinished.removed", extra={"folder": folder, "files": removed})


async def _tell_missing(resources: Resources, there: set[str], *, folder: str) -> None:
    async with connection(resources.pool) as conn:
        named = await orphans.list_named_objects(
            conn, first=f"{folder}/", beyond=f"{folder}0", settled_s=SETTLED_S
        )
    missing = sorted({one.object_key for one in named} - there)
    lost = [key for key in missing[:MAX_TOLD] if await _is_gone(resources, key)]
    if lost:
        facts = {"folder": folder, "object_keys": lost, "suspected": len(missing)}
        metrics.objects_missing.inc(len(lost))
        log.error("objects.missing", extra=facts)


async def _is_gone(resources: Resources, key: str) -> bool:
    """A list may be behind; asking for one object is not."""
    try:
        await resources.storage.check(key)
    except NotFound:
        return True
    return False


async def _is_ours(resources: Resources, *, has_most: bool) -> bool:
    """Storage has one owner, whose note lies in it: which database, and at which address.

    With the settings of another deployment, or a copy of its database, everything new of that
    other one would look like an orphan here. Without a note it becomes ours when there is nothing
    in it, or when our rows name most of what we have just looked at; then from the next turn on,
    should two have found it so at once.
    """
    owner, us = await read_owner(resources)
    if owner is None:
        if has_most or await resources.storage.is_empty():
            await resources.storage.put(OWNER_KEY, us.encode())
        return False
    if owner != us:
        log.error("orphans.not_ours", extra={"owner": owner, "us": us, "note": OWNER_KEY})
    return owner == us
