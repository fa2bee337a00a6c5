"""What an operator sees of the work under way: the queue's jobs, and the pictures they wake."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from madar.db.sql import Connection, Queries
from madar.domain.generations import AttemptState, State, Step

_sql = Queries("jobs")

Doing = Literal["queued", "running", "waiting"]
WaitsFor = Literal["turn", "fal", "proof", "try"]


@dataclass(frozen=True, kw_only=True)
class Queue:
    queue_name: str
    task_name: str
    queued: int
    running: int
    waiting: int
    stumbled: int
    oldest_s: float | None


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """`due_s`: until somebody looks at it; less than 0: it is waited for."""

    id: UUID
    user_id: UUID
    style: str
    step: Step
    state: Doing
    waits_for: WaitsFor | None
    is_stumbled: bool
    age_s: float
    due_s: float


@dataclass(frozen=True, kw_only=True)
class Counted:
    state: Doing
    waits_for: WaitsFor | None
    count: int
    stumbled: int
    oldest_s: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`is_held`: a worker has it in hand."""

    id: UUID
    user_id: UUID
    style: str
    state: State
    step: Step
    error_code: str | None
    fal_error: str | None
    stumbles: int
    crashes: int
    lease_owner: str | None
    is_held: bool
    next_action_at: datetime | None
    deadline_at: datetime
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    deleted_at: datetime | None
    asked_again_as: UUID | None


@dataclass(frozen=True, kw_only=True)
class AttemptOf:
    n: int
    step: Step
    state: AttemptState
    request_id: str | None
    error_type: str | None
    polls: int
    created_at: datetime
    waiting_since: datetime | None
    granted_at: datetime | None
    sent_at: datetime | None
    accepted_at: datetime | None
    announced_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Job:
    id: int
    queue_name: str
    task_name: str
    status: str
    attempts: int
    scheduled_at: datetime | None
    args: dict[str, Any]
    queued_at: datetime | None


async def list_queues(conn: Connection) -> list[Queue]:
    return await _sql.many(conn, "list_queues", Queue)


async def list_unfinished(conn: Connection, *, of_state: str | None, n: int) -> list[Unfinished]:
    """None: every state."""
    return await _sql.many(conn, "list_unfinished", Unfinished, of_state=of_state, n=n)


async def count_unfinished(conn: Connection) -> list[Counted]:
    return await _sql.many(conn, "count_unfinished", Counted)


async def get_picture(conn: Connection, *, id: UUID) -> Picture | None:
    return await _sql.maybe(conn, "get_picture", Picture, id=id)


async def list_attempts_of(conn: Connection, *, generation_id: UUID) -> list[AttemptOf]:
    return await _sql.many(conn, "list_attempts_of", AttemptOf, generation_id=generation_id)


async def get_job(conn: Connection, *, id: int) -> Job | None:
    return await _sql.maybe(conn, "get_job", Job, id=id)


async def hurry_generation(conn: Connection, *, id: UUID) -> bool:
    """False: a worker has it, or it has ended."""
    return await _sql.exec(conn, "hurry_generation", id=id) > 0


async def hurry_job(conn: Connection, *, id: int) -> bool:
    """False: it is not there to be taken."""
    return await _sql.exec(conn, "hurry_job", id=id) > 0
