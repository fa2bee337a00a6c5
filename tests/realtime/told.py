"""Rows and inboxes for the tests of what is told."""

import asyncio
import json
from uuid import UUID, uuid4

from madar.db.live import News
from madar.domain.generations import State
from madar.i18n import Language
from madar.realtime.hub import Hub
from madar.realtime.inbox import Inbox
from madar.realtime.messages import Told

A, B = uuid4(), uuid4()
AMAL, BADR = uuid4(), uuid4()


def unfinished(body: bytes, language: Language) -> bytes:
    del language
    return body


def news(version: int, *, id: UUID = A, state: State = "processing", owner_id: UUID = AMAL) -> News:
    status = "completed" if state == "completed" else "processing"
    shown = {"id": str(id), "version": version, "status": status, "progress": 1}
    document = json.dumps(shown)
    return News(
        id=id, user_id=owner_id, version=version, state=state, is_deleted=False, document=document
    )


def deleted(version: int, *, id: UUID = A, owner_id: UUID = AMAL) -> News:
    """In the trash."""
    return News(
        id=id,
        user_id=owner_id,
        version=version,
        state="completed",
        is_deleted=True,
        document=None,
    )


def gone(version: int, *, id: UUID = A) -> News:
    """The row itself."""
    return News(id=id, user_id=None, version=version, state=None, is_deleted=True, document=None)


def told(one: News) -> Told:
    return Told(one, unfinished)


def opened(hub: Hub, *joined: UUID, mine: bool = False, owner_id: UUID = AMAL) -> Inbox:
    inbox = hub.open(uuid4(), user_id=owner_id)
    assert inbox
    for generation_id in joined:
        hub.join(inbox, generation_id)
    if mine:
        hub.join_mine(inbox)
    return inbox


async def waiting_in(inbox: Inbox) -> list[tuple[UUID, int]]:
    """All that is there without waiting for anything but the pace: ids and versions."""
    found: list[tuple[UUID, int]] = []
    while True:
        try:
            async with asyncio.timeout(0):
                one = await inbox.get()
        except TimeoutError:
            return found
        assert isinstance(one, Told), one
        found.append((one.id, one.version))
