"""/api/styles: what a picture may look like."""

from starlette.requests import Request
from starlette.responses import Response

from madar.api.documents import answer_unless_known
from madar.api.operations import operation
from madar.api.request import State, WireModel, language_of, resources_of
from madar.clients.cache import STYLES_TTL_S, styles_key
from madar.db import styles
from madar.db.pool import read
from madar.db.sessions import Viewer


class StyleOut(WireModel):
    id: str
    title: str
    description: str
    preview_image_url: str
    default_prompt: str
    is_active: bool


class Styles(WireModel):
    styles: list[StyleOut]


@operation("What a picture may look like", tag="styles", answers={200: Styles, 304: None})
async def list_styles(request: Request[State], viewer: Viewer | None) -> Response:
    """Titles and prompts are in the reader's language."""
    resources, language = resources_of(request), language_of(request)
    body = await resources.cache.get(styles_key(language))
    if body is None:
        body = await read(
            resources.pool,
            lambda conn: styles.list_style_documents(
                conn, language=language, base_url=resources.settings.app_url
            ),
        )
        await resources.cache.set(styles_key(language), body, STYLES_TTL_S)
    # A person's own language may differ from what the request asks for, so theirs is theirs.
    headers = {
        "Cache-Control": f"{'private' if viewer else 'public'}, max-age=3600",
        "Content-Language": language,
        "Vary": "Accept-Language, Authorization, Cookie",
    }
    return answer_unless_known(request, body, headers=headers)
