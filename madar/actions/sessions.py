"""Signing in and out."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from madar.db import sessions, sign_ins, users
from madar.db.pool import connection, transaction
from madar.db.sessions import Session
from madar.db.users import User
from madar.errors import Forbidden, Unauthenticated
from madar.resources import Resources

SIGN_IN_LIFE_S = 600
SESSION_LIFE_S = 30 * 24 * 3600


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


def token_hash(token: str) -> bytes:
    """256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()


async def start_sign_in(resources: Resources, *, browser_token: str) -> SignInStarted:
    state = secrets.token_urlsafe(32)
    nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    url = await resources.google.authorization_url(
        state=state, nonce=nonce, code_challenge=challenge
    )
    async with connection(resources.pool) as conn:
        await sign_ins.insert_sign_in(
            conn,
            state_hash=token_hash(state),
            browser_hash=token_hash(browser_token),
            nonce=nonce,
            code_verifier=verifier,
            ttl_s=SIGN_IN_LIFE_S,
        )
    return SignInStarted(url=url, state=state, browser_token=browser_token)


async def finish_sign_in(
    resources: Resources, *, code: str, state: str, browser_token: str, language: str
) -> SignedIn:
    """Whatever the outcome, the state is used up. Raises Unauthenticated, Forbidden."""
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
        session = await sessions.insert_session(
            conn, user_id=user.id, token_hash=token_hash(token), ttl_s=SESSION_LIFE_S
        )
    return SignedIn(user=user, session=session, token=token)


async def sign_out(resources: Resources, *, session_id: UUID, user_id: UUID) -> None:
    """Ends requests at once; open sockets of the session hear of it within seconds."""
    async with connection(resources.pool) as conn:
        await sessions.delete_session(conn, id=session_id, user_id=user_id)
