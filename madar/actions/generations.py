"""Asking for a picture."""

import hashlib
import secrets
from dataclasses import asdict
from uuid import UUID, uuid4

import orjson

from madar.db import generations, uploads
from madar.db.pool import connection
from madar.db.sql import Connection
from madar.domain.generations import MAX_SEED, GenerationRequest, first_step
from madar.errors import InvalidInput
from madar.queue import ring_workers
from madar.resources import Resources


async def create_generation(
    resources: Resources,
    *,
    owner_id: UUID,
    language: str,
    request: GenerationRequest,
    idempotency_key: str | None,
) -> bytes:
    """Record the generation and queue its work, all or nothing; answers the wire's JSON.

    With a key used before, answers what was answered then. Raises InvalidInput.
    """
    async with connection(resources.pool) as conn:
        await _check_source(conn, owner_id=owner_id, request=request)
        body_hash = hashlib.sha256(orjson.dumps(asdict(request))).digest()
        settings = resources.settings
        answer = await generations.insert_generation(
            conn,
            id=uuid4(),
            owner_id=owner_id,
            request=request,
            seed=secrets.randbelow(MAX_SEED) if request.seed is None else request.seed,
            first_step=first_step(request.prompt, can_translate=bool(settings.translate_model)),
            attempt_id=uuid4(),
            deadline_s=settings.generation_deadline_s,
            language=language,
            idempotency_key=idempotency_key,
            body_hash=body_hash,
        )
        if answer is None:
            return await _explain(conn, owner_id, idempotency_key, body_hash)
    await ring_workers(resources.pool)
    return answer


async def _check_source(conn: Connection, *, owner_id: UUID, request: GenerationRequest) -> None:
    if request.source_upload_id is None:
        return
    source = await uploads.get_upload(conn, owner_id=owner_id, id=request.source_upload_id)
    if source is None:
        raise InvalidInput.at("/sourceUploadId", "source_unknown")


async def _explain(
    conn: Connection, owner_id: UUID, idempotency_key: str | None, body_hash: bytes
) -> bytes:
    """Why nothing was inserted: a repeated request is answered again, an unknown style refused."""
    if idempotency_key is not None:
        known = await generations.get_idempotent_response(
            conn, owner_id=owner_id, key=idempotency_key
        )
        if known and known.body_hash != body_hash:
            raise InvalidInput.at("", "idempotency_mismatch")
        if known:
            return known.response.encode()
    raise InvalidInput.at("/style", "style_unknown")
