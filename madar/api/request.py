"""Reading a request: who asks, in which language, and what the body says."""

import json
from typing import Annotated, Any, TypedDict, TypeVar
from uuid import UUID

from joserfc import errors as jose
from joserfc import jwk, jws, jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticKnownError
from starlette.requests import HTTPConnection, Request

from madar import i18n
from madar.actions.sessions import token_hash
from madar.db import sessions
from madar.db.pool import read
from madar.db.sessions import Viewer
from madar.errors import Fault, Forbidden, InvalidInput, MalformedRequest, NotFound, Unauthenticated
from madar.realtime.hub import Hub
from madar.resources import Resources
from madar.settings import Settings

MAX_BODY_BYTES = 64 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class State(TypedDict):
    """What the lifespan gives every request."""

    resources: Resources
    hub: Hub


class WireModel(BaseModel):
    """camelCase on the wire, nothing beyond what is documented."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


Model = TypeVar("Model", bound=BaseModel)


def _readable(text: str) -> str:
    """JSON may escape half a letter, which no encoding can write down."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PydanticKnownError("string_unicode")
    return text


Text = Annotated[str, AfterValidator(_readable)]


def resources_of(request: HTTPConnection[State]) -> Resources:
    return request.state["resources"]


def language_of(request: HTTPConnection[State]) -> i18n.Language:
    """What the request asks for, else the person's own, else English."""
    asked = i18n.negotiate(request.headers.get("accept-language", ""))
    return asked or i18n.known(request.scope.get("madar.language", i18n.DEFAULT))


def cookie_name(settings: Settings) -> str:
    """`__Host-` binds the cookie to this host, but browsers take it over https only."""
    return "__Host-madar" if settings.app_url.startswith("https://") else "madar"


async def viewer_of(request: HTTPConnection[State]) -> Viewer:
    """Whoever holds the cookie or the bearer token. Raises Unauthenticated, Forbidden."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        viewer = await viewer_of_token(resources_of(request), token.strip())
    else:
        viewer = await _viewer_of_cookie(request)
    request.scope["madar.language"] = viewer.language
    return viewer


async def viewer_of_token(resources: Resources, token: str) -> Viewer:
    """The JWT of the sign-in's answer; it works only while its session lives."""
    session_id, user_id = _session_in(token, str(resources.settings.jwt_secret))
    viewer = await read(
        resources.pool, lambda conn: sessions.get_session(conn, id=session_id, user_id=user_id)
    )
    if viewer is None:
        raise Unauthenticated
    return viewer


async def _viewer_of_cookie(request: HTTPConnection[State]) -> Viewer:
    resources = resources_of(request)
    token = cookies_of(request).get(cookie_name(resources.settings))
    if not token:
        raise Unauthenticated
    _check_origin(request, resources.settings)
    viewer = await read(
        resources.pool,
        lambda conn: sessions.get_session_by_token(conn, token_hash=token_hash(token)),
    )
    if viewer is None:
        raise Unauthenticated
    return viewer


def cookies_of(request: HTTPConnection[State]) -> dict[str, str]:
    """As browsers read them: what another program set on this host never hides ours."""
    return request.cookies


def _check_origin(request: HTTPConnection[State], settings: Settings) -> None:
    """A cookie travels with the requests of other sites too; those may change nothing."""
    if request.scope["type"] == "http" and request.scope["method"] in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is None and request.headers.get("sec-fetch-site") == "same-origin":
        return
    if origin is None or origin.rstrip("/") not in settings.allowed_origins:
        raise Forbidden("origin_refused")


def make_token(viewer: Viewer, *, issued_at: int, secret: str) -> str:
    claims = {
        "userId": str(viewer.id),
        "email": viewer.email,
        "sid": str(viewer.session_id),
        "iat": issued_at,
        "exp": int(viewer.expires_at.timestamp()),
    }
    return jwt.encode({"alg": "HS256"}, claims, jwk.OctKey.import_key(secret))


def _session_in(token: str, secret: str) -> tuple[UUID, UUID]:
    try:
        registry = jws.JWSRegistry(algorithms=["HS256"])
        decoded = jwt.decode(token, jwk.OctKey.import_key(secret), registry=registry)
        jwt.JWTClaimsRegistry(exp={"essential": True}).validate(decoded.claims)
        return UUID(decoded.claims["sid"]), UUID(decoded.claims["userId"])
    except (jose.JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unauthenticated from error


def id_of(request: HTTPConnection[State]) -> UUID:
    """The id in the path, canonical; anything else is not there."""
    text: str = request.path_params["id"]
    try:
        parsed = UUID(text)
    except ValueError as error:
        raise NotFound from error
    if str(parsed) != text:
        raise NotFound
    return parsed


def integer_in(request: Request[Any], name: str, *, default: int, limit: int) -> int:
    """A whole number from 1 to `limit` in the query; digits only."""
    given = request.query_params.getlist(name)
    text = given[0] if given else str(default)
    fits = len(given) <= 1 and text.isascii() and text.isdigit() and len(text) <= 9  # noqa: PLR2004
    if not fits or not 1 <= int(text) <= limit:
        raise InvalidInput.at(f"?{name}", f"{name}_out_of_range", limit=limit)
    return int(text)


def check_content_type(request: Request[Any], expected: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given:
        raise MalformedRequest("content_type_missing", expected=expected)
    if given != expected:
        raise MalformedRequest("wrong_content_type", expected=expected, given=given[:80])


async def read_json(request: Request[Any], model: type[Model]) -> Model:
    """The body as `model`. Raises MalformedRequest, InvalidInput."""
    check_content_type(request, "application/json")
    body = _parse(await request.body())
    if not isinstance(body, dict):
        raise MalformedRequest("body_not_object")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidInput([_fault(detail) for detail in error.errors()]) from error


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest("not_json") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# By pydantic's error type, or by its first word.
_CODES = {
    "missing": "field_missing",
    "extra_forbidden": "field_unknown",
    "string_unicode": "text_unreadable",
    "string": "not_text",
    "int": "not_number",
    "list": "not_list",
    "tuple": "not_list",
    "uuid": "not_id",
}


def _fault(detail: ErrorDetails) -> Fault:
    field = ".".join(str(part) for part in detail["loc"])
    pointer = "".join(f"/{_escaped(part)}" for part in detail["loc"])
    kind = detail["type"]
    code = _CODES.get(kind) or _CODES.get(kind.partition("_")[0], "wrong_type")
    return Fault(code=code, pointer=pointer[:200], params={"field": field[:100]})


def _escaped(part: str | int) -> str:
    """As one step of a JSON pointer (RFC 6901, 3)."""
    return str(part).replace("~", "~0").replace("/", "~1")
