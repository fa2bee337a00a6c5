"""The one LISTEN connection of a process, and the loops that feed the hub.

NOTIFY has no replay and a bell may be lost, so what somebody waits for is read again after every
reconnect and every few seconds; the bell only makes it quick.

A connection that died without a word, and one through a transaction pooler, are as silent as one
on which nothing happens. So this one has a channel of its own, and hears there every few seconds
what the pool says. It is said by the pool because a pooler may well deliver to a client what that
same client says.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, Notify

from madar.clients.cache import Cache, styles_key
from madar.db import sessions, system
from madar.db.live import Changed, get_moment, list_changed_ids, list_news
from madar.db.pool import DIRECT, REFUSED_SESSION, Pool, connection, read
from madar.db.system import GENERATIONS_CHANNEL, STYLES_CHANNEL
from madar.errors import Unavailable
from madar.i18n import LANGUAGES
from madar.liveness import Liveness
from madar.realtime.endings import FORBIDDEN
from madar.realtime.hub import Hub

log = logging.getLogger(__name__)

T = TypeVar("T")

REREAD_S = 5
AT_ONCE = 500  # people or sessions asked about: to write down ten thousand ids holds the event loop
PULSE_EVERY_S = 10
HEARD_WITHIN_S = 10
ANSWER_WITHIN_S = 10
RECONNECT_MAX_S = 5
LISTEN, PULSE = "realtime.listen", "realtime.pulse"
DELIVER, REREAD = "realtime.deliver", "realtime.reread"
SESSIONS = "realtime.sessions"


class Unheard(Exception):
    """What was said on the connection's own channel did not come."""


class _Proof:
    """Of one connection: when it last heard itself, and what it has not heard yet."""

    def __init__(self) -> None:
        self.channel = f"madar_pulse_{secrets.token_hex(8)}"
        self.is_given = False
        self._lived_at = time.monotonic()
        self._said_at: float | None = None

    @property
    def is_missing(self) -> bool:
        """Said long enough ago, and not heard."""
        return self._said_at is not None and time.monotonic() - self._said_at >= HEARD_WITHIN_S

    @property
    def is_overdue(self) -> bool:
        """Nothing could be said for so long that the connection is to be asked itself."""
        patience_s = PULSE_EVERY_S + HEARD_WITHIN_S
        return self._said_at is None and time.monotonic() - self._lived_at >= patience_s

    def said(self, began_at: float) -> None:
        """It may have been heard before the one who said it knew that it was said."""
        if self._said_at is None and self._lived_at < began_at:
            self._said_at = time.monotonic()

    def heard(self) -> None:
        self.is_given = True
        self.lives()

    def lives(self) -> None:
        self._lived_at, self._said_at = time.monotonic(), None


