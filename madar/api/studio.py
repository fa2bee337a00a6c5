"""/studio: the built-in page, and the modules, texts and fonts it is made of."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from madar import i18n
from madar.api.reference import MISSING
from madar.api.reference import PAGE as PLAIN_PAGE
from madar.api.request import State, cookies_of, language_of, optional_viewer_of, resources_of
from madar.api.studio_assets import Assets, assets
from madar.clients.storage import Storage
from madar.db.sessions import Viewer
from madar.errors import NotFound, TooBusy, Unavailable
from madar.settings import Settings

LANGUAGE_COOKIE, THEME_COOKIE = "madar-language", "madar-theme"
THEMES = ("light", "dark")
IMMUTABLE = "public, max-age=31536000, immutable"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_FONTS = {
    "en": ("latin-400", "latin-600"),
    "ar": ("arabic-400", "arabic-600", "latin-400"),
}
PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}" data-theme="{theme}" data-issuer="{issuer}"
 data-images="{images}" data-session="{session}">
<meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="description" content="{description}">
<meta property="og:title" content="{title}"><meta property="og:description" content="{description}">
<meta property="og:image" content="{app_url}/previews/voxel-3d.webp">
<meta name="theme-color" media="(prefers-color-scheme: light)" content="#f6f5f2">
<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#141316">
<link rel="icon" href="{base}/icon.svg" type="image/svg+xml">
<script type="importmap">{import_map}</script>
{links}
<script type="module" src="{base}/main.js"></script>
<body><div id="studio"></div><noscript>{needs_script}</noscript></html>
"""


async def get_studio(request: Request[State]) -> Response:
    settings = resources_of(request).settings
    session, viewer = await _who_asks(request)
    language = _language_of(request, viewer)
    found = assets()
    if not found.is_complete:
        return _without_parts(language)
    import_map = json.dumps({"imports": found.import_map}, separators=(",", ":"))
    page = PAGE.format(
        language=language,
        direction="rtl" if language == "ar" else "ltr",
        theme=_theme_of(request),
        issuer=_stand_in(settings, settings.google_issuer) or "google",
        images=_stand_in(settings, settings.fal_queue_url) or "fal",
        session=session,
        title=escape(i18n.text("studio.title", language)),
        description=escape(i18n.text("studio.description", language)),
        needs_script=escape(i18n.text("studio.needs_script", language)),
        app_url=escape(settings.app_url.rstrip("/")),
        base=found.base,
        import_map=import_map,
        links=_links(found, language),
    )
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Language": language,
        "Vary": "Accept-Language, Cookie",
        "Content-Security-Policy": _policy(settings, resources_of(request).storage, import_map),
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return HTMLResponse(page, headers=headers)


async def get_studio_asset(request: Request[State]) -> Response:
    """Under the digest of them all, so that whoever has one never asks for it again."""
    found = assets()
    asset = found.by_name.get(request.path_params["name"])
    if asset is None:
        raise NotFound
    is_current = request.path_params["digest"] == found.digest
    headers = {
        # A page of the release before may still ask; it gets what there is, and keeps none of it.
        "Cache-Control": IMMUTABLE if is_current else "no-store",
        "ETag": asset.tag,
        "Vary": "Accept-Encoding",
    }
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.packed, headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


async def _who_asks(request: Request[State]) -> tuple[str, Viewer | None]:
    """So that the page does not have to ask first, and be refused, where it is nobody."""
    try:
        viewer = await optional_viewer_of(request)
    except (Unavailable, TooBusy):
        return "unknown", None  # the page itself will say what is away
    return "open" if viewer else "none", viewer


def _language_of(request: Request[State], viewer: Viewer | None) -> i18n.Language:
    """One chosen in the profile, the one in the address, the last one here, the browser's."""
    if viewer and viewer.is_language_chosen:
        return i18n.known(viewer.language)
    asked = (request.query_params.get("lang"), cookies_of(request).get(LANGUAGE_COOKIE))
    wanted = next((one for one in asked if one in i18n.LANGUAGES), None)
    return i18n.known(wanted) if wanted else language_of(request)


def _theme_of(request: Request[State]) -> str:
    theme = cookies_of(request).get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


def _stand_in(settings: Settings, url: str) -> str:
    """`local` where development answers for somebody else."""
    is_here = urlsplit(url).hostname in _LOOPBACK
    return "local" if is_here and not settings.is_production else ""


def _links(found: Assets, language: i18n.Language) -> str:
    """What the page will ask for, all at once instead of one import after another."""
    sheet = f'<link rel="stylesheet" href="{found.base}/studio.css">'
    modules = [f'<link rel="modulepreload" href="{found.base}/{name}">' for name in found.modules]
    texts = f'<link rel="preload" as="fetch" crossorigin href="{found.base}/texts/{language}.json">'
    fonts = [
        f'<link rel="preload" as="font" type="font/woff2" crossorigin '
        f'href="{found.base}/fonts/{name}.woff2">'
        for name in _FONTS[language]
    ]
    return "\n".join([sheet, *fonts, texts, *modules])


def _policy(settings: Settings, storage: Storage, import_map: str) -> str:
    """No foreign request: pictures come from here, or from the bucket that the links lead to."""
    app = _origin(settings.app_url)
    places = " ".join(filter(None, (app, storage.bucket_origin)))
    seal = b64encode(sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'self'; script-src 'self' 'sha256-{seal}'; style-src 'self'; "
        f"img-src 'self' data: blob: {places}; "
        f"connect-src 'self' {app.replace('http', 'ws', 1)} {places}; font-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _without_parts(language: i18n.Language) -> Response:
    words = {
        "title": escape(i18n.text("studio.title", language)),
        "missing": escape(i18n.text("studio.missing", language)),
    }
    page = PLAIN_PAGE.format(
        language=language,
        direction="rtl" if language == "ar" else "ltr",
        title=words["title"],
        content=MISSING.format(**words),
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Language": language,
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    return HTMLResponse(page, headers=headers)
