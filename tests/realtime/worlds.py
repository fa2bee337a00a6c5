"""What schedules run against: two web processes on one database, and the rows they tell of."""

import asyncio
import contextlib
import socket
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from madar.db import generations, system, trash
from madar.domain.generations import PUBLIC
from madar.realtime import hub, inbox, listener
from tests.processes.proxy import Proxy, proxied
from tests.product import AMAL, BADR, Json, Person, Product, running_web, settings_for
from tests.realtime.watchers import GONE, Seen, Told, What
from tests.simulator.harness import Fal

SOON_S, NEVER_S = 0.2, 600
SEND_BUFFER_BYTES = 8192
HOUR_S = 3600
UNFINISHED = "state IN ('queued', 'processing', 'finalizing') AND deleted_at IS NULL"
FINISHABLE = "state IN ('queued', 'processing', 'finalizing', 'reviving') AND deleted_at IS NULL"
FAILED = "state = 'failed' AND deleted_at IS NULL"
THERE = "deleted_at IS NULL"
IN_TRASH = "deleted_at IS NOT NULL AND gone_at IS NOT NULL"
FORGOTTEN = "deleted_at IS NOT NULL AND gone_at IS NULL"

_NOTED = "RETURNING id, version, state, fal_progress, deleted_at IS NOT NULL AS is_deleted"
_CHANGED = f"version = version + 1, updated_at = now() WHERE id = ANY(%(ids)s) {_NOTED}"
_PROGRESS = (
    "UPDATE generations SET state = 'processing', fal_progress = least(fal_progress + 7, 99),"
    f" {_CHANGED}"
)
_COMPLETE = (
    "UPDATE generations SET state = 'completed', fal_progress = 100, error_code = NULL,"
    " next_action_at = NULL, completed_at = now(), master_key = 'aa/' || id || '.png',"
    " result_image_key = 'aa/' || id || '.webp', thumbnail_key = 'aa/' || id || 's.webp',"
    f" file_size_bytes = 5, {_CHANGED}"
)
_FAIL = (
    "UPDATE generations SET state = 'failed', error_code = 'content_policy', next_action_at = NULL,"
    f" {_CHANGED}"
)
_REVIVE = (
    "UPDATE generations SET state = 'reviving', next_action_at = now() WHERE id = ANY(%(ids)s)"
    f" {_NOTED}"
)
_CREATE = (
    "INSERT INTO generations (id, user_id, prompt, style, input_type, seed, step, deadline_at)"
    " SELECT unnest(%(ids)s::uuid[]), %(owner_id)s, repeat('صاروخ أحمر ', 60), 'voxel-3d', 'text',"
    f" 1, 'draw', now() + interval '1 hour' {_NOTED}"
)
_LOOK = (
    "SELECT id, version, state, fal_progress, deleted_at IS NOT NULL AS is_deleted"
    " FROM generations WHERE id = ANY(%(ids)s)"
)

_DEAFEN = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND starts_with(query, 'LISTEN')"
)


