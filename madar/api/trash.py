"""/api/trash: what was thrown away, until it is gone for good."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import orjson
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from madar.actions import trash as actions
from madar.api.documents import answer_document
from madar.api.generations import GenerationOut, Translation, TransparencyOut
from madar.api.operations import operation
from madar.api.request import State, WireModel, resources_of
from madar.api.uploads import Dimensions
from madar.db import trash
from madar.db.pool import read
from madar.db.sessions import Viewer
from madar.domain.gallery import MAX_PAGE, MAX_PAGE_SIZE, PAGE_SIZE, check_gallery, pagination

TAG = "trash"

_Page = Annotated[
    str, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1})
]
_Limit = Annotated[
    str,
    WithJsonSchema(
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE}
    ),
]


class TrashQuery(WireModel):
    """A page by its number."""

    page: _Page = "1"
    limit: _Limit = str(PAGE_SIZE)


class TrashedResult(WireModel):
    """The thumbnail only; the picture is there again once it is restored."""

    thumbnail_url: str
    dimensions: Dimensions
    file_size: int
    transparency: TransparencyOut | None = None


class TrashedOut(WireModel):
    """A completed generation that was thrown away, and when it is gone for good."""

    id: UUID
    status: Literal["completed"]
    progress: int
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
    result: TrashedResult
    created_at: datetime
    completed_at: datetime
    deleted_at: datetime
    gone_at: datetime


class TrashPagination(WireModel):
    page: int
    limit: int
    total: int
    total_pages: int


class Trash(WireModel):
    generations: list[TrashedOut]
    pagination: TrashPagination


@operation(
    "What you threw away, the latest first",
    tag=TAG,
    answers={200: Trash, 304: None},
    problems=("page_out_of_range", "limit_out_of_range"),
)
async def get_trash(request: Request[State], viewer: Viewer, query: TrashQuery) -> Response:
    given = query.model_dump(by_alias=True, exclude_unset=True)
    asked = check_gallery(given, open_cursor=lambda _: None)
    page = await read(
        resources_of(request).pool,
        lambda conn: trash.get_trash(
            conn, owner_id=viewer.id, skip=asked.skip, page_size=asked.page_size
        ),
    )
    numbers = pagination(asked, total=page.total, next_cursor=None)
    numbers.pop("nextCursor")
    body = b'{"generations":%s,"pagination":%s}' % (
        page.generations.encode(),
        orjson.dumps(numbers),
    )
    return answer_document(request, body, cache="private, max-age=0, must-revalidate")


@operation("Empty the trash for good", tag=TAG, answers={204: None})
async def delete_trash(request: Request[State], viewer: Viewer) -> Response:
    await actions.empty_trash(resources_of(request), owner_id=viewer.id)
    return Response(status_code=204)


@operation("Throw one away for good", tag=TAG, answers={204: None})
async def delete_from_trash(request: Request[State], viewer: Viewer, id: UUID) -> Response:
    await actions.delete_from_trash(resources_of(request), owner_id=viewer.id, id=id)
    return Response(status_code=204)


@operation("Take it out of the trash", tag=TAG, answers={200: GenerationOut})
async def post_restore(request: Request[State], viewer: Viewer, id: UUID) -> Response:
    document = await actions.restore_generation(resources_of(request), owner_id=viewer.id, id=id)
    return answer_document(request, document, cache="no-store")
