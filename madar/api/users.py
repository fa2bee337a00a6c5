"""/api/user: the profile, numbers about it, everything that is kept, and the way out."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import orjson
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from madar import i18n
from madar.actions import users as actions
from madar.api.auth import forget_session, user_out
from madar.api.documents import answer_unless_known, finish
from madar.api.generations import GenerationOut
from madar.api.operations import operation
from madar.api.request import State, WireModel, language_of, resources_of
from madar.api.trash import TrashedOut
from madar.api.uploads import UploadOut
from madar.clients.cache import USER_TTL_S, user_key
from madar.db import users
from madar.db.pool import read
from madar.db.sessions import Viewer
from madar.domain.users import MAX_NAME_CHARACTERS, check_profile
from madar.errors import Unauthenticated
from madar.realtime.endings import FORBIDDEN
from madar.resources import Resources

TAG = "user"
PRIVATE = "private, max-age=0, must-revalidate"
_Name = Annotated[
    str, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARACTERS})
]
_Language = Annotated[str, WithJsonSchema({"type": "string", "enum": list(i18n.LANGUAGES)})]


class Profile(WireModel):
    id: UUID
    email: str
    display_name: str
    avatar_url: str
    language: Literal["en", "ar"]
    created_at: datetime


class ProfileIn(WireModel):
    """A language chosen here comes before a request's Accept-Language from then on."""

    display_name: _Name | None = None
    language: _Language | None = None


class Stats(WireModel):
    """`favoriteStyle` is the id of the style used most, empty without any."""

    total_generations: int
    total_likes: int
    total_downloads: int
    favorite_style: str
    joined_at: datetime


class KeptSession(WireModel):
    id: UUID
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class KeptProfile(Profile):
    updated_at: datetime


class KeptUpload(UploadOut):
    created_at: datetime


class KeptRequests(WireModel):
    """How often Madar was asked from one address by one program; kept for 30 days."""

    ip_address: str
    user_agent: str
    count: int
    first_at: datetime
    last_at: datetime


class Export(WireModel):
    """Links work for 10 to 15 minutes."""

    user: KeptProfile
    generations: list[GenerationOut]
    trash: list[TrashedOut]
    uploads: list[KeptUpload]
    sessions: list[KeptSession]
    requests: list[KeptRequests]


@operation("Your profile", tag=TAG, answers={200: Profile, 304: None})
async def get_profile(request: Request[State], viewer: Viewer) -> Response:
    body = await _profile_of(resources_of(request), viewer)
    return answer_unless_known(request, body, headers={"Cache-Control": PRIVATE})


@operation(
    "Change name or language",
    tag=TAG,
    answers={200: Profile},
    problems=("name_empty", "name_too_long", "name_unreadable", "language_unknown"),
)
async def patch_profile(request: Request[State], viewer: Viewer, body: ProfileIn) -> Response:
    change = check_profile(display_name=body.display_name, language=body.language)
    profile = await actions.update_profile(resources_of(request), owner_id=viewer.id, change=change)
    headers = {"Cache-Control": "no-store"}
    return Response(profile, headers=headers, media_type="application/json")


@operation("Numbers about your pictures", tag=TAG, answers={200: Stats, 304: None})
async def get_stats(request: Request[State], viewer: Viewer) -> Response:
    body = await read(
        resources_of(request).pool,
        lambda conn: users.get_stats_document(conn, owner_id=viewer.id),
    )
    if body is None:
        raise Unauthenticated
    return answer_unless_known(request, body, headers={"Cache-Control": PRIVATE})


@operation("Everything that is kept about you", tag=TAG, answers={200: Export})
async def get_export(request: Request[State], viewer: Viewer) -> Response:
    body = await read(
        resources_of(request).pool,
        lambda conn: users.get_export_document(conn, owner_id=viewer.id),
    )
    if body is None:
        raise Unauthenticated
    language = language_of(request)
    # Thousands of links to sign take a while, which others need not wait for.
    finished = await asyncio.to_thread(
        finish, body, storage=resources_of(request).storage, language=language
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="madar.json"',
        "Content-Language": language,
        "Vary": "Accept-Language",
    }
    return Response(finished, headers=headers, media_type="application/json")


@operation(
    "Delete your account and everything in it",
    tag=TAG,
    answers={202: None},
    problems=("sign_in_again",),
)
async def delete_user(request: Request[State], viewer: Viewer) -> Response:
    """Needs a sign-in of the last ten minutes. Objects are gone from storage a minute later."""
    ended = await actions.delete_account(
        resources_of(request), owner_id=viewer.id, session_id=viewer.session_id
    )
    request.state["live"].hub.end_sessions(ended, FORBIDDEN)
    return forget_session(request, Response(status_code=202))


async def _profile_of(resources: Resources, viewer: Viewer) -> bytes:
    known = await resources.cache.get(user_key(viewer.id))
    if known is not None and _is_current(known, viewer):
        return known
    body = await read(
        resources.pool, lambda conn: users.get_profile_document(conn, owner_id=viewer.id)
    )
    if body is None:
        raise Unauthenticated
    await resources.cache.set(user_key(viewer.id), body, USER_TTL_S)
    return body


def _is_current(known: bytes, viewer: Viewer) -> bool:
    """Another machine, or a sign-in, may have changed the profile since it was kept."""
    try:
        profile = orjson.loads(known)
    except ValueError:
        return False
    return isinstance(profile, dict) and user_out(viewer).items() <= profile.items()