class FarProxy(Proxy):
    """As if the database were further away: its answers take a while."""

    delay_s = 0.0

    async def _answer(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await back.read(65536):
                await asyncio.sleep(self.delay_s)
                writer.write(data)
        writer.close()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The processes hear the bells without the proxy, and read through it."""

    dsn: str
    products: list[Product]
    far: FarProxy
    amal: Person
    badr: Person

    @property
    def urls(self) -> list[str]:
        return [one.url for one in self.products]

    def reread(self, every_s: float) -> None:
        """A re-reading that waits for the next one still waits as long as before."""
        listener.REREAD_S = every_s
        self.products[0].execute(_DEAFEN)


@contextlib.contextmanager
def standing(dsn: str, fal: Fal, storage: Path) -> Generator[Ground]:
    """Quick to find a lost bell, and with so little room that some connections overflow."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(hub, "MAX_SOCKETS", 100)
        patch.setattr(inbox, "MAX_WAITING", 3)
        patch.setattr(inbox, "PROGRESS_EVERY_S", 0.02)
        patch.setattr(listener, "REREAD_S", SOON_S)
        patch.setattr(listener, "RECONNECT_MAX_S", SOON_S)
        far, address = stack.enter_context(proxied(dsn, FarProxy))
        assert isinstance(far, FarProxy)
        products: list[Product] = []
        for _ in range(2):
            door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            settings = settings_for(
                dsn=address,
                database_direct_url=dsn,
                fal=fal,
                port=door.getsockname()[1],
                storage=str(storage),
                trash_days=30,
            )
            stack.enter_context(running_web(settings, door))
            products.append(Product(settings=settings, fal=fal))
            stack.enter_context(products[-1].open)
        amal, badr = (products[0].sign_in(email) for email in (AMAL, BADR))
        yield Ground(dsn=dsn, products=products, far=far, amal=amal, badr=badr)


@dataclass(frozen=True)
class Truth:
    seen: Seen
    is_revived: bool


class Rows:
    """Everybody's pictures, and each version of each as it was written."""

    def __init__(
        self, conn: AsyncConnection[DictRow], slow: AsyncConnection[DictRow], owners: Json
    ) -> None:
        self.owned: defaultdict[UUID, list[UUID]] = defaultdict(list)
        self.amal: UUID = owners[AMAL]
        self.badr: UUID = owners[BADR]
        self._conn = conn
        self._slow = slow
        self._held: list[UUID] = []
        self._purged: set[UUID] = set()
        self._history: defaultdict[UUID, dict[int, What]] = defaultdict(dict)

    async def some(self, condition: str, *, owner_id: UUID | None = None) -> list[UUID]:
        """Those that no open transaction holds."""
        cursor = await self._conn.execute(
            "SELECT id FROM generations WHERE user_id = %(owner_id)s AND id <> ALL(%(held)s)"
            f" AND {condition} ORDER BY created_at, id".encode(),
            {"owner_id": owner_id or self.amal, "held": self._held},
        )
        return [row["id"] for row in await cursor.fetchall()]

    async def truth(self, owner_id: UUID) -> dict[UUID, Truth]:
        """What is there."""
        cursor = await self._conn.execute(
            "SELECT id, version, state, fal_progress FROM generations"
            " WHERE user_id = %s AND deleted_at IS NULL",
            (owner_id,),
        )
        return {
            row["id"]: Truth(Seen(row["version"], _what(row)), row["state"] == "reviving")
            for row in await cursor.fetchall()
        }

    # Changes, each committed by itself; without its bell a lost one

    async def create(self, n: int = 1, *, owner_id: UUID | None = None) -> list[UUID]:
        """Known as theirs before anybody can hear of them."""
        owner_id = owner_id or self.amal
        ids = sorted(uuid4() for _ in range(n))
        self.owned[owner_id] += ids
        await self._write(self._conn, _CREATE, ids, owner_id=owner_id)
        return ids

    async def progress(self, *ids: UUID) -> None:
        await self._write(self._conn, _PROGRESS, ids)

    async def complete(self, id: UUID) -> None:
        await self._write(self._conn, _COMPLETE, [id])

    async def fail(self, id: UUID) -> None:
        await self._write(self._conn, _FAIL, [id])

    async def revive(self, id: UUID) -> None:
        await self._write(self._conn, _REVIVE, [id])

    async def delete(self, id: UUID) -> None:
        async with self._conn.transaction():
            await generations.delete_generation(
                self._conn, owner_id=self.amal, id=id, trash_s=HOUR_S
            )
            await self._look(id)

    async def restore(self, id: UUID) -> None:
        async with self._conn.transaction():
            await trash.restore_generation(self._conn, owner_id=self.amal, id=id)
            await self._look(id)

    async def forget(self, id: UUID) -> None:
        async with self._conn.transaction():
            await trash.delete_from_trash(self._conn, owner_id=self.amal, id=id)
            await self._look(id)

    async def purge(self, id: UUID) -> None:
        self._purged.add(id)
        await self._conn.execute("DELETE FROM generations WHERE id = %s", (id,))

    async def ring(self, *ids: UUID) -> None:
        await system.ring_generations(self._conn, ids=ids)

    async def begin(self, id: UUID) -> None:
        """A change that is there for nobody before `commit`, though it was made now."""
        self._held = [id]
        await self._slow.execute("BEGIN")
        await self._write(self._slow, _PROGRESS, [id])

    async def commit(self) -> list[UUID]:
        held, self._held = self._held, []
        if held:
            await self._slow.execute("COMMIT")
        return held

    async def past_minute(self) -> None:
        """Everything happened a minute earlier."""
        for table, column in (("generations", "updated_at"), ("deleted_generations", "deleted_at")):
            earlier = f"UPDATE {table} SET {column} = {column} - interval '1 minute'"
            await self._conn.execute(earlier.encode())

    async def deafen(self) -> None:
        """Ends the connections that hear bells."""
        await self._conn.execute(_DEAFEN)

    async def lose(self) -> None:
        """Ends all connections of the product."""
        await self._conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'madar'"
        )

    # What may have been told

    def check(self, told: list[Told]) -> None:
        """Nothing but what was so: each version as it was written, no deletion that was none.

        Somebody may still hear that what an earlier schedule left is gone.
        """
        for n, one in enumerate(told):
            written = self._history[one.id]
            if one.what == GONE and (not written or one.id in self._purged):
                continue
            if one.version is not None:
                assert written.get(one.version) == one.what, f"{one} was {written.get(one.version)}"
                continue
            deletions = [v for v, what in written.items() if what == GONE and v > one.after]
            assert deletions, f"never deleted: {one}"
            later = [
                other.version
                for other in told[n + 1 :]
                if other.id == one.id and other.what != GONE and other.version
            ]
            late = [version for version in later if one.after < version < deletions[0]]
            assert not late, f"told as deleted in {deletions[0]}, then as it was in {late[0]}"

    async def _write(
        self, conn: AsyncConnection[DictRow], statement: str, ids: Any, **given: Any
    ) -> None:
        cursor = await conn.execute(statement.encode(), {"ids": list(ids), **given})
        self._note(await cursor.fetchall())

    async def _look(self, id: UUID) -> None:
        cursor = await self._conn.execute(_LOOK.encode(), {"ids": [id]})
        self._note(await cursor.fetchall())

    def _note(self, rows: list[DictRow]) -> None:
        for row in rows:
            self._history[row["id"]][row["version"]] = _what(row)


def _what(row: DictRow) -> What:
    if row.get("is_deleted"):
        return GONE
    return PUBLIC[row["state"]], row["fal_progress"]


@contextlib.asynccontextmanager
async def rows_of(dsn: str) -> AsyncGenerator[Rows]:
    """Nobody has any at the beginning."""
    async with (
        await AsyncConnection[DictRow].connect(dsn, autocommit=True, row_factory=dict_row) as conn,
        await AsyncConnection[DictRow].connect(dsn, autocommit=True, row_factory=dict_row) as slow,
    ):
        await conn.execute("DELETE FROM generations")
        await conn.execute("DELETE FROM deleted_generations")
        found = await (await conn.execute("SELECT email, id FROM users")).fetchall()
        yield Rows(conn, slow, {row["email"]: row["id"] for row in found})
