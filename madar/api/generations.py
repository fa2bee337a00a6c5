"""/api/generations: ask for a picture, watch it, list, download."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions.generations import create_generation
from madar.api.documents import finish
from madar.api.request import (
    State,
    WireModel,
    id_of,
    integer_in,
    language_of,
    read_json,
    resources_of,
    viewer_of,
)
from madar.db import generations
from madar.db.generations import Download
from madar.db.pool import read
from madar.domain.generations import GenerationRequest, check_request
from madar.errors import InvalidInput, NotFound

MAX_PAGE = 10_000
MAX_PAGE_SIZE = 100
MAX_KEY_CHARACTERS = 255
NO_STORE = {"Cache-Control": "no-store"}


def _not_a_truth(value: object) -> object:
    """To Python `true` is 1. Digits in a string pass: our own documents write the seed so."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


class GenerationIn(WireModel):
    style: str
    input_type: str = "text"
    text_prompt: str | None = None
    aspect_ratio: str = "1:1"
    custom_colors: tuple[str, ...] = ()
    source_upload_id: UUID | None = None
    seed: Annotated[int, BeforeValidator(_not_a_truth)] | None = None

    def checked(self) -> GenerationRequest:
        return check_request(
            style=self.style,
            prompt=self.text_prompt,
            input_type=self.input_type,
            aspect_ratio=self.aspect_ratio,
            custom_colors=self.custom_colors,
            source_upload_id=self.source_upload_id,
            seed=self.seed,
        )


async def collection(request: Request[State]) -> Response:
    """One path, so that 405 lists both methods."""
    return await (
        post_generation(request) if request.method == "POST" else list_generations(request)
    )


async def post_generation(request: Request[State]) -> Response:
    viewer = await viewer_of(request)
    key = _idempotency_key(request)
    wish = (await read_json(request, GenerationIn)).checked()
    answer = await create_generation(
        resources_of(request),
        owner_id=viewer.id,
        language=language_of(request),
        request=wish,
        idempotency_key=key,
    )
    location = f"/api/generations/{orjson.loads(answer)['id']}"
    return Response(answer, 201, headers={"Location": location}, media_type="application/json")


async def get_generation(request: Request[State]) -> Response:
    viewer, generation_id = await viewer_of(request), id_of(request)
    resources = resources_of(request)
    body = await read(
        resources.pool,
        lambda conn: generations.get_generation_document(
            conn, owner_id=viewer.id, id=generation_id
        ),
    )
    if body is None:
        raise NotFound
    return _json(request, body)


async def list_generations(request: Request[State]) -> Response:
    viewer = await viewer_of(request)
    page = integer_in(request, "page", default=1, limit=MAX_PAGE)
    page_size = integer_in(request, "limit", default=20, limit=MAX_PAGE_SIZE)
    body = await read(
        resources_of(request).pool,
        lambda conn: generations.list_generation_documents(
            conn, owner_id=viewer.id, page=page, page_size=page_size
        ),
    )
    return _json(request, body)


async def get_download(request: Request[State]) -> Response:
    """A link to the lossless PNG that saves under a speaking name; 404 until there is one."""
    viewer, generation_id = await viewer_of(request), id_of(request)
    resources = resources_of(request)
    found = await read(
        resources.pool,
        lambda conn: generations.get_download(conn, owner_id=viewer.id, id=generation_id),
    )
    if found is None:
        raise NotFound
    filename = file_name_of(found)
    url = resources.storage.sign(found.master_key, filename=filename)
    expires_at = datetime.fromtimestamp(resources.storage.expiry_of(url), UTC)
    answer: dict[str, Any] = {
        "downloadUrl": url,
        "filename": filename,
        "expiresAt": expires_at.isoformat().replace("+00:00", "Z"),
    }
    return JSONResponse(answer, headers=NO_STORE)


def file_name_of(download: Download) -> str:
    """`madar-red-rocket-voxel-3d.png`; letters of any script stay, everything else is a dash."""
    words = unicodedata.normalize("NFC", download.prompt).casefold()
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else "-" for c in words)
    slug = re.sub(r"-+", "-", kept)[:60].strip("-")
    return "-".join(filter(None, ("madar", slug, download.style))) + ".png"


def _json(request: Request[State], body: bytes) -> Response:
    language = language_of(request)
    finished = finish(body, storage=resources_of(request).storage, language=language)
    headers = {**NO_STORE, "Content-Language": language, "Vary": "Accept-Language"}
    return Response(finished, headers=headers, media_type="application/json")


def _idempotency_key(request: Request[State]) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        raise InvalidInput.at("", "idempotency_key_invalid")
    return key
