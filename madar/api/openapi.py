"""/api/openapi.json: the declarations that requests are read by, written down as OpenAPI 3.1."""

import inspect
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from string import ascii_uppercase
from typing import Any, get_args

import orjson
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

import madar
from madar import i18n
from madar.api.documents import answer_unless_known
from madar.api.operations import Answer, Operation, Resource
from madar.api.problems import Problem
from madar.api.request import (
    FAULTS_BY_TYPE,
    FORM,
    ID_PATTERN,
    JSON,
    MAX_KEY_CHARACTERS,
    SAFE_METHODS,
    FormModel,
    IdempotencyKey,
    LastEventId,
    State,
    WireModel,
    cookie_name,
    resources_of,
)
from madar.api.schemas import Writer, schemas_of, without_null
from madar.codes import CODES

Json = dict[str, Any]

PROBLEM = "application/problem+json"
HEADERS = {"Cache-Control": "public, max-age=300"}
# What the edge refuses before any operation is asked (bounds.py), and our own mistakes.
EVERYWHERE = ("address_too_long", "headers_too_large", "encoding_unknown", "body_too_large")
BEHIND_A_LIMIT = ("rate_limited", "database_unavailable", "too_busy")
IN_A_QUERY = ("parameter_unknown", "parameter_repeated", "text_unreadable")
IN_A_KEY = ("idempotency_key_invalid", "idempotency_mismatch", "idempotency_in_flight")
IN_ANY_BODY = ("content_type_missing", "wrong_content_type", "body_too_slow")
IN_JSON = ("not_json", "body_not_object")
IN_A_FORM = ("form_unreadable", "field_repeated", "upload_too_large")
ABOUT = """\
Ask for a picture, watch it being made, keep it.

Every refusal is a problem document (RFC 9457) with a permanent `code`, in English or Arabic as the
profile or `Accept-Language` says; all codes are explained at [/docs/errors](/docs/errors).

Live progress comes by websocket at `/ws`, by Socket.IO at `/socket.io/`, or as server-sent events.
`docs/live.md` tells of all three, `docs/contract/events.schema.json` describes their messages."""


async def get_openapi(request: Request[State]) -> Response:
    """Written once for each process."""
    kept = request.app.state
    if not hasattr(kept, "openapi"):
        settings = resources_of(request).settings
        listed = [one for one in request.app.routes if isinstance(one, Resource)]
        written = document(listed, app_url=settings.app_url, cookie=cookie_name(settings))
        kept.openapi = orjson.dumps(written)
    return answer_unless_known(request, kept.openapi, headers=HEADERS)


def document(resources: Iterable[Resource], *, app_url: str, cookie: str) -> Json:
    """The whole contract. It tells the truth: tests fuzz every operation against it."""
    listed = list(resources)
    paths = {resource.path: _path(resource) for resource in listed}
    shared = _share_problems(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Madar", "version": madar.__version__, "description": ABOUT},
        "servers": [{"url": app_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in _operations(listed))],
        "paths": paths,
        "components": {
            "schemas": _schemas(listed),
            "responses": shared,
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "`token` of the answer that finishes a sign-in.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookie,
                    "description": "Set by a sign-in. Writes need an allowed `Origin` beside it.",
                },
            },
        },
    }


def _operations(resources: Iterable[Resource]) -> Iterator[Operation]:
    for resource in resources:
        yield from resource.operations.values()


# Operations


def _path(resource: Resource) -> Json:
    return {verb.lower(): _operation(verb, one) for verb, one in resource.operations.items()}


def _operation(verb: str, one: Operation) -> Json:
    written: Json = {
        "operationId": to_camel(one.handler.__name__),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
        "tags": [one.tag],
        "summary": one.summary,
    }
    if told := inspect.getdoc(one.handler):
        written["description"] = told
    if parameters := list(_parameters(one)):
        written["parameters"] = parameters
    if content := _request_content(one):
        written["requestBody"] = {"required": True, "content": content}
    written["responses"] = _responses(verb, one)
    written["security"] = _security(one)
    return written


def _security(one: Operation) -> list[Json]:
    shown: list[Json] = [{"bearer": []}, {"cookie": []}]
    if one.is_signed_in:
        return shown
    return [{}, *shown] if "reader" in one.asks.values() else []


