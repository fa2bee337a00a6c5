"""Sessions that meet at one row, and three pictures to meet at."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from tests.sql import pictures
from tests.sql.harness import Conn, Row, Session
from tests.sql.scenes import NOW, s

Statement = Callable[[Conn], Awaitable[Any]]

IDS = [UUID(int=n) for n in (3, 2, 1)]  # in the order in which they lie in the table
FIRST = IDS[-1]


def attempt_id(generation_id: UUID) -> UUID:
    return UUID(int=generation_id.int * 256 + 1)


def fill(db: Session, state: str = "prepared", **changed: Any) -> None:
    """Three pictures of one person, each with an attempt in this state, the last id first."""
    db.add("users", *pictures.users())
    db.add("generation_styles", pictures.style())
    for one in IDS:
        created_at = s(one.int - 60)
        db.add("generations", pictures.queued(one, lease_epoch=1, created_at=created_at))
        db.add("attempts", pictures.prepared(one, **_in_state(state, one), **changed))


def _in_state(state: str, generation_id: UUID) -> Row:
    has_left = state != "prepared"
    return {
        "state": state,
        "endpoint": "fal/draw",
        "arguments": {"seed": 1},
        "request_id": f"request-{generation_id.int}" if state == "accepted" else None,
        "sent_at": NOW if has_left else None,
    }


def hold(session: Session, generation_id: UUID) -> None:
    session.begin()
    session.execute("SELECT FROM generations WHERE id = $1 FOR UPDATE", generation_id)


def check_free(session: Session, table: str, row_id: UUID) -> None:
    """Nobody holds this row; an error says so otherwise."""
    session.execute(f"SELECT FROM {table} WHERE id = $1 FOR UPDATE NOWAIT", row_id)


def coroutine(statement: Statement) -> Callable[[Conn], Any]:
    async def run(conn: Conn) -> Any:
        return await statement(conn)

    return run
