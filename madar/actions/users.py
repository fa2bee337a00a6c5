"""A person's account: they change it, or leave; an operator closes it."""

from datetime import timedelta
from uuid import UUID

from madar.clients.cache import user_key
from madar.db import fal_purges, generations, idempotency, purges, sessions, usage, users
from madar.db.pool import connection, transaction
from madar.db.sql import Connection
from madar.domain.users import ProfileChange
from madar.errors import Forbidden, Unauthenticated
from madar.resources import Resources

FRESH_SIGN_IN = timedelta(minutes=10)
USAGE_AT_ONCE = 20_000  # rows; a fraction of a second, and more than most people ever have


async def update_profile(resources: Resources, *, owner_id: UUID, change: ProfileChange) -> bytes:
    """The profile afterwards, as JSON."""
    async with connection(resources.pool) as conn:
        body = await users.update_profile(
            conn,
            owner_id=owner_id,
            display_name=change.display_name,
            language=change.language,
        )
    if body is None:
        raise Unauthenticated
    await resources.cache.delete(user_key(owner_id))
    return body


async def delete_account(resources: Resources, *, owner_id: UUID, session_id: UUID) -> list[UUID]:
    """Nothing is there any more afterwards; the worker removes the objects and then the rows.

    Answers the ended sessions. Raises Unauthenticated, and Forbidden when the sign-in is not fresh.
    """
    async with transaction(resources.pool) as conn:
        # Waits for creations under way, which share a lock on the row, and stops later ones. First
        # of all: with a weaker lock in hand, this and an upload would wait for each other.
        if not await users.mark_user_deleted(conn, owner_id=owner_id):
            raise Unauthenticated
        if not await sessions.is_fresh(conn, id=session_id, user_id=owner_id, age=FRESH_SIGN_IN):
            raise Forbidden("sign_in_again")
        ended = await _delete_all_of(conn, owner_id)
    await resources.cache.delete(user_key(owner_id))
    return ended


async def remove_account(resources: Resources, *, owner_id: UUID) -> bool:
    """The same by an operator's word. False: it was deleted before."""
    async with transaction(resources.pool) as conn:
        is_new = await users.mark_user_deleted(conn, owner_id=owner_id)
        if is_new:
            await _delete_all_of(conn, owner_id)
    await resources.cache.delete(user_key(owner_id))
    return is_new


async def deactivate_account(resources: Resources, *, user_id: UUID) -> list[UUID] | None:
    """Nobody comes in with it from then on; answers the ended sessions.

    Their sockets hear of it within seconds. None: it is so already, or the account is gone.
    """
    async with transaction(resources.pool) as conn:
        # A sign-in holds the row until its session is there, which the next statement then sees.
        if not await users.set_user_active(conn, id=user_id, is_active=False):
            return None
        ended = await sessions.delete_sessions(conn, user_id=user_id)
    await resources.cache.delete(user_key(user_id))
    return ended


async def activate_account(resources: Resources, *, user_id: UUID) -> bool:
    """They may sign in again. False: they may already, or the account is gone."""
    async with connection(resources.pool) as conn:
        return await users.set_user_active(conn, id=user_id, is_active=True)


async def _delete_all_of(conn: Connection, owner_id: UUID) -> list[UUID]:
    """In the transaction that marked the account deleted; answers the ended sessions."""
    await users.insert_account_deletion(conn, owner_id=owner_id)
    await generations.delete_generations(conn, owner_id=owner_id)
    await fal_purges.insert_fal_purges_of_account(conn, owner_id=owner_id)
    await purges.insert_purges_of_uploads(conn, owner_id=owner_id)
    # After the workers, who keep a translation in the transaction that changes the row.
    await purges.delete_translations_of_account(conn, owner_id=owner_id)
    await idempotency.delete_idempotency_keys(conn, owner_id=owner_id)
    await usage.anonymise_usage(conn, user_id=owner_id, n=USAGE_AT_ONCE)
    return await sessions.delete_sessions(conn, user_id=owner_id)
