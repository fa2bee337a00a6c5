"""Tickets for one live connection each."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from madar.db.sessions import Viewer
from madar.db.sql import Connection, Queries
from madar.i18n import Language

_sql = Queries("tickets")


@dataclass(frozen=True, kw_only=True)
class TicketRow:
    expires_at: datetime


async def insert_ticket(
    conn: Connection,
    *,
    token_hash: bytes,
    session_id: UUID,
    owner_id: UUID,
    language: Language,
    life_s: float,
) -> TicketRow | None:
    return await _sql.maybe(
        conn,
        "insert_ticket",
        TicketRow,
        token_hash=token_hash,
        session_id=session_id,
        owner_id=owner_id,
        language=language,
        life_s=life_s,
    )


async def delete_surplus_tickets(conn: Connection, *, session_id: UUID, n: int) -> None:
    await _sql.exec(conn, "delete_surplus_tickets", session_id=session_id, n=n)


async def take_ticket(conn: Connection, *, token_hash: bytes) -> Viewer | None:
    return await _sql.maybe(conn, "take_ticket", Viewer, token_hash=token_hash)


async def delete_ended_tickets(conn: Connection) -> None:
    await _sql.exec(conn, "delete_ended_tickets")
