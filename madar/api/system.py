"""/api/health and the front door."""

import contextlib
from datetime import datetime
from html import escape
from typing import Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

import madar
from madar import i18n
from madar.api.operations import operation
from madar.api.request import State, WireModel, language_of, resources_of, viewer_of
from madar.db import system, turns
from madar.db.pool import connection
from madar.db.turns import Gate
from madar.errors import Unauthenticated, Unavailable

NO_STORE = {"Cache-Control": "no-store"}
# What may come back from Google instead of a person (api/auth.py).
SIGN_IN_CODES = {"sign_in_refused", "sign_in_expired", "email_not_verified", "account_disabled"}
PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><h1>{title}</h1><p>{who}</p><p>{next}</p></html>
"""


class Pause(WireModel):
    """An operator lets no picture be begun since then; `reason` is in the reader's language."""

    since: datetime
    reason: str


class Health(WireModel):
    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, Literal["ok", "unavailable"]]
    pause: Pause | None = None


@operation(
    "Whether this process serves (200), what is missing (degraded), and whether it can (503)",
    tag="system",
    answers={200: Health, 503: Health},
    policy=None,
)
async def get_health(request: Request[State]) -> Response:
    pause: Pause | None = None
    works = {"database": False, "live": request.state["listener"].hears, "worker": False}
    with contextlib.suppress(Unavailable):
        async with connection(resources_of(request).pool) as conn:
            works["worker"] = await system.has_worker(conn)
            pause = _pause_of(await turns.get_gate(conn), language_of(request))
        works["database"] = True
    # Without bells or a worker this process serves all the same; to send nobody here any more
    # would help nobody.
    serves = works["database"]
    health = Health(
        status="ok" if all(works.values()) and pause is None else "degraded",
        version=madar.__version__,
        checks={name: "ok" if is_well else "unavailable" for name, is_well in works.items()},
        pause=pause,
    )
    headers = NO_STORE if serves else {**NO_STORE, "Retry-After": "2"}
    body = health.model_dump(mode="json", by_alias=True, exclude_none=True)
    return JSONResponse(body, 200 if serves else 503, headers=headers)


def _pause_of(gate: Gate, language: i18n.Language) -> Pause | None:
    if gate.paused_at is None:
        return None
    reason = gate.pause_reason_ar if language == "ar" else gate.pause_reason
    assert reason, "the database sees to it"
    return Pause(since=gate.paused_at, reason=reason)


async def get_home(request: Request[State]) -> Response:
    """Where a browser lands after sign-in while no page of the product is configured."""
    try:
        viewer = await viewer_of(request)
        language = i18n.known(viewer.language)
        who = i18n.text("home.signed_in", language, name=escape(viewer.display_name))
    except Unauthenticated:
        language = language_of(request)
        refused = request.query_params.get("error")
        key = f"problem.{refused}" if refused in SIGN_IN_CODES else "home.signed_out"
        who = i18n.text(key, language)
    page = PAGE.format(
        language=language,
        direction="rtl" if language == "ar" else "ltr",
        title=i18n.text("home.title", language),
        who=who,
        next=i18n.text("home.next", language),
    )
    policy = {"Content-Security-Policy": "default-src 'none'", "Vary": "Accept-Language, Cookie"}
    return HTMLResponse(page, headers={**NO_STORE, **policy})
