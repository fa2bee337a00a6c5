"""A request that comes again under its Idempotency-Key is answered as it was the first time."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from madar.db import idempotency
from madar.db.pool import connection
from madar.db.sql import Connection
from madar.errors import Conflict, InvalidInput
from madar.resources import Resources


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """Whose request under which key; `body_hash` says what was asked."""

    owner_id: UUID
    route: str
    key: str
    body_hash: bytes

    @classmethod
    def maybe(cls, *, owner_id: UUID, route: str, key: str | None, asked: bytes) -> "Keyed | None":
        """`asked` is whatever makes one request differ from another."""
        if key is None:
            return None
        body_hash = hashlib.sha256(asked).digest()
        return cls(owner_id=owner_id, route=route, key=key, body_hash=body_hash)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The wire's JSON, and whether it was given before."""

    body: bytes
    is_replayed: bool = False


async def answer_once(
    resources: Resources, keyed: Keyed | None, make: Callable[[], Awaitable[bytes]]
) -> Answered:
    """What `make` answers, or what it answered under this key before.

    `make` claims the key and remembers its answer in its own transaction. Raises InvalidInput when
    the key was used for something else, Conflict while the first one is still at it after two
    seconds.
    """
    if keyed is None:
        return Answered(body=await make())
    async with resources.lines.keys.turn((keyed.owner_id, keyed.route, keyed.key)):
        if known := await _answered_before(resources, keyed):
            return known
        try:
            return Answered(body=await make())
        except Conflict:  # another process came first
            if known := await _answered_before(resources, keyed):
                return known
            raise


async def claim_key(conn: Connection, keyed: Keyed | None) -> None:
    """First in the transaction; waits for another that has this key. Raises Conflict."""
    if keyed and not await idempotency.insert_idempotency_key(
        conn,
        owner_id=keyed.owner_id,
        route=keyed.route,
        key=keyed.key,
        body_hash=keyed.body_hash,
    ):
        raise Conflict("idempotency_in_flight", retry_after_s=1)


async def remember_answer(conn: Connection, keyed: Keyed | None, body: bytes) -> None:
    """Last in the transaction that claimed the key."""
    if keyed:
        await idempotency.set_idempotent_response(
            conn,
            owner_id=keyed.owner_id,
            route=keyed.route,
            key=keyed.key,
            response=body.decode(),
        )


async def _answered_before(resources: Resources, keyed: Keyed) -> Answered | None:
    async with connection(resources.pool) as conn:
        known = await idempotency.get_idempotent_response(
            conn, owner_id=keyed.owner_id, route=keyed.route, key=keyed.key
        )
    if known is None:
        return None
    if known.body_hash != keyed.body_hash:
        raise InvalidInput.at("", "idempotency_mismatch")
    return Answered(body=known.response.encode(), is_replayed=True)
