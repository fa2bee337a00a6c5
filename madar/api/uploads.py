"""/api/uploads: a source picture, decoded and encoded again before it is kept."""

from typing import NoReturn

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions.uploads import create_upload
from madar.api.request import State, check_content_type, resources_of, viewer_of
from madar.errors import InvalidInput
from madar.imaging.guard import PictureRefused

MAX_UPLOAD_BYTES = 10 * 2**20
MAX_REQUEST_BYTES = MAX_UPLOAD_BYTES + 64 * 1024
MAX_MEGAPIXELS = 25


async def post_image(request: Request[State]) -> Response:
    viewer = await viewer_of(request)
    picture = await _picture_in(request)
    resources = resources_of(request)
    try:
        upload = await create_upload(resources, owner_id=viewer.id, picture=picture)
    except PictureRefused as refused:
        _refuse(refused)
    answer = {
        "id": str(upload.id),
        "url": resources.storage.sign(upload.object_key),
        "thumbnailUrl": resources.storage.sign(upload.thumbnail_key),
        "fileSize": upload.file_size,
        "dimensions": {"width": upload.width, "height": upload.height},
    }
    return JSONResponse(answer, 201)


async def _picture_in(request: Request[State]) -> bytes:
    check_content_type(request, "multipart/form-data")
    try:
        async with request.form(max_files=1, max_fields=5) as form:
            image = form.get("image")
            if not isinstance(image, UploadFile):
                raise InvalidInput.at("/image", "upload_missing")
            picture = await image.read()
    except HTTPException as error:
        raise InvalidInput.at("/image", "upload_missing") from error
    if len(picture) > MAX_UPLOAD_BYTES:
        raise InvalidInput.at("/image", "upload_too_large", limit_mb=MAX_UPLOAD_BYTES // 2**20)
    return picture


def _refuse(refused: PictureRefused) -> NoReturn:
    if refused.reason == "too_large":
        limit_mb = MAX_UPLOAD_BYTES // 2**20
        raise InvalidInput.at("/image", "upload_too_large", limit_mb=limit_mb) from refused
    if refused.reason == "too_many_pixels":
        raise InvalidInput.at(
            "/image", "upload_too_many_pixels", limit_mpx=MAX_MEGAPIXELS
        ) from refused
    raise InvalidInput.at("/image", "upload_unreadable") from refused
