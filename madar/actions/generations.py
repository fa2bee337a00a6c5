"""Asking for a picture, and again for one that failed; liking it, throwing it away."""

import hashlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import TypeVar
from uuid import UUID, uuid4

import orjson

from madar import metrics
from madar.actions.idempotency import (
    Answered,
    Keyed,
    answer_once,
    claim_key,
    remember_answer,
)
from madar.actions.sources import insert_source, stored_source
from madar.db import fal_purges, generations, limits, translations, uploads
from madar.db.generations import KnownWish
from madar.db.pool import connection, transaction
from madar.db.sql import Connection
from madar.db.uploads import Upload
from madar.domain.endings import check_retry
from madar.domain.generations import (
    MAX_SEED,
    GenerationRequest,
    Translation,
    check_quota,
    first_step,
)
from madar.domain.rates import Decision, LimitReached
from madar.errors import InvalidInput, NotFound
from madar.log import note
from madar.queue import ring_workers
from madar.realtime.bell import ring
from madar.resources import Resources

log = logging.getLogger(__name__)

POLICY = "generations"
DAY_S = 86_400
Source = TypeVar("Source")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who asks for what, with the picture that came along."""

    owner_id: UUID
    language: str
    request: GenerationRequest
    picture: bytes | None


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A prompt in English, where that is known already, and where it came from or will."""

    english: str | None = None
    translation: Translation | None = None


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What its person is answered, and what was asked for."""

    body: bytes
    request: GenerationRequest


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

    async def insert(conn: Connection, upload: Upload | None, id: UUID) -> _Made:
        if upload:
            await insert_source(conn, upload, owner_id=wish.owner_id, pointer="/sourceImage")
        return await _insert(
            resources,
            conn,
            id=id,
            owner_id=wish.owner_id,
            request=wish.request,
            source_upload_id=upload.id if upload else await _known_source(conn, wish),
            words=await _words_of(resources, conn, wish.request.prompt),
            language=wish.language,
        )

    return await _make_once(resources, wish.owner_id, keyed, _source_of(resources, wish), insert)


async def retry_generation(
    resources: Resources, *, owner_id: UUID, id: UUID, idempotency_key: str | None
) -> tuple[Answered, Decision | None]:
    """The same wish under a new seed, counted as any other. Raises NotFound, Conflict too."""
    keyed = Keyed.maybe(
        owner_id=owner_id, route="generations.retry", key=idempotency_key, asked=id.bytes
    )

    async def insert(conn: Connection, _: None, new_id: UUID) -> _Made:
        wish = await generations.lock_wish(conn, owner_id=owner_id, id=id)
        if wish is None:
            raise NotFound
        check_retry(wish.state, wish.error_code)
        return await _insert(
            resources,
            conn,
            id=new_id,
            owner_id=owner_id,
            request=_request_of(wish),
            source_upload_id=await _same_source(conn, owner_id, wish),
            words=_known_words(wish) or await _words_of(resources, conn, wish.prompt),
            parent_id=id,
        )

    return await _make_once(resources, owner_id, keyed, nullcontext(), insert)


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


async def delete_generation(
    resources: Resources, *, owner_id: UUID, id: UUID, is_permanent: bool
) -> None:
    """At once for its owner: into the trash, or for good where there is nothing to restore.

    What is gone for good the worker removes, here and at Fal. Raises NotFound.
    """
    trash_s = 0 if is_permanent else resources.settings.trash_days * DAY_S
    async with transaction(resources.pool) as conn:
        is_in_trash = await generations.delete_generation(
            conn, owner_id=owner_id, id=id, trash_s=trash_s
        )
        if is_in_trash is None:
            raise NotFound
        if not is_in_trash:
            await fal_purges.insert_fal_purges_of_generation(
                conn, generation_id=id, keeps_payload=False
            )
    await ring(resources.pool, [id])


async def _make_once(
    resources: Resources,
    owner_id: UUID,
    keyed: Keyed | None,
    source: AbstractAsyncContextManager[Source],
    insert: Callable[[Connection, Source, UUID], Awaitable[_Made]],
) -> tuple[Answered, Decision | None]:
    """Counted, inserted and remembered in one transaction, or answered as before."""
    new_id = uuid4()
    counted: list[tuple[Decision, GenerationRequest]] = []

    async def make() -> bytes:
        async with (
            source as given,
            resources.lines.creations.turn(owner_id),
            transaction(resources.pool) as conn,
        ):
            await claim_key(conn, keyed)
            decision = await _take_turn(resources, conn, owner_id)
            made = await insert(conn, given, new_id)
            await remember_answer(conn, keyed, made.body)
        counted.append((decision, made.request))
        return made.body

    answered = await answer_once(resources, keyed, make)
    if answered.is_replayed:
        return answered, None
    await ring_workers(resources.pool)
    await ring(resources.pool, [new_id])
    decision, request = counted[0]
    _tell_start(new_id, owner_id, request)
    return answered, decision


def _tell_start(id: UUID, owner_id: UUID, request: GenerationRequest) -> None:
    note(generation_id=id)
    metrics.generations_started.labels(request.style, request.input_type).inc()
    facts = {"user_id": str(owner_id), "style": request.style, "input_type": request.input_type}
    log.info("generation.started", extra=facts)


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
    resources: Resources,
    conn: Connection,
    *,
    id: UUID,
    owner_id: UUID,
    request: GenerationRequest,
    source_upload_id: UUID | None,
    words: _Words,
    language: str = "en",
    parent_id: UUID | None = None,
) -> _Made:
    body = await generations.insert_generation(
        conn,
        id=id,
        owner_id=owner_id,
        request=request,
        source_upload_id=source_upload_id,
        seed=secrets.randbelow(MAX_SEED) if request.seed is None else request.seed,
        first_step="translate" if words.translation == "pending" else "draw",
        attempt_id=uuid4(),
        deadline_s=resources.settings.generation_deadline_s,
        language=language,
        prompt_english=words.english,
        translation=words.translation,
        parent_id=parent_id,
    )
    if body is None:
        raise InvalidInput.at("" if parent_id else "/style", "style_unknown")
    return _Made(body=body, request=request)


async def _known_source(conn: Connection, wish: Wish) -> UUID | None:
    upload_id, key = wish.request.source_upload_id, wish.request.source_key
    if upload_id is None and key is None:
        return None
    found = await uploads.lock_source(conn, owner_id=wish.owner_id, id=upload_id, object_key=key)
    if found is None:
        pointer = "/sourceUploadId" if upload_id else "/sourceImageUrl"
        raise InvalidInput.at(pointer, "source_unknown")
    return found


def _request_of(wish: KnownWish) -> GenerationRequest:
    return GenerationRequest(
        style=wish.style,
        prompt=wish.prompt,
        input_type=wish.input_type,
        aspect_ratio=wish.aspect_ratio,
        custom_colors=tuple(wish.custom_colors),
        source_upload_id=wish.source_upload_id,
        source_key=None,
        seed=None,
    )


async def _same_source(conn: Connection, owner_id: UUID, wish: KnownWish) -> UUID | None:
    if wish.source_upload_id is None:
        return None
    found = await uploads.lock_source(
        conn, owner_id=owner_id, id=wish.source_upload_id, object_key=None
    )
    if found is None:
        raise InvalidInput.at("", "source_unknown")
    return found


def _known_words(wish: KnownWish) -> _Words | None:
    """None: the prompt is English, or its translation has failed."""
    if wish.prompt_english is None:
        return None
    return _Words(english=wish.prompt_english, translation=wish.translation)


async def _words_of(resources: Resources, conn: Connection, prompt: str | None) -> _Words:
    model = resources.settings.translate_model
    if not model or first_step(prompt, can_translate=True) != "translate":
        return _Words()
    assert prompt
    english = await translations.use_translation(conn, prompt=prompt, model=model)
    return _Words(english=english, translation="done" if english else "pending")
