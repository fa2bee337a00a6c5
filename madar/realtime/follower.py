"""One signed-in connection, whatever kind it is: what it joined and what it is told."""

import asyncio
import logging
import random
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson

from madar import i18n
from madar.db import generations
from madar.db.live import Mine, get_mine
from madar.db.pool import read
from madar.db.sessions import Viewer
from madar.errors import InvalidInput, MadarError, NotFound, TooBusy, Unavailable
from madar.i18n import Language
from madar.realtime import messages
from madar.realtime.endings import OLD, TRY_AGAIN, Ending
from madar.realtime.inbox import OVERFLOW, Inbox
from madar.realtime.live import Live
from madar.realtime.messages import ERROR, JOINED, Json, Message
from madar.realtime.pace import Pace

log = logging.getLogger(__name__)

MAX_JOINED = 100
MAX_MESSAGE_BYTES = 4096
BURST, PER_S = 150, 20  # a page that joins its whole gallery at once, and no flood
LIFE_S, LIFE_SPREAD = 12 * 3600, 0.1
COME_BACK_AFTER_S = 5  # whoever waits for another one to be closed

_CURSOR = re.compile(r"[0-9]{1,18}")


class TooManySockets(MadarError):
    def __init__(self) -> None:
        super().__init__("too_many_sockets", retry_after_s=COME_BACK_AFTER_S)


class TooManyJoined(MadarError):
    def __init__(self) -> None:
        super().__init__("too_many_joined")


@asynccontextmanager
async def following(live: Live, viewer: Viewer, language: Language) -> AsyncGenerator["Follower"]:
    """Raises TooManySockets."""
    inbox = live.hub.open(viewer.session_id, user_id=viewer.id)
    if inbox is None:
        raise TooManySockets
    life_s = LIFE_S * random.uniform(1 - LIFE_SPREAD, 1 + LIFE_SPREAD)  # noqa: S311
    ageing = asyncio.get_running_loop().call_later(life_s, inbox.end, OLD)
    facts = {"user_id": str(viewer.id), "session_id": str(viewer.session_id)}
    log.info("live.opened", extra=facts)
    try:
        yield Follower(live, viewer, language, inbox)
    finally:
        ageing.cancel()
        live.hub.close(inbox)
        ending = inbox.ending.code if inbox.ending else None
        log.info("live.closed", extra={**facts, "ending": ending})


class Follower:
    """Joining is for one at a time, and `next` for another at the same time."""

    __slots__ = ("_cursor", "_live", "_pace", "inbox", "language", "viewer")

    def __init__(self, live: Live, viewer: Viewer, language: Language, inbox: Inbox) -> None:
        self.viewer = viewer
        self.language: Language = language
        self.inbox = inbox
        self._live = live
        self._pace = Pace(burst=BURST, per_s=PER_S)
        self._cursor: int | None = None

    async def join(self, generation_id: UUID | None) -> Message:
        """As it is; what happens from then on is news. Raises NotFound, TooManyJoined."""
        if generation_id is None:
            raise NotFound
        if generation_id not in self.inbox.joined and len(self.inbox.joined) >= MAX_JOINED:
            raise TooManyJoined
        try:
            return messages.joined(await self._joined(generation_id))
        except MadarError:
            self.leave(generation_id)
            raise

    async def join_mine(self, since: str | None) -> Message:
        """What of theirs goes on, or what changed since a cursor. Raises InvalidInput."""
        try:
            return await self._joined_mine(None if since is None else _moment_in(since))
        except MadarError:
            self.leave_mine()
            raise

    def leave(self, generation_id: UUID) -> None:
        self._live.hub.leave(self.inbox, generation_id)

    def leave_mine(self) -> None:
        self._live.hub.leave_mine(self.inbox)

    async def next(self) -> Message | Ending:
        """What happened, or that it is over. After an overflow, what is theirs as it is now."""
        found = await self.inbox.get()
        if isinstance(found, Ending):
            return found
        if found != OVERFLOW:
            return found.in_language(self.language)
        try:
            return await self._joined_mine(self._cursor, resync=True)
        except (Unavailable, TooBusy):
            return TRY_AGAIN

    def may_speak(self) -> bool:
        return self._pace.allows_one_more()

    def refusal(self, error: MadarError, generation_id: UUID | None = None) -> Message:
        words = i18n.text(f"problem.{error.code}", self.language, **error.params)
        body: Json = {"code": error.code, "message": words}
        if generation_id:
            body["generationId"] = str(generation_id)
        return Message(type=ERROR, body=body, generation_id=generation_id)

    async def _joined(self, generation_id: UUID) -> Json:
        """Register, then read: nothing that happens between the two is missed."""
        self._live.hub.join(self.inbox, generation_id)
        snapshot = await self._snapshot(generation_id)
        while self._is_overtaken(generation_id, snapshot["version"]):
            self._live.hub.join(self.inbox, generation_id)
            snapshot = await self._snapshot(generation_id)
        self.inbox.show(generation_id, snapshot["version"])
        return snapshot

    def _is_overtaken(self, generation_id: UUID, version: int) -> bool:
        """By an event, behind which the answer must not go back; a deletion has ended the joining.

        Who has gone meanwhile waits for no answer.
        """
        is_joined = generation_id in self.inbox.joined
        is_old = not is_joined or version < self.inbox.known(generation_id)
        return is_old and self._live.hub.has(self.inbox)

    async def _snapshot(self, generation_id: UUID) -> Json:
        body = await read(
            self._live.pool,
            lambda conn: generations.get_generation_document(
                conn, owner_id=self.viewer.id, id=generation_id
            ),
        )
        if body is None:
            raise NotFound
        return orjson.loads(self._live.finish(body, self.language))

    async def _joined_mine(self, since: int | None, **more: Any) -> Message:
        """What comes meanwhile waits, and what of it is older than the answer is dropped."""
        self._live.hub.join_mine(self.inbox)
        self.inbox.is_overflowed = False
        self.inbox.hold()
        try:
            mine = await read(
                self._live.pool,
                lambda conn: get_mine(conn, owner_id=self.viewer.id, since=since),
            )
            shown = orjson.loads(self._live.finish(mine.generations.encode(), self.language))
            for one in shown:
                self.inbox.show(UUID(one["id"]), one["version"])
            for generation_id, version in mine.deletions:
                self._live.hub.show_deletion(self.inbox, generation_id, version)
        finally:
            self.inbox.go_on()
        self._cursor = mine.cursor
        return Message(type=JOINED, body=_body(mine, shown) | more)


def _body(mine: Mine, shown: list[Json]) -> Json:
    return {
        "mine": True,
        "generations": shown,
        "deleted": [str(generation_id) for generation_id, _ in mine.deletions],
        "cursor": str(mine.cursor),
        "hasMore": mine.has_more,
    }


def _moment_in(cursor: str) -> int:
    if not _CURSOR.fullmatch(cursor):
        raise InvalidInput.at("/since", "cursor_invalid")
    return int(cursor)
