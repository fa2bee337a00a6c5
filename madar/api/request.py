"""Reading a request: who asks, in which language, and what query and body say."""

import json
import re
from functools import cache
from typing import Annotated, Any, TypedDict, TypeVar
from uuid import UUID

from joserfc import errors as jose
from joserfc import jwk, jws, jwt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError, PydanticKnownError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp

from madar import i18n
from madar.actions.sessions import token_hash
from madar.actions.usage import UsageLog
from madar.db import sessions
from madar.db.sessions import Credential, Viewer
from madar.errors import Fault, Forbidden, InvalidInput, MalformedRequest, Unauthenticated
from madar.liveness import Liveness
from madar.realtime.entrance import Entrance
from madar.realtime.listener import Listener
from madar.realtime.live import Live
from madar.resources import Resources
from madar.settings import Settings

MAX_BODY_BYTES = 64 * 1024
MAX_KEY_CHARACTERS = 255
MAX_FIELDS = 40
MAX_FAULTS = 50  # told of one request; who sends more wants no list of them
ID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
NOTHING = UUID(int=0)
JSON, FORM = "application/json", "multipart/form-data"

_ALGORITHMS = jws.JWSRegistry(algorithms=["HS256"])
# What a token of another shape than ours raises inside joserfc and after it.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class State(TypedDict):
    """What the lifespan gives every request."""

    resources: Resources
    live: Live
    listener: Listener
    liveness: Liveness
    usage: UsageLog
    entrance: Entrance
    socketio: ASGIApp


class WireModel(BaseModel):
    """camelCase on the wire, nothing beyond what is documented."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
    )


class FormModel(WireModel):
    """A body that comes as a form, because a picture goes with it."""


Model = TypeVar("Model", bound=WireModel)


def _readable(text: str) -> str:
    """JSON may escape half a letter, which no encoding can write down."""
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text):
        raise PydanticKnownError("string_unicode")
    return text


def _picture(value: object) -> object:
    """A file; a field of the same name with text in it is none."""
    if not isinstance(value, bytes):
        raise PydanticCustomError("picture", "Input should be a file")
    return value


def _canonical(value: object) -> object:
    """An id has one spelling; Python's parser knows four more."""
    if not isinstance(value, str) or not re.fullmatch(ID_PATTERN, value):
        raise PydanticCustomError("uuid", "Input should be an id")
    return value


Text = Annotated[
    str,
    AfterValidator(_readable),
    WithJsonSchema({"type": "string", "pattern": r"^[^\u0000]*$"}),
]
Truth = Annotated[bool, Strict()]
Id = Annotated[
    UUID,
    BeforeValidator(_canonical),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]
Picture = Annotated[
    bytes,
    BeforeValidator(_picture),
    WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"}),
]
IdempotencyKey = Annotated[str | None, "The same key and body give the same answer for 24 hours."]
LastEventId = Annotated[int | None, "The `id` of the last event that was received, if any was."]


def resources_of(request: HTTPConnection[State]) -> Resources:
    return request.state["resources"]


def language_of(request: HTTPConnection[State]) -> i18n.Language:
    """What the profile was set to, else what the request asks for, else the profile's first."""
    own, is_chosen = request.scope.get("madar.language", ("", False))
    if is_chosen:
        return i18n.known(own)
    asked = i18n.negotiate(request.headers.get("accept-language", ""))
    return asked or i18n.known(own)


def remember_viewer(
    request: HTTPConnection[State],
    *,
    user_id: UUID,
    session_id: UUID,
    language: str,
    is_language_chosen: bool,
) -> None:
    """For the answer's language, the log of usage and the sliding of the session."""
    request.scope["madar.viewer_id"] = user_id
    request.scope["madar.session_id"] = session_id
    request.scope["madar.language"] = (language, is_language_chosen)


def cookie_name(settings: Settings) -> str:
    """`__Host-` binds the cookie to this host, but browsers take it over https only."""
    return "__Host-madar" if settings.app_url.startswith("https://") else "madar"


def credential_of(request: HTTPConnection[State]) -> Credential:
    """The bearer token or the cookie. Raises Unauthenticated without one, Forbidden."""
    settings = resources_of(request).settings
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(session_id=_session_in(token.strip(), str(settings.jwt_secret)))
    cookie = cookies_of(request).get(cookie_name(settings))
    if not cookie:
        raise Unauthenticated
    _check_origin(request, settings)
    return Credential(token_hash=token_hash(cookie))


async def viewer_of(request: HTTPConnection[State]) -> Viewer:
    """Whoever holds the cookie or the bearer token. Raises Unauthenticated, Forbidden."""
    viewer = await _viewer_for(resources_of(request), credential_of(request))
    remember_viewer(
        request,
        user_id=viewer.id,
        session_id=viewer.session_id,
        language=viewer.language,
        is_language_chosen=viewer.is_language_chosen,
    )
    return viewer


