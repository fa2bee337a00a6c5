"""Generations: what the wire reads, and what a worker may change under its lease."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from madar.db.sessions import Credential
from madar.db.sql import Connection, Queries, Source
from madar.domain.generations import (
    AspectRatio,
    GenerationRequest,
    InputType,
    State,
    Step,
    Translation,
)
from madar.domain.progress import Steps

_sql = Queries("generations")


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A generation under our lease; `lease_epoch` must go with every write.

    `is_paused`: nothing may be submitted.
    """

    id: UUID
    lease_epoch: int
    user_id: UUID
    state: State
    step: Step
    prompt: str
    prompt_english: str | None
    seed: int
    aspect_ratio: str
    source_upload_id: UUID | None
    custom_colors: list[str]
    style: str
    fal_progress: int
    fal_status: str
    queue_position: int | None
    crashes: int
    is_overdue: bool
    is_paused: bool
    claimed_at: datetime
    style_params: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a write left behind: whether more is due at once."""

    is_due: bool


@dataclass(frozen=True, kw_only=True)
class Timing:
    """`late_s`: from the first estimate to the completion; less than 0: it was done earlier."""

    took_s: float | None
    late_s: float | None


@dataclass(frozen=True, kw_only=True)
class Download:
    master_key: str
    prompt: str
    style: str


@dataclass(frozen=True, kw_only=True)
class QuotaUse:
    """How much of a quota is used, and how long until one of it is free again."""

    used: int
    seconds_to_next: float | None


@dataclass(frozen=True, kw_only=True)
class SeenGeneration:
    """Who asked, and the document as JSON text; None: not there, or not theirs."""

    user_id: UUID
    session_id: UUID
    language: str
    is_language_chosen: bool
    document: str | None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Whether and how a generation has ended."""

    state: State
    error_code: str | None


@dataclass(frozen=True, kw_only=True)
class KnownWish:
    """What was asked for once, and what came of it."""

    state: State
    error_code: str | None
    prompt: str
    prompt_english: str | None
    translation: Translation | None
    style: str
    aspect_ratio: AspectRatio
    input_type: InputType
    source_upload_id: UUID | None
    custom_colors: list[str]


@dataclass(frozen=True, kw_only=True)
class _Moved:
    id: UUID


@dataclass(frozen=True, kw_only=True)
class Due:
    """`is_suspect`: its last worker lost its lease without a word."""

    id: UUID
    is_suspect: bool


async def insert_generation(
    conn: Connection,
    *,
    id: UUID,
    owner_id: UUID,
    request: GenerationRequest,
    source_upload_id: UUID | None,
    seed: int,
    first_step: Step,
    attempt_id: UUID,
    deadline_s: float,
    language: str,
    prompt_english: str | None,
    translation: Translation | None,
    parent_id: UUID | None,
) -> bytes | None:
    """The answer for the wire as JSON; None when the style is not offered."""
    return await _sql.json(
        conn,
        "insert_generation",
        id=id,
        owner_id=owner_id,
        prompt=request.prompt,
        style=request.style,
        aspect_ratio=request.aspect_ratio,
        input_type=request.input_type,
        source_upload_id=source_upload_id,
        custom_colors=Jsonb(list(request.custom_colors)),
        seed=seed,
        first_step=first_step,
        attempt_id=attempt_id,
        deadline_s=deadline_s,
        language=language,
        prompt_english=prompt_english,
        translation=translation,
        parent_id=parent_id,
    )


async def get_quota_use(conn: Connection, *, owner_id: UUID, window_s: float) -> QuotaUse:
    return await _sql.one(conn, "get_quota_use", QuotaUse, owner_id=owner_id, window_s=window_s)


async def get_seen_generation(
    conn: Source, credential: Credential, *, id: UUID
) -> SeenGeneration | None:
    """None: the credential is nobody's."""
    return await _sql.maybe(
        conn,
        "get_seen_generation",
        SeenGeneration,
        token_hash=credential.token_hash,
        session_id=credential.session_id,
        id=id,
    )


async def update_generation(conn: Connection, *, owner_id: UUID, id: UUID, is_liked: bool) -> bool:
    """False: not there, or not theirs."""
    given = {"owner_id": owner_id, "id": id, "is_liked": is_liked}
    return await _sql.exec(conn, "update_generation", **given) > 0


async def delete_generation(
    conn: Connection, *, owner_id: UUID, id: UUID, trash_s: float
) -> bool | None:
    """Whether it lies in the trash now; None: not there, or not theirs."""
    given = {"owner_id": owner_id, "id": id, "trash_s": trash_s}
    return await _sql.value(conn, "delete_generation", **given)


async def delete_generations(conn: Connection, *, owner_id: UUID) -> None:
    """All of theirs; nothing of them is under way in another transaction afterwards."""
    await _sql.exec(conn, "delete_generations", owner_id=owner_id)


async def get_generation_document(
    conn: Connection,
    *,
    owner_id: UUID,
    id: UUID,
) -> bytes | None:
    """The generation as JSON, with storage keys and codes still in it; None: not there."""
    return await _sql.json(conn, "get_generation_document", owner_id=owner_id, id=id)


async def get_download(
    conn: Connection,
    *,
    owner_id: UUID,
    id: UUID,
) -> Download | None:
    return await _sql.maybe(conn, "get_download", Download, owner_id=owner_id, id=id)


