"""Attempts: each paid submission to Fal, from prepared to resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from madar.db.generations import Claimed, Outcome
from madar.db.sql import Connection, Queries
from madar.domain.generations import AttemptState, EndState, State, Step

_sql = Queries("attempts")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The newest attempt of a generation; ages in seconds, by the database's clock.

    `restored_from`, where the generation came out of a backup: what became of it from then until
    `restored_at`, no row says.
    """

    id: UUID
    n: int
    step: Step
    state: AttemptState
    seed: int
    endpoint: str | None
    arguments: dict[str, Any] | None
    request_id: str | None
    polls: int
    result: dict[str, Any] | None
    sent_at: datetime | None
    is_announced: bool
    is_granted: bool
    sent_age_s: float | None
    accepted_age_s: float | None
    tries: int
    successes: int
    restored_from: datetime | None
    restored_at: datetime | None
    restored_age_s: float | None


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What a webhook's attempt and its generation look like when it comes.

    `is_anothers`: the request belongs to another attempt. `is_beaten`: another attempt of the
    step was announced before.
    """

    state: AttemptState
    request_id: str | None
    error_type: str | None
    generation_id: UUID
    generation_state: State
    error_code: str | None
    is_deleted: bool
    is_at_its_step: bool
    is_anothers: bool
    is_beaten: bool


@dataclass(frozen=True, kw_only=True)
class Unwanted:
    keeps_payload: bool


@dataclass(frozen=True, kw_only=True)
class _Id:
    id: UUID


@dataclass(frozen=True, kw_only=True)
class _Bound:
    request_id: str


async def get_attempt_to_advance(conn: Connection, *, generation_id: UUID) -> Attempt:
    return await _sql.one(conn, "get_attempt_to_advance", Attempt, generation_id=generation_id)


async def get_drawn_result(conn: Connection, *, generation_id: UUID) -> dict[str, Any] | None:
    """None: no drawing has succeeded."""
    return await _sql.value(conn, "get_drawn_result", generation_id=generation_id)


async def mark_attempt_sent(
    conn: Connection,
    claimed: Claimed,
    attempt: Attempt,
    *,
    endpoint: str,
    arguments: dict[str, Any],
) -> bool:
    """False: somebody else has the lease, or sent it."""
    changed = await _sql.exec(
        conn,
        "mark_attempt_sent",
        **_names(claimed, attempt),
        endpoint=endpoint,
        arguments=Jsonb(arguments),
    )
    return changed == 1


async def mark_attempt_accepted(
    conn: Connection, claimed: Claimed, attempt: Attempt, *, request_id: str, next_s: float
) -> Outcome | None:
    """None also when another attempt has this request."""
    return await _sql.maybe(
        conn,
        "mark_attempt_accepted",
        Outcome,
        **_names(claimed, attempt),
        request_id=request_id,
        next_s=next_s,
    )


async def mark_attempt_found(
    conn: Connection,
    claimed: Claimed,
    attempt: Attempt,
    *,
    endpoint: str,
    arguments: dict[str, Any],
    request_id: str,
) -> Outcome | None:
    """None also when another attempt has this request."""
    return await _sql.maybe(
        conn,
        "mark_attempt_found",
        Outcome,
        **_names(claimed, attempt),
        endpoint=endpoint,
        arguments=Jsonb(arguments),
        request_id=request_id,
    )


async def put_attempt_back(conn: Connection, claimed: Claimed, attempt: Attempt) -> Outcome | None:
    names = _names(claimed, attempt)
    at = claimed.claimed_at
    return await _sql.maybe(conn, "put_attempt_back", Outcome, **names, claimed_at=at)


async def forget_sending(conn: Connection, attempt: Attempt) -> None:
    """Nothing happens while the generation goes on."""
    await _sql.exec(conn, "forget_sending", id=attempt.id)


async def mark_attempt_unknown(
    conn: Connection, claimed: Claimed, attempt: Attempt, *, next_s: float
) -> Outcome | None:
    names = _names(claimed, attempt)
    return await _sql.maybe(conn, "mark_attempt_unknown", Outcome, **names, next_s=next_s)


async def count_poll(conn: Connection, claimed: Claimed, attempt: Attempt) -> None:
    await _sql.exec(conn, "count_poll", **_names(claimed, attempt))


async def renew_result(
    conn: Connection, claimed: Claimed, attempt: Attempt, *, result: dict[str, Any]
) -> None:
    await _sql.exec(conn, "renew_result", **_names(claimed, attempt), result=Jsonb(result))


async def finish_step(
    conn: Connection,
    claimed: Claimed,
    attempt: Attempt,
    *,
    result: dict[str, Any] | None,
    next_step: Step,
    progress: int,
    prompt_english: str | None = None,
) -> Outcome | None:
    return await _sql.maybe(
        conn,
        "finish_step",
        Outcome,
        **_names(claimed, attempt),
        seen_state=attempt.state,
        result=None if result is None else Jsonb(result),
        next_step=next_step,
        progress=progress,
        prompt_english=prompt_english,
    )


async def retry_step(
    conn: Connection,
    claimed: Claimed,
    attempt: Attempt,
    *,
    end_state: EndState,
    error_type: str,
    next_s: float,
) -> Outcome | None:
    return await _sql.maybe(
        conn,
        "retry_step",
        Outcome,
        **_names(claimed, attempt),
        seen_state=attempt.state,
        end_state=end_state,
        error_type=error_type,
        next_s=next_s,
    )


async def fail_generation(
    conn: Connection,
    claimed: Claimed,
    attempt: Attempt,
    *,
    end_state: EndState,
    error_code: str,
    fal_error: str | None,
) -> Outcome | None:
    return await _sql.maybe(
        conn,
        "fail_generation",
        Outcome,
        id=claimed.id,
        epoch=claimed.lease_epoch,
        attempt_id=attempt.id,
        seen_state=attempt.state,
        end_state=end_state,
        error_code=error_code,
        fal_error=fal_error,
    )


async def repeat_cutout(conn: Connection, claimed: Claimed) -> Outcome | None:
    given = {"generation_id": claimed.id, "epoch": claimed.lease_epoch}
    return await _sql.maybe(conn, "repeat_cutout", Outcome, **given)


async def insert_attempt(
    conn: Connection,
    *,
    id: UUID,
    generation_id: UUID,
    step: Step,
) -> None:
    """Only in the transaction that resolved the attempt before; a second live one is refused."""
    await _sql.exec(conn, "insert_attempt", id=id, generation_id=generation_id, step=step)


async def announce_result(conn: Connection, *, attempt_id: UUID, request_id: str) -> UUID | None:
    """The generation that was woken; None when there was nothing to wake."""
    return await _sql.value(conn, "announce_result", attempt_id=attempt_id, request_id=request_id)


async def lock_delivered_generation(conn: Connection, *, attempt_id: UUID) -> UUID | None:
    return await _sql.value(conn, "lock_delivered_generation", attempt_id=attempt_id)


async def get_delivered_attempt(
    conn: Connection, *, attempt_id: UUID, request_id: str
) -> Delivered:
    given = {"attempt_id": attempt_id, "request_id": request_id}
    return await _sql.one(conn, "get_delivered_attempt", Delivered, **given)


async def end_rivals(conn: Connection, *, generation_id: UUID, attempt_id: UUID) -> list[UUID]:
    """The attempts that may have been paid for in vain."""
    given = {"generation_id": generation_id, "attempt_id": attempt_id}
    return [row.id for row in await _sql.many(conn, "end_rivals", _Id, **given)]


async def adopt_attempt(conn: Connection, *, attempt_id: UUID, request_id: str) -> bool:
    given = {"attempt_id": attempt_id, "request_id": request_id}
    return await _sql.exec(conn, "adopt_attempt", **given) > 0


async def settle_duplicate(conn: Connection, *, attempt_id: UUID, request_id: str) -> None:
    given = {"attempt_id": attempt_id, "request_id": request_id}
    await _sql.exec(conn, "settle_duplicate", **given)


async def get_unwanted(conn: Connection, attempt: Attempt) -> Unwanted | None:
    """None: the attempt's result is still wanted."""
    return await _sql.maybe(conn, "get_unwanted", Unwanted, attempt_id=attempt.id)


async def list_bound_requests(
    conn: Connection, attempt: Attempt, *, request_ids: Sequence[str]
) -> set[str]:
    """Which of these belong to another attempt."""
    given = {"request_ids": list(request_ids), "attempt_id": attempt.id}
    rows = await _sql.many(conn, "list_bound_requests", _Bound, **given)
    return {row.request_id for row in rows}


def _names(claimed: Claimed, attempt: Attempt) -> dict[str, Any]:
    return {"id": attempt.id, "generation_id": claimed.id, "epoch": claimed.lease_epoch}
