"""/docs: the contract as a page to read and to try, made of parts that are served from here."""

from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from madar import i18n
from madar.api.request import State, language_of
from madar.errors import NotFound
from madar.settings import ROOT

# npm puts them there at set-up (frontend/package.json); they are no part of this repository.
PARTS = ROOT / "frontend" / "node_modules" / "swagger-ui-dist"
OWN = ROOT / "madar" / "api" / "assets"
SCRIPT, SHEET, START = "swagger-ui-bundle.js", "swagger-ui.css", "reference.js"
HEADERS = {
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language",
    # Swagger UI writes `style` attributes; scripts it needs none but these two files.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">{content}</html>
"""
REFERENCE = f"""<link rel="stylesheet" href="/docs/assets/{SHEET}">
<noscript>{{needs_script}}</noscript><div id="reference" dir="ltr"></div>
<script src="/docs/assets/{SCRIPT}"></script><script src="/docs/assets/{START}"></script>
"""
MISSING = """<h1>{title}</h1><p>{missing}</p>
<p><a href="/api/openapi.json">/api/openapi.json</a> · <a href="/docs/errors">/docs/errors</a></p>
"""


async def get_reference(request: Request[State]) -> Response:
    language = language_of(request)
    words = {
        name: escape(i18n.text(f"reference.{name}", language))
        for name in ("title", "missing", "needs_script")
    }
    is_complete = all(_place_of(name).is_file() for name in (SCRIPT, SHEET))
    page = PAGE.format(
        language=language,
        direction="rtl" if language == "ar" else "ltr",
        title=words["title"],
        content=(REFERENCE if is_complete else MISSING).format(**words),
    )
    return HTMLResponse(page, headers={**HEADERS, "Content-Language": language})


async def get_asset(request: Request[State]) -> Response:
    name: str = request.path_params["name"]
    if name not in {SCRIPT, SHEET, START} or not _place_of(name).is_file():
        raise NotFound
    return FileResponse(_place_of(name), headers={"Cache-Control": "public, max-age=3600"})


def _place_of(name: str) -> Path:
    return (OWN if name == START else PARTS) / name
