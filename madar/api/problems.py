"""Every refusal leaves through here: RFC 9457 problem documents in the reader's language."""

import logging
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from pydantic import WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response

from madar import i18n
from madar.api.limits import show
from madar.api.request import MAX_BODY_BYTES, WireModel, language_of
from madar.codes import CODES
from madar.domain.rates import LimitReached
from madar.errors import InvalidInput, MadarError, Unauthenticated
from madar.log import request_id

log = logging.getLogger(__name__)

KnownCode = Annotated[
    str,
    WithJsonSchema({"type": "string", "enum": [code for code in CODES if CODES[code].status]}),
]


class FaultOut(WireModel):
    """`pointer` is a JSON pointer into the body, or `?name` of the query."""

    pointer: str
    code: KnownCode
    detail: str


class Problem(WireModel):
    """Every refusal (RFC 9457): `code` and `params` for programs, `detail` for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: KnownCode
    params: dict[str, Any]
    request_id: str
    retryable: bool
    retry_after_seconds: int | None = None
    errors: list[FaultOut] | None = None


CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; RFC 9110 has none


async def on_madar_error(request: HTTPConnection[Any], error: Exception) -> Response:
    assert isinstance(error, MadarError)
    return problem(request, error)


async def on_http_exception(request: HTTPConnection[Any], error: Exception) -> Response:
    """Starlette's own refusals, mostly 404 and 405."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    match error.status_code:
        case HTTPStatus.METHOD_NOT_ALLOWED:
            refusal = MadarError("method_not_allowed", method=request.scope.get("method", ""))
        case 413:
            refusal = MadarError("body_too_large", limit_kb=MAX_BODY_BYTES // 1024)
        case HTTPStatus.BAD_REQUEST:
            refusal = MadarError("not_json")
        case _:  # 401 too, which means a static file that this process may not read
            refusal = MadarError("not_found")
    return problem(request, refusal, headers=headers)


async def on_disconnect(request: HTTPConnection[Any], error: Exception) -> Response:
    """Nobody reads this answer; its status keeps the log honest: not our failure."""
    assert isinstance(error, ClientDisconnect)
    log.info("request.abandoned", extra={"path": request.scope["path"]})
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def on_bug(request: HTTPConnection[Any], error: Exception) -> Response:
    """What is no MadarError; the traceback goes to the log, from outside (middleware.py)."""
    assert not isinstance(error, MadarError)
    return problem(request, MadarError("internal"))


def problem(
    request: HTTPConnection[Any], error: MadarError, *, headers: dict[str, str] | None = None
) -> Response:
    request.scope["madar.code"] = error.code  # for the log, which tells refusals apart
    if isinstance(error, LimitReached):
        show(request, error.decision)
    language = language_of(request)
    body = document(error, language, app_url=request.state["resources"].settings.app_url)
    all_headers = {"Content-Language": language, "Vary": "Accept-Language", **(headers or {})}
    if error.retry_after_s is not None:
        all_headers["Retry-After"] = str(error.retry_after_s)
    if error.code == "body_too_slow":
        all_headers["Connection"] = "close"  # the rest may still be on its way (RFC 9110, 15.5.9)
    if isinstance(error, Unauthenticated):
        all_headers["WWW-Authenticate"] = "Bearer"
    return Response(
        orjson.dumps(body),
        body["status"],
        headers=all_headers,
        media_type="application/problem+json",
    )


def document(error: MadarError, language: i18n.Language, *, app_url: str) -> dict[str, Any]:
    """Status and `retryable` are the code's; `errors` and `retryAfterSeconds` not always there."""
    code = CODES[error.code]
    body: dict[str, Any] = {
        "type": f"{app_url}/docs/errors#{error.code}",
        "title": i18n.text(f"title.{code.status}", language),
        "status": code.status,
        "detail": i18n.text(f"problem.{error.code}", language, **error.params),
        "instance": f"urn:request:{request_id.get()}",
        "code": error.code,
        "params": error.params,
        "requestId": request_id.get(),
        "retryable": code.is_retryable,
    }
    if error.retry_after_s is not None:
        body["retryAfterSeconds"] = error.retry_after_s
    if isinstance(error, InvalidInput):
        body["errors"] = [
            {
                "pointer": fault.pointer,
                "code": fault.code,
                "detail": i18n.text(f"problem.{fault.code}", language, **fault.params),
            }
            for fault in error.faults
        ]
    return body
