"""/docs/errors: every code a program may meet, in words; `type` of each problem points here."""

import re
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from madar import i18n
from madar.api.request import State, language_of

_PLACEHOLDER = re.compile(r"\{\w+\}")
KINDS = ("problem.", "failure.")
PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><h1>{title}</h1><dl>{entries}</dl></html>
"""
ENTRY = '<dt id="{code}"><code>{code}</code></dt><dd>{words}</dd>'


def _words(language: i18n.Language) -> dict[str, str]:
    """By code; what a sentence names in a particular case is an ellipsis here."""
    return {
        key.partition(".")[2]: _PLACEHOLDER.sub("…", str(words))
        for key, words in i18n.catalogue(language).items()
        if key.startswith(KINDS)
    }


async def list_errors(request: Request[State]) -> Response:
    language = language_of(request)
    page = PAGE.format(
        language=language,
        direction="rtl" if language == "ar" else "ltr",
        title=i18n.text("errors.title", language),
        entries="".join(
            ENTRY.format(code=code, words=escape(words))
            for code, words in sorted(_words(language).items())
        ),
    )
    headers = {
        "Content-Language": language,
        "Vary": "Accept-Language",
        "Content-Security-Policy": "default-src 'none'",
    }
    return HTMLResponse(page, headers=headers)
