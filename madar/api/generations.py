"""/api/generations: ask for a picture, watch it, list, like, download, throw away."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions import generations as actions
from madar.actions.cancelling import cancel_generation
from madar.actions.generations import Wish
from madar.actions.idempotency import Answered
from madar.api.documents import answer_document
from madar.api.limits import show
from madar.api.operations import operation, recognise
from madar.api.request import (
    FormModel,
    Id,
    IdempotencyKey,
    Picture,
    State,
    Truth,
    WireModel,
    language_of,
    resources_of,
)
from madar.api.uploads import PICTURE_PROBLEMS, Dimensions, refusing_pictures
from madar.clients.storage import Storage
from madar.db import generations
from madar.db.generations import Download
from madar.db.pool import read
from madar.db.sessions import Credential, Viewer
from madar.domain.generations import (
    ASPECT_RATIOS,
    INPUT_TYPES,
    MAX_COLORS,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    GenerationRequest,
    PublicStatus,
    Translation,
    check_request,
)
from madar.domain.rates import Decision
from madar.errors import InvalidInput, NotFound

NO_STORE = {"Cache-Control": "no-store"}
TAG = "generations"
Stage = Literal["queued", "processing", "generating", "finalizing"]


def _not_a_truth(value: object) -> object:
    """To Python `true` is 1. Digits in a string pass: our own documents write the seed so."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


def _truth(value: object) -> object:
    """The two words that a query string has for it, and no other."""
    return {"true": True, "false": False}.get(str(value), value)


def _schema(**told: Any) -> WithJsonSchema:
    return WithJsonSchema(told)


_Style = Annotated[str, _schema(type="string", pattern="^[a-z0-9-]{1,50}$", examples=["voxel-3d"])]
_Prompt = Annotated[
    str,
    _schema(
        type="string",
        minLength=1,
        maxLength=MAX_PROMPT_CHARACTERS,
        # No control characters, but what a text area makes.
        pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
    ),
]
_Color = Annotated[str, _schema(type="string", pattern="^#[0-9A-Fa-f]{6}$")]
_Colors = Annotated[
    tuple[_Color, ...],
    _schema(
        type="array",
        maxItems=MAX_COLORS,
        items={"type": "string", "pattern": "^#[0-9A-Fa-f]{6}$"},
    ),
]
_Seed = Annotated[
    int,
    BeforeValidator(_not_a_truth),
    _schema(
        anyOf=[
            {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
            {"type": "string", "pattern": "^[0-9]+$"},
        ]
    ),
]


class GenerationIn(WireModel):
    """A source picture is an upload of one's own: its id, or the `url` it was answered with.

    One source where `inputType` is `image`, none where it is `text`. Without a prompt, the style's.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"style": "voxel-3d", "textPrompt": "a red rocket"}]}
    )

    style: _Style
    input_type: Annotated[str, _schema(type="string", enum=list(INPUT_TYPES))] = "text"
    text_prompt: _Prompt | None = None
    aspect_ratio: Annotated[str, _schema(type="string", enum=list(ASPECT_RATIOS))] = "1:1"
    custom_colors: _Colors = ()
    source_upload_id: Id | None = None
    source_image_url: str | None = None
    seed: _Seed | None = None

    def checked(self, storage: Storage, *, has_picture: bool = False) -> GenerationRequest:
        source_key = self.source_image_url and storage.key_in(self.source_image_url)
        if self.source_image_url is not None and not source_key:
            raise InvalidInput.at("/sourceImageUrl", "source_unknown")
        return check_request(
            style=self.style,
            prompt=self.text_prompt,
            input_type=self.input_type,
            aspect_ratio=self.aspect_ratio,
            custom_colors=self.custom_colors,
            source_upload_id=self.source_upload_id,
            source_key=source_key,
            has_picture=has_picture,
            seed=self.seed,
        )


class GenerationForm(GenerationIn, FormModel):
    """The same as a form, with the source picture itself."""

    source_image: Picture | None = None


class GenerationCreated(WireModel):
    id: UUID
    status: Literal["queued"]
    progress: int
    estimated_time_seconds: float | None = None
    job_id: UUID
    parent_id: UUID | None = None


class TransparencyOut(WireModel):
    """What was measured, each from 0 to 1; shares are of pixels (domain/transparency.py)."""

    corner_alpha: float
    coverage: float
    opaque_share: float
    soft_share: float
    frame_share: float
    haze_share: float


class Result(WireModel):
    """Links work for 10 to 15 minutes; asking again gives new ones."""

    image_url: str
    thumbnail_url: str
    download_url: str
    master_url: str
    dimensions: Dimensions
    file_size: int
    transparency: TransparencyOut | None = None


class StepsOut(WireModel):
    """Of a drawing, as Fal tells of it."""

    done: int
    total: int


class GenerationOut(WireModel):
    """`pauseReason`, in the reader's language: it waits because new work is paused for now."""

    id: UUID
    status: PublicStatus
    progress: int
    stage: Stage | None = None
    steps: StepsOut | None = None
    queue_position: int | None = None
    estimated_time_seconds: float | None = None
    pause_reason: str | None = None
    version: int
    prompt: str
    prompt_english: str | None = None
    translation: Translation | None = None
    style: str
    aspect_ratio: str
    input_type: str
    source_upload_id: UUID | None = None
    source_image_url: str | None = None
    custom_colors: list[str]
    seed: str
    is_liked: bool
    parent_id: UUID | None = None
    result: Result | None = None
    error: str | None = None
    error_code: str | None = None
    retryable: bool | None = None
    created_at: datetime
    completed_at: datetime | None = None


class GenerationChange(WireModel):
    is_liked: Truth | None = None


class DeletionQuery(WireModel):
    permanent: Annotated[bool, Strict(), BeforeValidator(_truth)] = Field(
        default=False, description="Past the trash: it cannot be restored."
    )


class DownloadOut(WireModel):
    download_url: str
    filename: str
    expires_at: datetime


@operation(
    "Ask for a picture",
    tag=TAG,
    answers={201: GenerationCreated},
    problems=(
        "quota_exceeded",
        *PICTURE_PROBLEMS,
        *("prompt_empty", "prompt_too_long", "prompt_unreadable", "style_unknown"),
        *("input_type_unknown", "aspect_ratio_unknown", "too_many_colors", "color_not_hex"),
        *("source_missing", "source_unexpected", "source_unknown", "source_repeated"),
        "seed_out_of_range",
    ),
)
async def post_generation(
    request: Request[State],
    viewer: Viewer,
    key: IdempotencyKey,
    body: GenerationIn | GenerationForm,
) -> Response:
    resources = resources_of(request)
    picture = body.source_image if isinstance(body, GenerationForm) else None
    checked = body.checked(resources.storage, has_picture=picture is not None)
    wish = Wish(owner_id=viewer.id, language=language_of(request), request=checked, picture=picture)
    with refusing_pictures("/sourceImage"):
        answered, decision = await actions.create_generation(resources, wish, idempotency_key=key)
    return _made(request, answered, decision)


def _made(request: Request[State], answered: Answered, decision: Decision | None) -> Response:
    if decision:
        show(request, decision)
    headers = {**NO_STORE, "Location": f"/api/generations/{orjson.loads(answered.body)['id']}"}
    if answered.is_replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answered.body, 201, headers=headers, media_type="application/json")