async def optional_viewer_of(request: HTTPConnection[State]) -> Viewer | None:
    """None for nobody, and for a session that has ended: what is public stays readable."""
    try:
        return await viewer_of(request)
    except Unauthenticated:
        return None


async def viewer_of_token(resources: Resources, token: str) -> Viewer:
    """The JWT of the sign-in's answer; it works only while its session lives."""
    session_id = _session_in(token, str(resources.settings.jwt_secret))
    return await _viewer_for(resources, Credential(session_id=session_id))


async def _viewer_for(resources: Resources, credential: Credential) -> Viewer:
    viewer = await resources.reads.read(lambda conn: sessions.get_viewer(conn, credential))
    if viewer is None:
        raise Unauthenticated
    return viewer


def cookies_of(request: HTTPConnection[State]) -> dict[str, str]:
    """As browsers read them: what another program set on this host never hides ours.

    Values stay as they are written: ours need no quotation marks, and Python 3.11.7 takes those
    off in quadratic time, a second for one header full of backslashes.
    """
    written = ";".join(request.headers.getlist("cookie"))
    pairs = (one.partition("=") for one in written.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def check_origin(request: HTTPConnection[State]) -> None:
    """For what sets a cookie before anybody is known; programs send no origin. Raises Forbidden."""
    is_from_page = "origin" in request.headers or "sec-fetch-site" in request.headers
    if is_from_page:
        _check_origin(request, resources_of(request).settings)


def _check_origin(request: HTTPConnection[State], settings: Settings) -> None:
    """A cookie travels with the requests of other sites too; those may change nothing."""
    if request.scope["type"] == "http" and request.scope["method"] in SAFE_METHODS:
        return
    origins = request.headers.getlist("origin")
    if not origins and request.headers.get("sec-fetch-site") == "same-origin":
        return
    if len(origins) != 1 or origins[0] not in settings.allowed_origins:
        raise Forbidden("origin_refused")


def make_token(viewer: Viewer, *, issued_at: int, secret: str) -> str:
    claims = {
        "userId": str(viewer.id),
        "email": viewer.email,
        "sid": str(viewer.session_id),
        "iat": issued_at,
        "exp": int(viewer.ends_at.timestamp()),
    }
    return jwt.encode({"alg": "HS256"}, claims, _key(secret))


@cache
def _key(secret: str) -> jwk.OctKey:
    return jwk.OctKey.import_key(secret)


def _session_in(token: str, secret: str) -> UUID:
    try:
        decoded = jwt.decode(token, _key(secret), registry=_ALGORITHMS)
        jwt.JWTClaimsRegistry(exp={"essential": True}).validate(decoded.claims)
        return UUID(decoded.claims["sid"])
    except (jose.JoseError, *_MALFORMED) as error:
        raise Unauthenticated from error


def id_of(request: HTTPConnection[State]) -> UUID:
    """The id in the path where it is canonical, else one that nothing has.

    So whatever cannot be an id goes the way of one that is not there, and ends alike.
    """
    text: str = request.path_params["id"]
    try:
        parsed = UUID(text)
    except ValueError:
        return NOTHING
    return parsed if str(parsed) == text else NOTHING


def idempotency_key_of(request: Request[Any]) -> IdempotencyKey:
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0]
    is_fit = 1 <= len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()
    if len(given) > 1 or not is_fit:
        raise InvalidInput.at("", "idempotency_key_invalid")
    return key


def last_event_id_of(request: Request[Any]) -> LastEventId:
    """None for whatever is no version: what is not known to have been seen is told again."""
    given = request.headers.getlist("last-event-id")
    is_version = len(given) == 1 and re.fullmatch("[0-9]{1,18}", given[0])
    return int(given[0]) if is_version else None


