"""GET /api/generations: a person's pictures, page by page."""

import hashlib
from functools import cache
from typing import Annotated, Any

import orjson
from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_encode
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from madar.api.documents import answer_document
from madar.api.generations import GenerationOut
from madar.api.operations import operation, recognise
from madar.api.request import State, WireModel, resources_of
from madar.db import gallery
from madar.db.gallery import GalleryPage
from madar.db.sessions import Credential
from madar.domain.gallery import (
    MAX_PAGE,
    MAX_PAGE_SIZE,
    MAX_SEARCH_CHARACTERS,
    PAGE_SIZE,
    SORTS,
    STATUSES,
    GalleryRequest,
    check_gallery,
    pagination,
)


def _schema(**told: Any) -> WithJsonSchema:
    return WithJsonSchema(told)


_Page = Annotated[str, _schema(type="integer", minimum=1, maximum=MAX_PAGE, default=1)]
_Limit = Annotated[
    str, _schema(type="integer", minimum=1, maximum=MAX_PAGE_SIZE, default=PAGE_SIZE)
]
_Search = Annotated[
    str,
    _schema(
        type="string",
        maxLength=MAX_SEARCH_CHARACTERS,
        # No control characters, but those that separate words.
        pattern=r"^[^\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]*$",
    ),
]
_Style = Annotated[str, _schema(type="string", pattern="^[a-z0-9-]{1,50}$", examples=["voxel-3d"])]
_Sort = Annotated[str, _schema(type="string", enum=list(SORTS))]
_Status = Annotated[str, _schema(type="string", enum=list(STATUSES))]
_Truth = Annotated[str, _schema(type="boolean")]
_Time = Annotated[
    str,
    _schema(anyOf=[{"type": "string", "format": form} for form in ("date", "date-time")]),
]


class GalleryQuery(WireModel):
    """Filters, an order, and a page by its number or behind a `cursor`.

    Everything is text until the rules of the gallery have read it, because they are stricter than
    a parser of numbers and times, and tell all faults at once.
    """

    page: _Page = "1"
    limit: _Limit = str(PAGE_SIZE)
    search: _Search | None = Field(
        default=None, description='Words, "a phrase", or, -without; English and Arabic.'
    )
    style: _Style | None = None
    status: _Status | None = None
    liked: _Truth | None = None
    created_from: _Time | None = Field(default=None, alias="from")
    created_to: _Time | None = Field(
        default=None, alias="to", description="Not included; of a date, the whole day is."
    )
    sort: _Sort = "newest"
    cursor: str | None = Field(
        default=None, description="`nextCursor` of the page before, with the same parameters."
    )


class Pagination(WireModel):
    """`page` is absent behind a cursor, `nextCursor` null at the end."""

    page: int | None = None
    limit: int
    total: int
    total_pages: int
    next_cursor: str | None


class Gallery(WireModel):
    generations: list[GenerationOut]
    pagination: Pagination


@operation(
    "Your pictures",
    tag="generations",
    answers={200: Gallery, 304: None},
    problems=(
        *("page_out_of_range", "limit_out_of_range", "sort_unknown", "status_unknown"),
        *("style_unknown", "liked_unreadable", "search_too_long", "search_unreadable"),
        *("time_unreadable", "from_after_to", "cursor_invalid"),
    ),
)
async def list_generations(
    request: Request[State], credential: Credential, query: GalleryQuery
) -> Response:
    resources = resources_of(request)
    secret = str(resources.settings.jwt_secret)
    signer = _signer(secret)
    given = query.model_dump(by_alias=True, exclude_unset=True)
    asked = check_gallery(given, open_cursor=lambda cursor: _opened(signer, cursor))
    page = await resources.reads.read(
        lambda conn: gallery.list_documents(conn, credential, request=asked)
    )
    await recognise(request, page)
    assert page
    body = _body(page, asked, secret)
    return answer_document(request, body, cache="private, max-age=0, must-revalidate")


def _body(page: GalleryPage, asked: GalleryRequest, secret: str) -> bytes:
    position = page.next_position(asked)
    cursor = _sealed(str(position), secret) if position else None
    numbers = orjson.dumps(pagination(asked, total=page.total, next_cursor=cursor))
    return b'{"generations":%s,"pagination":%s}' % (page.generations.encode(), numbers)


@cache
def _signer(secret: str) -> URLSafeSerializer:
    """Nobody has secrets in a cursor; the signature keeps made-up ones from the database."""
    return URLSafeSerializer(
        secret,
        salt="gallery-cursor",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


@cache
def _sealer(secret: str) -> Signer:
    """What `_signer` signs with; the key is derived once, not each time."""
    key = _signer(secret).make_signer().derive_key()
    return Signer(key, key_derivation="none", digest_method=hashlib.sha256)


def _sealed(text: str, secret: str) -> str:
    """As `_signer` would write it, but that does not try whether so little can be compressed."""
    return _sealer(secret).sign(base64_encode(orjson.dumps(text))).decode()


def _opened(signer: URLSafeSerializer, cursor: str) -> str | None:
    try:
        return str(signer.loads(cursor))
    except (BadData, ValueError):
        return None
