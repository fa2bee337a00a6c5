"""The local Google's only page: who are you? No scripts, English and Arabic."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from madar.simulator.people import CAST

_CSS = """
:root { color-scheme: light dark }
body { font: 16px/1.6 system-ui, sans-serif; margin: 0; background: Canvas; color: CanvasText }
main { max-width: 24rem; margin-inline: auto; padding: 2rem 1rem }
h1 { font-size: 1.25rem; line-height: 1.35; margin-block: 0 .5rem }
h2 { font-size: 1rem; margin-block: 2rem .5rem }
button, input { font: inherit; box-sizing: border-box; width: 100%; min-height: 2.75rem;
  padding: .5rem .75rem; border: 1px solid GrayText; border-radius: .5rem;
  background: Field; color: FieldText }
button { background: ButtonFace; color: ButtonText; cursor: pointer; text-align: start }
button:focus-visible, input:focus-visible { outline: 2px solid Highlight; outline-offset: 2px }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem }
label { display: block; margin-block: .75rem .25rem }
.send { margin-block-start: 1rem; text-align: center }
[role=alert] { border-inline-start: 4px solid #c02b2b; padding-inline-start: .75rem }
"""
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Local sign-in (stands in for Google)",
        "lead": "Choose who you are. Nothing here reaches Google.",
        "people": "People",
        "Amal": "Amal",
        "Badr": "Badr",
        "Dana": "Dana, administrator",
        "else": "Someone else",
        "name": "Name",
        "email": "E-mail",
        "send": "Continue",
        "bad_email": "That is not an e-mail address. Write one like sara@example.org.",
        "refused": "This sign-in cannot go on",
    },
    "ar": {
        "title": "تسجيل دخول محلي (بدلًا من Google)",
        "lead": "اختيار الشخص. لا شيء هنا يصل إلى Google.",
        "people": "الأشخاص",
        "Amal": "أمل",
        "Badr": "بدر",
        "Dana": "دانة، مديرة النظام",
        "else": "شخص آخر",
        "name": "الاسم",
        "email": "البريد الإلكتروني",
        "send": "متابعة",
        "bad_email": "هذا ليس عنوان بريد إلكتروني. مثال صحيح: sara@example.org",
        "refused": "تعذّرت متابعة تسجيل الدخول",
    },
}


def language_of(accept_language: str) -> str:
    """The first of our two languages in the order of the reader's weights; else English."""
    wishes: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.strip().lower().split("-")[0]
        if language in _TEXTS:
            wishes.append((_weight_of(weight), language))
    # Stable, so that of equal weights the first written wins.
    best = max(wishes, key=lambda wish: wish[0], default=(0.0, "en"))
    return best[1] if best[0] > 0 else "en"


def _weight_of(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def sign_in_page(
    parameters: Mapping[str, str], *, language: str, has_bad_email: bool
) -> HTMLResponse:
    """The parameters are those of the authorization request; the form sends them again."""
    texts = _TEXTS[language]
    kept = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in parameters.items()
        if name not in {"login_hint", "name"}
    )
    people = "".join(
        f'<li><button name="login_hint" value="{person.email}">{texts[person.name]}'
        f' <bdi dir="ltr">{person.email}</bdi></button></li>'
        for person in CAST
    )
    alert = f'<p role="alert">{texts["bad_email"]}</p>' if has_bad_email else ""
    body = f"""<h1>{texts["title"]}</h1><p>{texts["lead"]}</p>{alert}
<form action="authorize"><h2 id="people">{texts["people"]}</h2>
<ul aria-labelledby="people">{people}</ul>{kept}</form>
<form action="authorize"><h2>{texts["else"]}</h2>{kept}
<label for="name">{texts["name"]}</label>
<input id="name" name="name" autocomplete="name" required dir="auto">
<label for="email">{texts["email"]}</label>
<input id="email" name="login_hint" type="email" autocomplete="email" required dir="ltr">
<button class="send">{texts["send"]}</button></form>"""
    # A browser applies form-action to where the answer redirects, too.
    target = urlsplit(parameters["redirect_uri"])
    return _page(
        body,
        language=language,
        status_code=422 if has_bad_email else 200,
        form_action=f"'self' {target.scheme}://{target.netloc}",
    )


def refusal_page(reason: str, *, language: str) -> HTMLResponse:
    """For what must never be redirected: the reason goes to the developer, in English."""
    title = _TEXTS[language]["refused"]
    body = f'<h1>{title}</h1><p role="alert" lang="en" dir="ltr">{escape(reason)}</p>'
    return _page(body, language=language, status_code=400, form_action="'none'")


def _page(body: str, *, language: str, status_code: int, form_action: str) -> HTMLResponse:
    direction = "rtl" if language == "ar" else "ltr"
    page = f"""<!doctype html>
<html lang="{language}" dir="{direction}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_TEXTS[language]["title"]}</title><style>{_CSS}</style></head>
<body><main>{body}</main></body></html>"""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "content-language": language,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "vary": "Accept-Language",
        "x-content-type-options": "nosniff",
    }
    return HTMLResponse(page, status_code, headers=headers)
