"""Tickets: a signed-in page gets one, and shows it once where it can set no header."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from madar.actions.sessions import token_hash
from madar.db import tickets
from madar.db.pool import connection, transaction
from madar.db.sessions import Viewer
from madar.errors import Unauthenticated
from madar.i18n import Language
from madar.resources import Resources

TICKET_LIFE_S = 30
MAX_TICKETS = 20  # open at once, of one session

_TICKET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """`token` is its secret; the database has only the hash."""

    token: str
    expires_at: datetime


async def issue_ticket(resources: Resources, *, viewer: Viewer, language: Language) -> Ticket:
    """Raises Unauthenticated when the session ends at this moment."""
    token = secrets.token_urlsafe(32)
    async with transaction(resources.pool) as conn:
        inserted = await tickets.insert_ticket(
            conn,
            token_hash=token_hash(token),
            session_id=viewer.session_id,
            owner_id=viewer.id,
            language=language,
            life_s=TICKET_LIFE_S,
        )
        if inserted is None:
            raise Unauthenticated
        await tickets.delete_surplus_tickets(conn, session_id=viewer.session_id, n=MAX_TICKETS)
    return Ticket(token=token, expires_at=inserted.expires_at)


async def take_ticket(resources: Resources, token: str) -> Viewer:
    """Whose it is. Raises Unauthenticated: used before, too old, or its session has ended."""
    if not _TICKET.fullmatch(token):
        raise Unauthenticated
    async with connection(resources.pool) as conn:
        viewer = await tickets.take_ticket(conn, token_hash=token_hash(token))
    if viewer is None:
        raise Unauthenticated
    return viewer