def read_query(request: Request[Any], model: type[Model]) -> Model:
    """The query string as `model`. Raises InvalidInput, each fault at `?name`."""
    items = request.query_params.multi_items()
    names = [name for name, _ in items]
    known = {field.alias for field in model.model_fields.values()}
    if model.model_config.get("extra") == "ignore":
        names = [name for name in names if name in known]
    faults = [
        Fault(
            code="parameter_unknown" if name not in known else "parameter_repeated",
            pointer=f"?{name[:100]}",
            params={"name": name[:100]},
        )
        for name in dict.fromkeys(names)
        if name not in known or names.count(name) > 1
    ]
    if faults:
        raise InvalidInput(faults[:MAX_FAULTS])
    try:
        if not items:
            return _from_nothing(model)
        return model.model_validate(dict(items), by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidInput([_fault(one, query=True) for one in _told(error)]) from error


@cache
def _from_nothing(model: type[Model]) -> Model:
    return model.model_validate({})


async def read_body(request: Request[Any], models: tuple[type[WireModel], ...]) -> WireModel:
    """The body as the model for its type. Raises MalformedRequest, InvalidInput."""
    if form := form_among(request, models):
        return await read_form(request, form)
    return await read_json(request, models[0])


def form_among(
    request: Request[Any], models: tuple[type[WireModel], ...]
) -> type[FormModel] | None:
    """The model that is read from a form, where this request has one or nothing else is taken."""
    is_form = _content_type(request) == FORM or len(models) == 1
    forms = [model for model in models if issubclass(model, FormModel)]
    return forms[0] if forms and is_form else None


async def read_json(request: Request[Any], model: type[Model]) -> Model:
    """The body as `model`. Raises MalformedRequest, InvalidInput."""
    check_content_type(request, JSON)
    body = _parse(await request.body())
    if not isinstance(body, dict):
        raise MalformedRequest("body_not_object")
    return _validated(model, body)


async def read_form(request: Request[Any], model: type[Model]) -> Model:
    """The form as `model`, its files read whole: the edge has limited the body already."""
    check_content_type(request, FORM)
    _check_charset(request)
    try:
        async with request.form(max_files=2, max_fields=MAX_FIELDS) as form:
            return _validated(model, await _fields_of(form, model))
    except HTTPException as error:
        raise MalformedRequest("form_unreadable") from error


async def _fields_of(form: FormData, model: type[WireModel]) -> dict[str, Any]:
    """A list may be repeated fields, `name[]` too, or one field with JSON in it.

    A browser sends all inputs of a form; those that nobody filled in are not there.
    """
    known = {field.alias: _is_list(field.annotation) for field in model.model_fields.values()}
    lists = {name for name, is_list in known.items() if is_list}
    fields: dict[str, Any] = {}
    for given_name, value in form.multi_items():
        bare = given_name.removesuffix("[]")
        name = bare if bare in lists else given_name
        if name in known and _is_blank(value):
            continue
        plain = await value.read() if isinstance(value, UploadFile) else value
        if name in lists:
            fields.setdefault(name, []).extend(_list_in(plain))
        elif name in fields:
            raise InvalidInput.at(f"/{_escaped(name)}"[:200], "field_repeated", field=name[:100])
        else:
            fields[name] = plain
    return fields


def _is_blank(value: str | UploadFile) -> bool:
    return not value.filename and not value.size if isinstance(value, UploadFile) else not value


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in {list, tuple}


def _list_in(value: str | bytes) -> list[Any]:
    if isinstance(value, str) and value.startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        return parsed if isinstance(parsed, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return [value]


def check_content_type(request: Request[Any], expected: str) -> None:
    given = _content_type(request)
    if not given:
        raise MalformedRequest("content_type_missing", expected=expected)
    if given != expected:
        raise MalformedRequest("wrong_content_type", expected=expected, given=given[:80])


def _check_charset(request: Request[Any]) -> None:
    """Starlette would decode by any codec that Python has, and some of them raise."""
    _, options = parse_options_header(request.headers["content-type"])
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise MalformedRequest("form_unreadable")


def _content_type(request: Request[Any]) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _validated(model: type[Model], body: Any) -> Model:
    try:
        return model.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidInput([_fault(detail) for detail in _told(error)]) from error


def _told(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False)[:MAX_FAULTS]


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest("not_json") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# By pydantic's error type, or by its first word.
FAULTS_BY_TYPE = {
    "missing": "field_missing",
    "extra_forbidden": "field_unknown",
    "string_unicode": "text_unreadable",
    "string": "not_text",
    "int": "not_number",
    "bool": "not_truth",
    "list": "not_list",
    "tuple": "not_list",
    "uuid": "not_id",
    "picture": "not_file",
}
_STEP = re.compile(r"[~/]")


def _fault(detail: ErrorDetails, *, query: bool = False) -> Fault:
    # The last step of a union's location is the name of its branch, not a place in the body.
    places = [part for part in detail["loc"] if not (isinstance(part, str) and "[" in part)]
    name = ".".join(str(part) for part in places)
    pointer = f"?{name}" if query else "".join(f"/{_escaped(part)}" for part in places)
    kind = detail["type"]
    code = FAULTS_BY_TYPE.get(kind) or FAULTS_BY_TYPE.get(kind.partition("_")[0], "wrong_type")
    return Fault(code=code, pointer=pointer[:200], params={"field": name[:100]})


def _escaped(part: str | int) -> str:
    """As one step of a JSON pointer (RFC 6901, 3)."""
    return _STEP.sub(lambda found: "~0" if found[0] == "~" else "~1", str(part))
