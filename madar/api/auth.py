"""/api/auth: sign in at Google, out again, and who am I."""

import re
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from madar.actions import sessions
from madar.actions.sessions import SIGN_IN_LIFE_S, SignedIn
from madar.api.request import (
    State,
    Text,
    WireModel,
    cookie_name,
    cookies_of,
    language_of,
    make_token,
    read_json,
    resources_of,
    viewer_of,
)
from madar.db.sessions import Viewer
from madar.errors import MadarError, Unauthenticated
from madar.settings import Settings

NO_STORE = {"Cache-Control": "no-store"}
_BROWSER_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class CallbackIn(WireModel):
    code: Text
    state: Text


async def get_google_url(request: Request[State]) -> Response:
    """The address as JSON for a program; a browser that is sent here goes there at once."""
    resources = resources_of(request)
    name = _sign_in_cookie(resources.settings)
    # A second tab goes on with the first one's secret, so that both can come back.
    known = cookies_of(request).get(name, "")
    browser_token = known if _BROWSER_TOKEN.fullmatch(known) else secrets.token_urlsafe(32)
    started = await sessions.start_sign_in(resources, browser_token=browser_token)
    answer: Response
    if "text/html" in request.headers.get("accept", ""):
        answer = RedirectResponse(started.url, 303, headers=NO_STORE)
    else:
        answer = JSONResponse({"url": started.url, "state": started.state}, headers=NO_STORE)
    _set_cookie(
        answer,
        resources.settings,
        name=name,
        value=started.browser_token,
        max_age_s=SIGN_IN_LIFE_S,
    )
    return answer


async def google_callback(request: Request[State]) -> Response:
    """One path, so that 405 lists both methods."""
    post = request.method == "POST"
    return await (post_google_callback(request) if post else get_google_callback(request))


async def post_google_callback(request: Request[State]) -> Response:
    """For a page that got code and state itself."""
    body = await read_json(request, CallbackIn)
    signed_in = await _finish(request, code=body.code, state=body.state)
    secret = str(resources_of(request).settings.jwt_secret)
    viewer = _viewer(signed_in)
    answer: dict[str, Any] = {
        "user": user_out(viewer),
        "token": make_token(viewer, issued_at=int(time.time()), secret=secret),
        "expiresAt": viewer.expires_at.isoformat(),
    }
    return _with_session(request, JSONResponse(answer, headers=NO_STORE), signed_in)


async def get_google_callback(request: Request[State]) -> Response:
    """For a browser that Google sends straight back; a person is not shown JSON."""
    query, home = request.query_params, resources_of(request).settings.home_url
    try:
        if "code" not in query or "state" not in query:
            raise Unauthenticated("sign_in_refused")
        signed_in = await _finish(request, code=query["code"], state=query["state"])
    except MadarError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return RedirectResponse(f"{home}?error={error.code}", 303, headers=NO_STORE)
    return _with_session(request, RedirectResponse(home, 303, headers=NO_STORE), signed_in)


async def get_user(request: Request[State]) -> Response:
    return JSONResponse(user_out(await viewer_of(request)), headers=NO_STORE)


async def post_logout(request: Request[State]) -> Response:
    viewer = await viewer_of(request)
    resources = resources_of(request)
    await sessions.sign_out(resources, session_id=viewer.session_id, user_id=viewer.id)
    request.state["hub"].end_sessions([viewer.session_id])
    answer = JSONResponse({"ok": True})
    name = cookie_name(resources.settings)
    _set_cookie(answer, resources.settings, name=name, value="", max_age_s=0)
    return answer


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
    )


def _viewer(signed_in: SignedIn) -> Viewer:
    user, session = signed_in.user, signed_in.session
    return Viewer(
        session_id=session.id,
        expires_at=session.expires_at,
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        avatar_url=user.avatar_url,
        language=user.language,
    )


def _with_session(request: Request[State], answer: Response, signed_in: SignedIn) -> Response:
    settings = resources_of(request).settings
    name, life_s = cookie_name(settings), sessions.SESSION_LIFE_S
    _set_cookie(answer, settings, name=name, value=signed_in.token, max_age_s=life_s)
    return answer


def _sign_in_cookie(settings: Settings) -> str:
    return f"{cookie_name(settings)}-sign-in"


def _set_cookie(
    answer: Response, settings: Settings, *, name: str, value: str, max_age_s: int
) -> None:
    secure = settings.app_url.startswith("https://")
    answer.set_cookie(
        name, value, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax"
    )
