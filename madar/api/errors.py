"""/docs/errors: every code a program may meet, in words; `type` of each problem points here."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from html import escape
from itertools import groupby

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from madar import i18n
from madar.api.request import State, language_of
from madar.codes import CODES, document_of, words_of
from madar.errors import NotFound

# Logical properties, so that one sheet serves both directions.
STYLE = """
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c28; background: #fff;
  font: 1rem/1.6 system-ui, "Noto Sans Arabic", sans-serif }
h2 { margin-block: 2.5rem .5rem; font-size: 1.1rem }
dt { margin-block-start: 1.5rem; scroll-margin-block-start: 1rem; font-weight: 600 }
dt:target + dd { background: #fff6d6 }
dd { margin: 0; padding-inline-start: 1rem; border-inline-start: 3px solid #d5d5e0 }
dd p { margin-block: .35rem }
a { color: #2743b8 }
@media (prefers-color-scheme: dark) {
  body { color: #ececf4; background: #16161d }
  dt:target + dd { background: #3a3314 }
  dd { border-color: #44445a }
  a { color: #a9b8ff }
}
"""
HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Vary": "Accept, Accept-Language",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; style-src "
    f"'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'",
}
PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>{style}</style>
{content}</html>
"""
GROUP = "<h2>{heading}</h2><dl>{entries}</dl>"
ENTRY = """<dt id="{code}"><a href="/docs/errors/{code}"><code dir="ltr">{code}</code></a></dt>
<dd>{paragraphs}</dd>
"""


async def list_errors(request: Request[State]) -> Response:
    if _wants_json(request):
        body = {"codes": [document_of(code) for code in CODES]}
        return JSONResponse(body, headers=HEADERS)
    language = language_of(request)
    return HTMLResponse(_whole_page(language), headers=_in(language))


async def get_error(request: Request[State]) -> Response:
    code: str = request.path_params["code"]
    if code not in CODES:
        raise NotFound
    if _wants_json(request):
        return JSONResponse(document_of(code), headers=HEADERS)
    language = language_of(request)
    all_codes = f'<h1><a href="/docs/errors">{_text("title", language)}</a></h1>'
    page = _page(code, all_codes + _groups([code], language), language)
    return HTMLResponse(page, headers=_in(language))


def _wants_json(request: Request[State]) -> bool:
    """Browsers name both, and mean the page."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _in(language: i18n.Language) -> Mapping[str, str]:
    return {**HEADERS, "Content-Language": language}


def _text(name: str, language: i18n.Language) -> str:
    return escape(i18n.text(f"errors.{name}", language))


@cache
def _whole_page(language: i18n.Language) -> str:
    title, intro = _text("title", language), _text("intro", language)
    head = f"<h1>{title}</h1><p>{intro}</p>"
    return _page(title, head + _groups(sorted(CODES), language), language)


def _page(title: str, content: str, language: i18n.Language) -> str:
    return PAGE.format(
        language=language,
        direction="rtl" if language == "ar" else "ltr",
        title=title,
        style=STYLE,
        content=content,
    )


def _groups(codes: Iterable[str], language: i18n.Language) -> str:
    """By status, and last what only ends generations."""
    by_status = groupby(sorted(codes, key=_order), key=lambda code: CODES[code].status)
    return "".join(
        GROUP.format(
            heading=escape(_heading(status, language)),
            entries="".join(_entry(code, language) for code in group),
        )
        for status, group in by_status
    )


def _order(code: str) -> int:
    return CODES[code].status or 1000


def _heading(status: int | None, language: i18n.Language) -> str:
    if status is None:
        return i18n.text("errors.failures", language)
    return f"{status} · {i18n.text(f'title.{status}', language)}"


def _entry(code: str, language: i18n.Language) -> str:
    words = words_of(code, language)
    paragraphs = [(_label(kind, code, language), sentence) for kind, sentence in words.items()]
    helps = "retry_helps" if CODES[code].is_retryable else "retry_useless"
    paragraphs.append(("", i18n.text(f"errors.{helps}", language)))
    return ENTRY.format(
        code=code,
        paragraphs="".join(
            f"<p>{f'<b>{escape(label)}</b> · ' if label else ''}{escape(words)}</p>"
            for label, words in paragraphs
        ),
    )


def _label(kind: str, code: str, language: i18n.Language) -> str:
    """The sentence itself stands alone, unless a code has two."""
    if kind == "failure" and "problem" in CODES[code].kinds:
        return i18n.text("errors.failed_picture", language)
    return i18n.text(f"errors.{kind}", language) if kind in {"cause", "cure"} else ""
