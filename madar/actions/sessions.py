"""Signing in and out."""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from uuid import UUID

from madar.clients.cache import user_key
from madar.db import sessions, sign_ins, users
from madar.db.pool import connection, transaction
from madar.db.sessions import Session
from madar.db.users import User
from madar.domain.returning import check_return_to
from madar.domain.texts import printable
from madar.errors import Forbidden, Unauthenticated
from madar.resources import Resources

log = logging.getLogger(__name__)

SIGN_IN_LIFE_S = 600
SESSION_IDLE_S = 7 * 24 * 3600
SESSION_LIFE_S = 30 * 24 * 3600
MAX_SESSIONS = 20
MAX_USER_AGENT_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class SignInStarted:
    """`browser_token` goes into a cookie and must come back with the state."""

    url: str
    state: str
    browser_token: str


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """`token` is the session's secret; the database has only its hash."""

    user: User
    session: Session
    token: str
    return_to: str


def token_hash(token: str) -> bytes:
    """256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()


async def start_sign_in(
    resources: Resources, *, browser_token: str, return_to: str = ""
) -> SignInStarted:
    """`return_to`: a path of the frontend, empty for its front door. Raises InvalidInput."""
    return_to = return_to and check_return_to(return_to)
    state = secrets.token_urlsafe(32)
    nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    url = await resources.google.authorization_url(state=state, nonce=nonce, code_verifier=verifier)
    async with connection(resources.pool) as conn:
        await sign_ins.insert_sign_in(
            conn,
            state_hash=token_hash(state),
            browser_hash=token_hash(browser_token),
            nonce=nonce,
            code_verifier=verifier,
            return_to=return_to,
            ttl_s=SIGN_IN_LIFE_S,
        )
    return SignInStarted(url=url, state=state, browser_token=browser_token)


async def finish_sign_in(
    resources: Resources,
    *,
    code: str,
    state: str,
    browser_token: str,
    language: str,
    user_agent: str,
    presented_token: str,
) -> SignedIn:
    """A new session; the one that the browser still held (`presented_token`) ends.

    Whatever the outcome, the state is used up. Raises Unauthenticated, Forbidden.
    """
    async with connection(resources.pool) as conn:
        started = await sign_ins.take_sign_in(conn, state_hash=token_hash(state))
    if started is None or not started.is_fresh:
        raise Unauthenticated("sign_in_expired")
    if not hmac.compare_digest(started.browser_hash, token_hash(browser_token)):
        raise Unauthenticated("sign_in_expired")
    identity = await resources.google.identify(
        code=code, code_verifier=started.code_verifier, nonce=started.nonce
    )
    token = secrets.token_urlsafe(32)
    async with transaction(resources.pool) as conn:
        user = await users.upsert_user(
            conn,
            google_id=identity.subject,
            email=identity.email,
            display_name=identity.name,
            avatar_url=identity.avatar_url,
            language=language,
        )
        if not user.is_active:
            raise Forbidden("account_disabled")
        await sessions.delete_session_by_token(conn, token_hash=token_hash(presented_token))
        session = await sessions.insert_session(
            conn,
            user_id=user.id,
            token_hash=token_hash(token),
            idle_s=SESSION_IDLE_S,
            life_s=SESSION_LIFE_S,
            user_agent=printable(user_agent)[:MAX_USER_AGENT_CHARACTERS],
        )
        await sessions.delete_surplus_sessions(conn, user_id=user.id, n=MAX_SESSIONS)
    await resources.cache.delete(user_key(user.id))
    log.info("session.started", extra={"user_id": str(user.id)})
    return SignedIn(user=user, session=session, token=token, return_to=started.return_to)


async def sign_out(resources: Resources, *, session_id: UUID, user_id: UUID) -> bool:
    """Ends requests at once; open sockets of the session hear of it within seconds.

    False: there is no such session of this person.
    """
    async with connection(resources.pool) as conn:
        return await sessions.delete_session(conn, id=session_id, user_id=user_id)


async def sign_out_everywhere(resources: Resources, *, user_id: UUID) -> list[UUID]:
    """Answers the ids of the ended sessions."""
    async with connection(resources.pool) as conn:
        return await sessions.delete_sessions(conn, user_id=user_id)
