"""/api/auth: sign in at Google, out again, and who am I."""

import re
import secrets
import time
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from madar.actions import sessions
from madar.actions.sessions import SIGN_IN_LIFE_S, SignedIn
from madar.api.operations import operation
from madar.api.request import (
    State,
    Text,
    WireModel,
    check_origin,
    cookie_name,
    cookies_of,
    language_of,
    make_token,
    resources_of,
)
from madar.db import sessions as db_sessions
from madar.db.pool import read
from madar.db.sessions import Viewer
from madar.errors import MadarError, NotFound, Unauthenticated
from madar.settings import Settings

NO_STORE = {"Cache-Control": "no-store"}
TAG = "auth"
SIGN_IN_PROBLEMS = (
    *("sign_in_expired", "sign_in_refused", "email_not_verified", "account_disabled"),
    *("origin_refused", "google_unavailable"),
)
_BROWSER_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_STUDIO = re.compile(r"/studio(?:[/?#]|$)")


class GoogleUrlQuery(WireModel):
    """`returnTo` is a path of the frontend, `/gallery?page=2`; a browser comes back to it."""

    return_to: Text = ""


class CallbackIn(WireModel):
    code: Text
    state: Text


class CallbackQuery(WireModel):
    """What Google sends along; it adds fields of its own, which are ignored."""

    model_config = ConfigDict(extra="ignore")

    code: Text = ""
    state: Text = ""
    error: Text = ""


class GoogleUrl(WireModel):
    url: str
    state: str


class AuthUser(WireModel):
    id: UUID
    email: str
    display_name: str
    avatar_url: str
    language: Literal["en", "ar"]


class SignedInOut(WireModel):
    """`token` goes into `Authorization: Bearer …`; it works while its session lives."""

    user: AuthUser
    token: str
    expires_at: datetime


class SignedOut(WireModel):
    ok: bool


class SessionOut(WireModel):
    id: UUID
    is_current: bool
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class Sessions(WireModel):
    sessions: list[SessionOut]


@operation(
    "Where to sign in at Google",
    tag=TAG,
    answers={200: GoogleUrl, 303: None},
    problems=("return_to_invalid", "google_unavailable"),
    policy="sign-in",
)
async def get_google_url(request: Request[State], query: GoogleUrlQuery) -> Response:
    """The address as JSON for a program; a browser that is sent here goes there at once."""
    resources = resources_of(request)
    name = _sign_in_cookie(resources.settings)
    # A second tab goes on with the first one's secret, so that both can come back.
    known = cookies_of(request).get(name, "")
    browser_token = known if _BROWSER_TOKEN.fullmatch(known) else secrets.token_urlsafe(32)
    started = await sessions.start_sign_in(
        resources, browser_token=browser_token, return_to=query.return_to
    )
    answer: Response
    if "text/html" in request.headers.get("accept", ""):
        answer = RedirectResponse(started.url, 303, headers=NO_STORE)
    else:
        answer = JSONResponse({"url": started.url, "state": started.state}, headers=NO_STORE)
    set_cookie(
        answer,
        resources.settings,
        name=name,
        value=started.browser_token,
        max_age_s=SIGN_IN_LIFE_S,
    )
    return answer


@operation(
    "Finish a sign-in, for a page that got code and state itself",
    tag=TAG,
    answers={200: SignedInOut},
    problems=SIGN_IN_PROBLEMS,
    policy="sign-in",
)
async def post_google_callback(request: Request[State], body: CallbackIn) -> Response:
    check_origin(request)
    signed_in = await _finish(request, code=body.code, state=body.state)
    secret = str(resources_of(request).settings.jwt_secret)
    viewer = _viewer(signed_in)
    answer: dict[str, Any] = {
        "user": user_out(viewer),
        "token": make_token(viewer, issued_at=int(time.time()), secret=secret),
        "expiresAt": viewer.ends_at.isoformat(),
    }
    return _with_session(request, JSONResponse(answer, headers=NO_STORE), signed_in)


@operation(
    "Finish a sign-in, for a browser that Google sends straight back",
    tag=TAG,
    answers={303: None},
    problems=SIGN_IN_PROBLEMS,
    policy="sign-in",
)
async def get_google_callback(request: Request[State], query: CallbackQuery) -> Response:
    """A person is not shown JSON: a refusal brings them home too, with its code."""
    home = resources_of(request).settings.home_url
    try:
        if not query.code or not query.state:
            raise Unauthenticated("sign_in_refused")
        signed_in = await _finish(request, code=query.code, state=query.state)
    except MadarError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        request.scope["madar.code"] = error.code
        return RedirectResponse(f"{home}?error={error.code}", 303, headers=NO_STORE)
    # The path starts with one slash, so it cannot change whose address this is. The studio is a
    # page of ours, wherever the frontend is.
    is_of_studio = _STUDIO.match(signed_in.return_to)
    base = resources_of(request).settings.app_url if is_of_studio else home
    there = base.rstrip("/") + signed_in.return_to if signed_in.return_to else home
    return _with_session(request, RedirectResponse(there, 303, headers=NO_STORE), signed_in)