@operation("One generation", tag=TAG, answers={200: GenerationOut, 304: None})
async def get_generation(request: Request[State], credential: Credential, id: UUID) -> Response:
    found = await resources_of(request).reads.read(
        lambda conn: generations.get_seen_generation(conn, credential, id=id)
    )
    await recognise(request, found)
    if found is None or found.document is None:
        raise NotFound
    # What is still being made changes by itself; nobody may keep it.
    is_final = '"completedAt"' in found.document or '"errorCode"' in found.document
    cache = "private, max-age=0, must-revalidate" if is_final else "no-store"
    return answer_document(request, found.document.encode(), cache=cache)


@operation("Like it, or not any more", tag=TAG, answers={200: GenerationOut})
async def patch_generation(
    request: Request[State], viewer: Viewer, id: UUID, body: GenerationChange
) -> Response:
    document = await actions.like_generation(
        resources_of(request), owner_id=viewer.id, id=id, is_liked=body.is_liked
    )
    return answer_document(request, document, cache="no-store")


@operation("Throw it away", tag=TAG, answers={204: None}, problems=("not_truth",))
async def delete_generation(
    request: Request[State], viewer: Viewer, id: UUID, query: DeletionQuery
) -> Response:
    """A completed one lies in the trash for a while; any other is gone for good."""
    await actions.delete_generation(
        resources_of(request), owner_id=viewer.id, id=id, is_permanent=query.permanent
    )
    return Response(status_code=204)


@operation("Stop making it", tag=TAG, answers={200: GenerationOut}, problems=("generation_ended",))
async def post_cancel(request: Request[State], viewer: Viewer, id: UUID) -> Response:
    """It is `failed` with `errorCode` `cancelled` from then on. A second time changes nothing.

    It counts for no quota where nothing of it had been sent to Fal yet.
    """
    document = await cancel_generation(resources_of(request), owner_id=viewer.id, id=id)
    return answer_document(request, document, cache="no-store")


@operation(
    "Ask for a failed one again",
    tag=TAG,
    answers={201: GenerationCreated},
    problems=(
        *("generation_not_failed", "generation_not_retryable", "quota_exceeded"),
        *("style_unknown", "source_unknown"),
    ),
)
async def post_retry(
    request: Request[State], viewer: Viewer, id: UUID, key: IdempotencyKey
) -> Response:
    """A new generation with the same wish and a seed of its own; `parentId` names the failed one.

    It counts for limit and quota like any other.
    """
    answered, decision = await actions.retry_generation(
        resources_of(request), owner_id=viewer.id, id=id, idempotency_key=key
    )
    return _made(request, answered, decision)


@operation(
    "A link that saves the lossless PNG under a speaking name", tag=TAG, answers={200: DownloadOut}
)
async def get_download(request: Request[State], viewer: Viewer, id: UUID) -> Response:
    """404 until there is a picture."""
    resources = resources_of(request)
    found = await read(
        resources.pool, lambda conn: generations.get_download(conn, owner_id=viewer.id, id=id)
    )
    if found is None:
        raise NotFound
    filename = file_name_of(found)
    url = resources.storage.sign(found.master_key, filename=filename)
    expires_at = datetime.fromtimestamp(resources.storage.expiry_of(url), UTC)
    answer = DownloadOut(download_url=url, filename=filename, expires_at=expires_at)
    return JSONResponse(answer.model_dump(mode="json", by_alias=True), headers=NO_STORE)


def file_name_of(download: Download) -> str:
    """`madar-red-rocket-voxel-3d.png`; letters of any script stay, everything else is a dash."""
    words = unicodedata.normalize("NFC", download.prompt).casefold()
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else "-" for c in words)
    slug = re.sub(r"-+", "-", kept)[:60].strip("-")
    return "-".join(filter(None, ("madar", slug, download.style))) + ".png"
