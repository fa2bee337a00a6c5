"""/api/health, what orchestrators ask, and the front door."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

import madar
from madar import i18n
from madar.api.operations import operation
from madar.api.request import State, WireModel, language_of, resources_of, viewer_of
from madar.api.studio_assets import assets
from madar.db import system, turns
from madar.db.pool import connection
from madar.db.turns import Gate
from madar.errors import TooBusy, Unauthenticated, Unavailable

NO_STORE = {"Cache-Control": "no-store"}
# What may come back from Google instead of a person (api/auth.py).
SIGN_IN_CODES = {"sign_in_refused", "sign_in_expired", "email_not_verified", "account_disabled"}
PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><h1>{title}</h1><p>{who}</p><p>{next}</p></html>
"""


Well = Literal["ok", "unavailable"]


class Pause(WireModel):
    """An operator lets no picture be begun since then; `reason` is in the reader's language."""

    since: datetime
    reason: str


class Health(WireModel):
    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, Well]
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
    with contextlib.suppress(Unavailable, TooBusy):
        async with connection(resources_of(request).pool) as conn:
            works["worker"] = await system.has_worker(conn)
            pause = _pause_of(await turns.get_gate(conn), language_of(request))
        works["database"] = True
    # Without bells or a worker this process serves all the same; to send nobody here any more
    # would help nobody.
    serves = works["database"]
    health = Health(
        status=_status_of({**works, "pause": pause is None}),
        version=madar.__version__,
        checks=_words_of(works),
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


async def get_livez(request: Request[State]) -> Response:
    """Whether this process is to be left running: not a word of anybody else's health."""
    liveness = request.state["liveness"]
    silent = sorted({*liveness.silent(), *filter(None, [liveness.gave_up])})
    body = {"status": "failing" if silent else "ok", "silent": silent}
    return JSONResponse(body, 503 if silent else 200, headers=NO_STORE)


async def get_readyz(request: Request[State]) -> Response:
    """Whether to send requests here, and what of that on which they may lean is away.

    Only the database and a goodbye of this process itself keep requests from being served;
    without the rest some of them are. Storage and Google are as the last one found them.
    """
    resources = resources_of(request)
    helpers = None
    with contextlib.suppress(Unavailable, TooBusy):
        async with connection(resources.pool) as conn:
            helpers = await system.get_helpers(conn)
    works = {
        "process": not request.state["live"].is_leaving,
        "database": helpers is not None,
        "live": request.state["listener"].hears,
        "worker": helpers is not None and helpers.has_worker,
        "fal": helpers is None or not helpers.is_fal_closed,
        "storage": resources.storage.answers,
        "google": resources.google.answers,
        "cache": resources.cache.answers,
    }
    serves = works["process"] and works["database"]
    body = {"status": _status_of(works) if serves else "unavailable", "checks": _words_of(works)}
    return JSONResponse(body, 200 if serves else 503, headers=NO_STORE)


def _status_of(works: Mapping[str, bool]) -> Literal["ok", "degraded"]:
    return "ok" if all(works.values()) else "degraded"


def _words_of(works: Mapping[str, bool]) -> dict[str, Well]:
    return {name: "ok" if is_well else "unavailable" for name, is_well in works.items()}


async def get_home(request: Request[State]) -> Response:
    """A browser is led to the studio, with how a sign-in went; programs are told what this is."""
    if "text/html" in request.headers.get("accept", "") and assets().is_complete:
        refused = request.query_params.get("error")
        there = f"/studio?error={refused}" if refused in SIGN_IN_CODES else "/studio"
        return RedirectResponse(there, 303, headers={**NO_STORE, "Vary": "Accept"})
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