def _parameters(one: Operation) -> Iterator[Json]:
    asked = set(one.asks.values())
    if "id" in asked:
        schema = {"type": "string", "format": "uuid", "pattern": ID_PATTERN}
        yield {"name": "id", "in": "path", "required": True, "schema": schema}
    if one.query:
        yield from _query_parameters(one.query)
    if "key" in asked:
        schema = {"type": "string", "pattern": f"^[ -~]{{1,{MAX_KEY_CHARACTERS}}}$"}
        told = get_args(IdempotencyKey)[1]
        key: Json = {"name": "Idempotency-Key", "in": "header", "schema": schema}
        yield {**key, "description": told}
    if "seen" in asked:
        seen: Json = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
        yield {**seen, "description": get_args(LastEventId)[1]}
    if 304 in one.answers:  # noqa: PLR2004
        told = "The `ETag` of what is there already; answered by 304 while it is still right."
        known: Json = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
        yield {**known, "description": told}


def _query_parameters(model: type[WireModel]) -> Iterator[Json]:
    whole = without_null(model.model_json_schema(mode="validation", schema_generator=Writer))
    for name, schema in whole.get("properties", {}).items():
        written: Json = {"name": name, "in": "query"}
        if name in whole.get("required", ()):
            written["required"] = True
        if told := schema.pop("description", None):
            written["description"] = told
        yield {**written, "schema": schema}


def _request_content(one: Operation) -> Json:
    if one.raw_body:
        return {one.raw_body: {"schema": {}}}
    return {
        FORM if issubclass(model, FormModel) else JSON: {"schema": _reference(model)}
        for model in one.bodies
    }


# Answers

_DONE = {
    200: "Here it is",
    201: "Made",
    202: "Begun; the rest happens by itself",
    204: "Done",
    303: "Go there",
    304: "Still as you have it",
    503: "Not available right now",
}


def _responses(verb: str, one: Operation) -> Json:
    told = {status: _answer(status, answer, one) for status, answer in one.answers.items()}
    refused: dict[int, set[str]] = defaultdict(set)
    for code in _codes(verb, one):
        status = CODES[code].status
        assert status, f"{code} is no answer"
        refused[status].add(code)
    for status in refused:
        assert status not in told or status == 503, f"{status} would have two meanings"  # noqa: PLR2004
    problems = {status: _problem(status, codes) for status, codes in refused.items()}
    return {str(status): one for status, one in sorted({**problems, **told}.items())}


def _codes(verb: str, one: Operation) -> Iterator[str]:
    """What the inputs bring along, and what the operation adds."""
    asked = set(one.asks.values())
    yield from EVERYWHERE
    yield "internal"
    yield from one.problems
    if one.policy:
        yield from BEHIND_A_LIMIT
    if one.is_signed_in:
        yield "not_signed_in"
    if asked & {"viewer", "reader", "credential"} and verb not in SAFE_METHODS:
        yield "origin_refused"
    if "id" in asked:
        yield "not_found"
    if one.query:
        yield from IN_A_QUERY
    if "key" in asked:
        yield from IN_A_KEY
    yield from _codes_of_bodies(one)


def _codes_of_bodies(one: Operation) -> Iterator[str]:
    if one.raw_body:
        yield "body_too_slow"
    if one.bodies:
        yield from IN_ANY_BODY
        yield from FAULTS_BY_TYPE.values()
        yield "wrong_type"
    for model in one.bodies:
        yield from IN_A_FORM if issubclass(model, FormModel) else IN_JSON


def _answer(status: int, answer: Answer, one: Operation) -> Json:
    written: Json = {"description": _DONE[status]}
    headers = ["RequestId", *(["RateLimit", "RateLimitPolicy"] if one.policy else [])]
    if (status == 200 and 304 in one.answers) or status == 304:  # noqa: PLR2004
        headers.append("ETag")
    if status == 201 and "key" in one.asks.values():  # noqa: PLR2004
        headers.append("IdempotencyReplayed")
    if status in {201, 303}:
        headers.append("Location")
    written["headers"] = _header_references(headers)
    if answer is not None:
        is_model = not isinstance(answer, str)
        media_type, schema = (JSON, _reference(answer)) if is_model else (answer, {})
        content: Json = {"schema": schema}
        if one.example is not None and not is_model:
            content["example"] = one.example
        written["content"] = {media_type: content}
    return written


