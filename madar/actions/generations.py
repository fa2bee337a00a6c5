"""Asking for a picture, liking it, throwing it away."""

import hashlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from uuid import UUID, uuid4

import orjson

from madar.actions.idempotency import (
    Answered,
    Keyed,
    answer_once,
    claim_key,
    remember_answer,
)
from madar.actions.sources import insert_source, stored_source
from madar.db import generations, limits, translations, uploads
from madar.db.pool import connection, transaction
from madar.db.sql import Connection
from madar.db.uploads import Upload
from madar.domain.generations import (
    MAX_SEED,
    GenerationRequest,
    check_quota,
    first_step,
)
from madar.domain.rates import Decision, LimitReached
from madar.errors import InvalidInput, NotFound
from madar.queue import ring_workers
from madar.resources import Resources

POLICY = "generations"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who asks for what, with the picture that came along."""

    owner_id: UUID
    language: str
    request: GenerationRequest
    picture: bytes | None


async def create_generation(
    resources: Resources, wish: Wish, *, idempotency_key: str | None
) -> tuple[Answered, Decision | None]:
    """Record the generation and queue its work, all or nothing; answers the wire's JSON.

    With a key used before, answers what was answered then; nothing is counted, and there is no
    decision. Raises InvalidInput, RateLimited, PictureRefused, Conflict, TooBusy, Unavailable.
    """
    keyed = Keyed.maybe(
        owner_id=wish.owner_id, route="generations", key=idempotency_key, asked=_asked(wish)
    )
    decisions: list[Decision] = []

    async def make() -> bytes:
        async with (
            _source_of(resources, wish) as upload,
            resources.lines.creations.turn(wish.owner_id),
            transaction(resources.pool) as conn,
        ):
            await claim_key(conn, keyed)
            decisions.append(await _take_turn(resources, conn, wish.owner_id))
            if upload:
                await insert_source(conn, upload, owner_id=wish.owner_id, pointer="/sourceImage")
            body = await _insert(resources, conn, wish, upload)
            await remember_answer(conn, keyed, body)
        return body

    answered = await answer_once(resources, keyed, make)
    if answered.is_replayed:
        return answered, None
    await ring_workers(resources.pool)
    return answered, decisions[0]


async def like_generation(
    resources: Resources, *, owner_id: UUID, id: UUID, is_liked: bool | None
) -> bytes:
    """The document afterwards; None changes nothing. Raises NotFound."""
    async with connection(resources.pool) as conn:
        if is_liked is not None:
            await generations.update_generation(conn, owner_id=owner_id, id=id, is_liked=is_liked)
        body = await generations.get_generation_document(conn, owner_id=owner_id, id=id)
    if body is None:
        raise NotFound
    return body


async def delete_generation(resources: Resources, *, owner_id: UUID, id: UUID) -> None:
    """At once for its owner; the worker removes its objects. Raises NotFound."""
    async with connection(resources.pool) as conn:
        version = await generations.delete_generation(conn, owner_id=owner_id, id=id)
    if version is None:
        raise NotFound


def _asked(wish: Wish) -> bytes:
    picture = hashlib.sha256(wish.picture).hexdigest() if wish.picture is not None else None
    return orjson.dumps([asdict(wish.request), picture])


@asynccontextmanager
async def _source_of(resources: Resources, wish: Wish) -> AsyncGenerator[Upload | None]:
    """The source picture; its row is missing while it only came along with this request."""
    if wish.picture is None:
        yield None
        return
    async with stored_source(resources, owner_id=wish.owner_id, picture=wish.picture) as upload:
        yield upload


async def _take_turn(resources: Resources, conn: Connection, owner_id: UUID) -> Decision:
    """Also the lock behind which a person's creations line up: what follows counts safely."""
    settings = resources.settings
    decision = await limits.take(
        conn,
        policy=POLICY,
        key=f"rate:{POLICY}:user:{owner_id}",
        rate=settings.rate_limit_generations,
    )
    if not decision.is_allowed:
        raise LimitReached(decision)
    quota = settings.quota_generations
    use = await generations.get_quota_use(conn, owner_id=owner_id, window_s=quota.window_s)
    check_quota(used=use.used, limit=quota.limit, seconds_to_next=use.seconds_to_next)
    return decision


async def _insert(
    resources: Resources, conn: Connection, wish: Wish, upload: Upload | None
) -> bytes:
    request, settings = wish.request, resources.settings
    source_id = upload.id if upload else await _known_source(conn, wish)
    english = await _known_english(conn, request.prompt, model=settings.translate_model)
    can_translate = bool(settings.translate_model) and english is None
    body = await generations.insert_generation(
        conn,
        id=uuid4(),
        owner_id=wish.owner_id,
        request=request,
        source_upload_id=source_id,
        seed=secrets.randbelow(MAX_SEED) if request.seed is None else request.seed,
        first_step=first_step(request.prompt, can_translate=can_translate),
        attempt_id=uuid4(),
        deadline_s=settings.generation_deadline_s,
        language=wish.language,
        known_english=english,
    )
    if body is None:
        raise InvalidInput.at("/style", "style_unknown")
    return body


async def _known_source(conn: Connection, wish: Wish) -> UUID | None:
    upload_id, key = wish.request.source_upload_id, wish.request.source_key
    if upload_id is None and key is None:
        return None
    found = await uploads.lock_source(conn, owner_id=wish.owner_id, id=upload_id, object_key=key)
    if found is None:
        pointer = "/sourceUploadId" if upload_id else "/sourceImageUrl"
        raise InvalidInput.at(pointer, "source_unknown")
    return found


async def _known_english(conn: Connection, prompt: str | None, *, model: str) -> str | None:
    """A translation that was paid for before, of a prompt that needs one."""
    if not model or first_step(prompt, can_translate=True) != "translate":
        return None
    assert prompt
    return await translations.use_translation(conn, prompt=prompt, model=model)
