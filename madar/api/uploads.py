"""/api/uploads: a source picture, decoded and encoded again before it is kept."""

import contextlib
from collections.abc import Generator
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from madar.actions.uploads import create_upload
from madar.api.documents import finish
from madar.api.operations import operation
from madar.api.request import (
    FormModel,
    IdempotencyKey,
    Picture,
    State,
    WireModel,
    language_of,
    resources_of,
)
from madar.db.sessions import Viewer
from madar.errors import InvalidInput
from madar.imaging.guard import PictureRefused
from madar.imaging.limits import MAX_PIXELS, MAX_UPLOAD_BYTES

# Of whatever takes a source picture.
PICTURE_PROBLEMS = (
    *("upload_unreadable", "upload_animated", "upload_too_many_pixels"),
    *("upload_quota_exceeded", "storage_unavailable"),
)
MAX_REQUEST_BYTES = MAX_UPLOAD_BYTES + 64 * 1024


class UploadForm(FormModel):
    image: Picture


class Dimensions(WireModel):
    width: int
    height: int


class UploadOut(WireModel):
    """`id` or `url` is what a generation takes as its source; unused, it is kept for a week."""

    id: UUID
    url: str
    thumbnail_url: str
    file_size: int
    dimensions: Dimensions


@operation(
    "Upload a source picture",
    tag="uploads",
    answers={201: UploadOut},
    problems=PICTURE_PROBLEMS,
)
async def post_image(
    request: Request[State], viewer: Viewer, key: IdempotencyKey, body: UploadForm
) -> Response:
    resources = resources_of(request)
    with refusing_pictures("/image"):
        answered = await create_upload(
            resources, owner_id=viewer.id, picture=body.image, idempotency_key=key
        )
    document = finish(answered.body, storage=resources.storage, language=language_of(request))
    headers = {"Cache-Control": "no-store"}
    if answered.is_replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(document, 201, headers=headers, media_type="application/json")


@contextlib.contextmanager
def refusing_pictures(pointer: str) -> Generator[None]:
    """What the decoder refuses, said about this field. Raises InvalidInput."""
    try:
        yield
    except PictureRefused as refused:
        code, params = _REFUSALS.get(refused.reason, ("upload_unreadable", {}))
        raise InvalidInput.at(pointer, code, **params) from refused


_REFUSALS: dict[str, tuple[str, dict[str, int]]] = {
    "too_large": ("upload_too_large", {"limit_mb": MAX_UPLOAD_BYTES // 2**20}),
    "animated": ("upload_animated", {}),
    "too_many_pixels": ("upload_too_many_pixels", {"limit_mpx": MAX_PIXELS // 1_000_000}),
}