class Listener:
    """Run `run` in a task group; `heard` is set once a LISTEN has proved itself.

    `on_unheard` is called when the first one of all stands and is deaf, or is refused by a pooler:
    the settings are wrong.
    """

    def __init__(
        self,
        direct_url: str,
        pool: Pool,
        hub: Hub,
        cache: Cache,
        liveness: Liveness,
        *,
        on_unheard: Callable[[], object] = lambda: None,
    ) -> None:
        self._url = direct_url
        self._pool = pool
        self._hub = hub
        self._cache = cache
        self._liveness = liveness
        self._on_unheard = on_unheard
        self.heard = asyncio.Event()
        self._proof: _Proof | None = None
        self._stands = asyncio.Event()
        self._may_have_missed = asyncio.Event()
        self._read_until: int | None = None

    @property
    def hears(self) -> bool:
        """Whether a LISTEN stands now that has proved itself."""
        return self._proof is not None and self._proof.is_given

    async def run(self) -> None:
        turns = {
            LISTEN: self._listen,
            PULSE: self._pulse,
            DELIVER: self._deliver,
            REREAD: self._reread,
            SESSIONS: self._end_sessions,
        }
        async with asyncio.TaskGroup() as tasks:
            for loop, turn in turns.items():
                tasks.create_task(self._liveness.keep(loop, partial(self._for_ever, loop, turn)))

    async def _for_ever(self, loop: str, turn: Callable[[], Awaitable[None]]) -> None:
        await for_ever(turn, partial(self._liveness.sleep, loop))

    async def _listen(self) -> None:
        self._liveness.beat(LISTEN)
        async with await self._connect() as conn:
            proof = _Proof()
            async with asyncio.timeout(ANSWER_WITHIN_S):
                for channel in (GENERATIONS_CHANNEL, STYLES_CHANNEL, proof.channel):
                    await conn.execute(f"LISTEN {channel}".encode())
            self._may_have_missed.set()
            await self._forget_styles()
            self._proof = proof
            self._stands.set()
            try:
                await self._follow(conn, proof)
            finally:
                self._proof = None

    async def _connect(self) -> AsyncConnection:
        """A pooler that says what it is need not be listened to."""
        try:
            return await AsyncConnection.connect(self._url, autocommit=True, **DIRECT)
        except psycopg.OperationalError as error:
            if REFUSED_SESSION in str(error) and not self.heard.is_set():
                self._on_unheard()
            raise

    async def _follow(self, conn: AsyncConnection, proof: _Proof) -> None:
        look_every_s = min(self._liveness.every_s, HEARD_WITHIN_S / 4)
        while True:
            self._liveness.beat(LISTEN)
            async for notice in conn.notifies(timeout=look_every_s):
                self._liveness.beat(LISTEN)
                await self._hear(notice, proof)
            if proof.is_missing:
                await self._say_unheard(conn)
                raise Unheard
            if proof.is_overdue:
                await _ping(conn)
                proof.lives()

    async def _hear(self, notice: Notify, proof: _Proof) -> None:
        if notice.channel == proof.channel:
            proof.heard()
            self.heard.set()
        elif notice.channel == STYLES_CHANNEL:
            await self._forget_styles()
        else:
            self._ring(notice.payload)

    async def _say_unheard(self, conn: AsyncConnection) -> None:
        """Where something was ever heard, or does not answer, the settings are not to blame."""
        if not self.heard.is_set():
            await _ping(conn)
            self._on_unheard()

    async def _pulse(self) -> None:
        """As soon as a LISTEN stands, and every few seconds then."""
        await self._liveness.wait(PULSE, self._stands, at_most_s=PULSE_EVERY_S)
        self._stands.clear()
        if proof := self._proof:
            began_at = time.monotonic()
            try:
                async with connection(self._pool) as conn:
                    await system.ring_pulse(conn, channel=proof.channel)
            except BaseException:
                self._stands.set()
                raise
            proof.said(began_at)

    async def _forget_styles(self) -> None:
        await self._cache.delete(*(styles_key(language) for language in LANGUAGES))

    async def _deliver(self) -> None:
        await self._liveness.wait(DELIVER, self._hub.rung)
        await self._hub.deliver(
            lambda known: read(self._pool, lambda conn: list_news(conn, known=known))
        )

    async def _reread(self) -> None:
        await self._liveness.wait(REREAD, self._may_have_missed, at_most_s=REREAD_S)
        self._may_have_missed.clear()
        self._hub.ring_all()
        try:
            await self._reread_followed()
        except BaseException:
            self._may_have_missed.set()
            raise

    async def _reread_followed(self) -> None:
        """What nobody has joined by its id is found by its owner, from where the last one began."""
        moment = await read(self._pool, get_moment)
        since = moment if self._read_until is None else self._read_until
        rows: list[Changed] = []
        for piece in _pieces(self._hub.followed_ids):
            rows += await read(self._pool, partial(list_changed_ids, owner_ids=piece, since=since))
        self._read_until = moment
        self._hub.ring_changed(rows)

    async def _end_sessions(self) -> None:
        await self._liveness.sleep(SESSIONS, REREAD_S)
        for piece in _pieces(self._hub.sessions.items()):
            ended = await read(
                self._pool, partial(sessions.list_ended_sessions, owners=dict(piece))
            )
            closed = {one.id for one in ended if one.is_account_closed}
            self._hub.end_sessions(closed, FORBIDDEN)
            self._hub.end_sessions({one.id for one in ended} - closed)

    def _ring(self, payload: str) -> None:
        """What a release before this one rings names no owner."""
        try:
            generation_id, version, *owner = payload.split()
            owner_id = UUID(owner[0]) if owner else None
            self._hub.ring(UUID(generation_id), version=int(version), owner_id=owner_id)
        except ValueError:
            log.warning("bell.unreadable")


def _pieces(those: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(those)
    while piece := list(islice(rest, AT_ONCE)):
        yield piece


async def _ping(conn: AsyncConnection) -> None:
    async with asyncio.timeout(ANSWER_WITHIN_S):
        await system.ping(conn)


async def for_ever(
    turn: Callable[[], Awaitable[None]], sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Turn after turn; what interrupts one costs a pause, growing to a few seconds.

    It begins small again after a turn that took longer than any pause: listening is one turn, and
    went well until then. Nothing ends the loop: it lives in the web process, which must outlive its
    database.
    """
    failures, clock = 0, asyncio.get_running_loop().time
    while True:
        began_at = clock()
        try:
            await turn()
            failures = 0
        except (psycopg.Error, Unavailable, OSError, Unheard) as error:
            log.warning("realtime.interrupted", extra={"why": type(error).__name__})
            failures += 1
        except Exception:
            log.exception("realtime.failed")
            failures += 1
        if failures and clock() - began_at > RECONNECT_MAX_S:
            failures = 1
        if failures:
            pause = min(RECONNECT_MAX_S, 0.1 * 2 ** min(failures, 10))
            await sleep(random.uniform(pause / 2, pause))  # noqa: S311