@operation("Who is signed in", tag=TAG, answers={200: AuthUser})
async def get_user(_request: Request[State], viewer: Viewer) -> Response:
    return JSONResponse(user_out(viewer), headers=NO_STORE)


@operation("Sign out", tag=TAG, answers={200: SignedOut})
async def post_logout(request: Request[State], viewer: Viewer) -> Response:
    await sessions.sign_out(resources_of(request), session_id=viewer.session_id, user_id=viewer.id)
    request.state["live"].hub.end_sessions([viewer.session_id])
    return forget_session(request, JSONResponse({"ok": True}))


@operation("Where you are signed in", tag=TAG, answers={200: Sessions})
async def list_sessions(request: Request[State], viewer: Viewer) -> Response:
    body = await read(
        resources_of(request).pool,
        lambda conn: db_sessions.list_session_documents(
            conn, owner_id=viewer.id, current_id=viewer.session_id
        ),
    )
    return Response(body, headers=NO_STORE, media_type="application/json")


@operation("Sign out everywhere, here too", tag=TAG, answers={204: None})
async def delete_sessions(request: Request[State], viewer: Viewer) -> Response:
    ended = await sessions.sign_out_everywhere(resources_of(request), user_id=viewer.id)
    request.state["live"].hub.end_sessions(ended)
    return forget_session(request, Response(status_code=204))


@operation("Sign one of your sessions out", tag=TAG, answers={204: None})
async def delete_session(request: Request[State], viewer: Viewer, id: UUID) -> Response:
    if not await sessions.sign_out(resources_of(request), session_id=id, user_id=viewer.id):
        raise NotFound
    request.state["live"].hub.end_sessions([id])
    answer = Response(status_code=204)
    return forget_session(request, answer) if id == viewer.session_id else answer


def user_out(viewer: Viewer) -> dict[str, str]:
    """The report's AuthUser: every field a string."""
    return {
        "id": str(viewer.id),
        "email": viewer.email,
        "displayName": viewer.display_name,
        "avatarUrl": viewer.avatar_url or "",
        "language": viewer.language,
    }


async def _finish(request: Request[State], *, code: str, state: str) -> SignedIn:
    resources = resources_of(request)
    return await sessions.finish_sign_in(
        resources,
        code=code,
        state=state,
        browser_token=cookies_of(request).get(_sign_in_cookie(resources.settings), ""),
        language=language_of(request),
        user_agent=request.headers.get("user-agent", ""),
        presented_token=cookies_of(request).get(cookie_name(resources.settings), ""),
    )


def _viewer(signed_in: SignedIn) -> Viewer:
    user, session = signed_in.user, signed_in.session
    return Viewer(
        session_id=session.id,
        expires_at=session.expires_at,
        ends_at=session.ends_at,
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        avatar_url=user.avatar_url,
        language=user.language,
        is_language_chosen=user.is_language_chosen,
    )


def _with_session(request: Request[State], answer: Response, signed_in: SignedIn) -> Response:
    settings = resources_of(request).settings
    name, life_s = cookie_name(settings), sessions.SESSION_LIFE_S
    set_cookie(answer, settings, name=name, value=signed_in.token, max_age_s=life_s)
    return answer


def forget_session(request: Request[State], answer: Response) -> Response:
    """The browser drops its cookie with this answer."""
    settings = resources_of(request).settings
    set_cookie(answer, settings, name=cookie_name(settings), value="", max_age_s=0)
    return answer


def _sign_in_cookie(settings: Settings) -> str:
    return f"{cookie_name(settings)}-sign-in"


def set_cookie(
    answer: Response, settings: Settings, *, name: str, value: str, max_age_s: int
) -> None:
    """Lax where frontend and API share a site; for another site browsers want it partitioned.

    Without `Secure` they refuse `SameSite=None`; on http://localhost they take both.
    Written out here because Starlette knows `Partitioned` from Python 3.14 on only.
    """
    site = "SameSite=None; Partitioned" if settings.cookie_site == "cross" else "SameSite=Lax"
    is_secure = settings.cookie_site == "cross" or settings.app_url.startswith("https://")
    secure = "; Secure" if is_secure else ""
    line = f"{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly{secure}; {site}"
    answer.raw_headers.append((b"set-cookie", line.encode()))