async def claim_generation_to_advance(
    conn: Connection,
    *,
    id: UUID,
    owner: str,
    lease_s: float,
    may_be_suspect: bool = True,
) -> Claimed | None:
    return await _sql.maybe(
        conn,
        "claim_generation_to_advance",
        Claimed,
        id=id,
        owner=owner,
        lease_s=lease_s,
        may_be_suspect=may_be_suspect,
    )


async def extend_leases(conn: Connection, *, held: Mapping[UUID, int], lease_s: float) -> None:
    """`held` gives the epoch of each; one that was lost stays lost."""
    await _sql.exec(
        conn, "extend_leases", ids=list(held), epochs=list(held.values()), lease_s=lease_s
    )


async def release_leases(conn: Connection, *, owner: str) -> None:
    await _sql.exec(conn, "release_leases", owner=owner)


async def release_dropped_leases(
    conn: Connection, *, owner: str, held_ids: Sequence[UUID], left_s: float
) -> int:
    """How many were given back."""
    return await _sql.exec(
        conn,
        "release_dropped_leases",
        owner=owner,
        held_ids=list(held_ids),
        left_s=left_s,
    )


async def list_due_generations(conn: Connection, *, n: int) -> list[Due]:
    return await _sql.many(conn, "list_due_generations", Due, n=n)


async def get_seconds_until_due(conn: Connection) -> float | None:
    return await _sql.value(conn, "get_seconds_until_due")


async def postpone_generation(
    conn: Connection, claimed: Claimed, *, next_s: float
) -> Outcome | None:
    """None, here and below: the lease is lost or the generation deleted; stop quietly."""
    return await _sql.maybe(
        conn,
        "postpone_generation",
        Outcome,
        id=claimed.id,
        epoch=claimed.lease_epoch,
        claimed_at=claimed.claimed_at,
        next_s=next_s,
    )


async def hold_generation(conn: Connection, claimed: Claimed, *, next_s: float) -> Outcome | None:
    """As postpone_generation, whatever its deadline."""
    return await _sql.maybe(
        conn,
        "hold_generation",
        Outcome,
        id=claimed.id,
        epoch=claimed.lease_epoch,
        claimed_at=claimed.claimed_at,
        next_s=next_s,
    )


async def mark_generation_progress(
    conn: Connection,
    claimed: Claimed,
    *,
    next_s: float,
    state: State,
    progress: int,
    queue_position: int | None,
    fal_status: str,
    steps: Steps | None,
) -> Outcome | None:
    return await _sql.maybe(
        conn,
        "mark_generation_progress",
        Outcome,
        id=claimed.id,
        epoch=claimed.lease_epoch,
        claimed_at=claimed.claimed_at,
        next_s=next_s,
        state=state,
        progress=progress,
        queue_position=queue_position,
        fal_status=fal_status,
        draw_step=steps.done if steps else None,
        draw_steps=steps.total if steps else None,
    )


async def choose_files(
    conn: Connection,
    claimed: Claimed,
    *,
    master_key: str,
    result_image_key: str,
    thumbnail_key: str,
) -> bool:
    """False: the lease was lost, or the generation deleted."""
    return (
        await _sql.exec(
            conn,
            "choose_files",
            id=claimed.id,
            epoch=claimed.lease_epoch,
            master_key=master_key,
            result_image_key=result_image_key,
            thumbnail_key=thumbnail_key,
        )
        > 0
    )


async def complete_generation(
    conn: Connection,
    claimed: Claimed,
    *,
    master_key: str,
    result_image_key: str,
    thumbnail_key: str,
    file_size_bytes: int,
    image_dimensions: dict[str, int],
    transparency: dict[str, float],
) -> Outcome | None:
    return await _sql.maybe(
        conn,
        "complete_generation",
        Outcome,
        id=claimed.id,
        epoch=claimed.lease_epoch,
        master_key=master_key,
        result_image_key=result_image_key,
        thumbnail_key=thumbnail_key,
        file_size_bytes=file_size_bytes,
        image_dimensions=Jsonb(image_dimensions),
        transparency=Jsonb(transparency),
    )


async def count_stumble(conn: Connection, claimed: Claimed) -> int:
    """How often this generation met what nobody expected; 0 when the lease is lost."""
    given = {"id": claimed.id, "epoch": claimed.lease_epoch}
    return await _sql.value(conn, "count_stumble", **given) or 0


async def lock_generation(conn: Connection, *, owner_id: UUID, id: UUID) -> Ending | None:
    """None: not there, or not theirs."""
    return await _sql.maybe(conn, "lock_generation", Ending, owner_id=owner_id, id=id)


async def cancel_generation(conn: Connection, *, owner_id: UUID, id: UUID) -> None:
    """Behind lock_generation, of one that has not ended."""
    await _sql.exec(conn, "cancel_generation", owner_id=owner_id, id=id)


async def lock_wish(conn: Connection, *, owner_id: UUID, id: UUID) -> KnownWish | None:
    """None: not there, or not theirs."""
    return await _sql.maybe(conn, "lock_wish", KnownWish, owner_id=owner_id, id=id)


async def renumber_line(conn: Connection, *, n: int) -> list[UUID]:
    """Those whose place in the line is another now."""
    return [row.id for row in await _sql.many(conn, "renumber_line", _Moved, n=n)]


async def get_timing(conn: Connection, *, id: UUID) -> Timing | None:
    """None: its row is gone by now."""
    return await _sql.maybe(conn, "get_timing", Timing, id=id)