def _problem(status: int, codes: set[str]) -> Json:
    headers = ["RequestId", *_pauses(status, codes)]
    if status == 429:  # noqa: PLR2004
        headers += ["RateLimit", "RateLimitPolicy"]
    told: Json = {
        "type": "object",
        "required": ["status", "code"],
        "properties": {"status": {"const": status}, "code": {"enum": sorted(codes)}},
    }
    return {
        "description": i18n.text(f"title.{status}", "en"),
        "headers": _header_references(headers),
        "content": {PROBLEM: {"schema": {"allOf": [_reference(Problem), told]}}},
    }


def _pauses(status: int, codes: set[str]) -> list[str]:
    """Too much and not now say when to come again; so do those conflicts that pass."""
    if status in {429, 503}:
        return ["RetryAfter"]
    passing = [CODES[code].is_retryable for code in codes if status == 409]  # noqa: PLR2004
    if not any(passing):
        return []
    return ["RetryAfter" if all(passing) else "MayRetryAfter"]


def _share_problems(paths: Json) -> Json:
    """Moves what several operations answer alike to one place, and tells what is there now."""
    by_text: dict[str, list[tuple[Json, str]]] = defaultdict(list)
    for operation in (one for path in paths.values() for one in path.values()):
        for status, answer in operation["responses"].items():
            if PROBLEM in answer.get("content", {}):
                by_text[json.dumps(answer)].append((operation["responses"], status))
    shared: Json = {}
    for text, places in by_text.items():
        if len(places) > 1:
            name = _free_name(f"Problem{places[0][1]}", shared)
            shared[name] = json.loads(text)
            for responses, status in places:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))


def _free_name(wanted: str, taken: Json) -> str:
    names = (wanted, *(f"{wanted}{letter}" for letter in ascii_uppercase[1:]))
    return next(name for name in names if name not in taken)


def _header_references(names: list[str]) -> Json:
    return {_HEADER_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(told: str, schema: Json, *, is_always_there: bool = True) -> Json:
    return {"description": told, "required": is_always_there, "schema": schema}


_TEXT: Json = {"type": "string"}
_HEADER_NAMES = {
    "RequestId": "X-Request-Id",
    "RateLimit": "RateLimit",
    "RateLimitPolicy": "RateLimit-Policy",
    "RetryAfter": "Retry-After",
    "MayRetryAfter": "Retry-After",
    "ETag": "ETag",
    "Location": "Location",
    "IdempotencyReplayed": "Idempotency-Replayed",
}
_HEADERS: Json = {
    "RequestId": _header("Names this request in our log.", _TEXT),
    "RateLimit": _header(
        "What is left of the limit this request counted for.", _TEXT, is_always_there=False
    ),
    "RateLimitPolicy": _header("That limit.", _TEXT, is_always_there=False),
    "RetryAfter": _header("Seconds until it is worth asking again.", {"type": "integer"}),
    "MayRetryAfter": _header(
        "The same, where the code is one that passes.", {"type": "integer"}, is_always_there=False
    ),
    "ETag": _header("Of this very answer.", _TEXT),
    "Location": _header("Where it is.", {"type": "string"}, is_always_there=False),
    "IdempotencyReplayed": _header(
        "`true`: answered before, for the same key.", {"const": "true"}, is_always_there=False
    ),
}


# Schemas


def _reference(model: type[WireModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas(resources: list[Resource]) -> Json:
    """Every model by its name; none is read from a request and written to an answer both."""
    asked = {body for one in _operations(resources) for body in one.bodies}
    answers = {answer for one in _operations(resources) for answer in one.answers.values()}
    told = {answer for answer in answers if isinstance(answer, type)}
    place = "#/components/schemas/{model}"
    written = {
        **schemas_of(asked, mode="validation", place=place),
        **schemas_of({*told, Problem}, mode="serialization", place=place),
    }
    for model in asked:
        if issubclass(model, FormModel):
            written[model.__name__] = without_null(written[model.__name__])
    return dict(sorted(written.items()))
