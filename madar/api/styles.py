"""/api/styles: what a picture may look like."""

from starlette.requests import Request
from starlette.responses import Response

from madar.api.request import State, language_of, resources_of
from madar.db import styles
from madar.db.pool import read

CACHE = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Language"}


async def list_styles(request: Request[State]) -> Response:
    resources, language = resources_of(request), language_of(request)
    body = await read(
        resources.pool,
        lambda conn: styles.list_style_documents(
            conn, language=language, base_url=resources.settings.app_url
        ),
    )
    headers = {**CACHE, "Content-Language": language}
    return Response(body, headers=headers, media_type="application/json")
