"""Every refusal leaves through here: RFC 9457 problem documents in the reader's language."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response

from madar import i18n
from madar.api.request import MAX_BODY_BYTES, language_of
from madar.errors import (
    Conflict,
    Fault,
    Forbidden,
    InvalidInput,
    MadarError,
    MalformedRequest,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from madar.log import request_id

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; RFC 9110 has none
STATUSES: dict[type[MadarError], HTTPStatus] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# Codes whose status is narrower than their kind's.
NARROWER = {
    "wrong_content_type": HTTPStatus(415),
    "content_type_missing": HTTPStatus(415),
    "body_too_large": HTTPStatus(413),
    "upload_too_large": HTTPStatus(413),
}


async def on_madar_error(request: HTTPConnection[Any], error: Exception) -> Response:
    assert isinstance(error, MadarError)
    return problem(request, error)


async def on_http_exception(request: HTTPConnection[Any], error: Exception) -> Response:
    """Starlette's own refusals, mostly 404 and 405."""
    assert isinstance(error, HTTPException)
    code, params = "not_found", {}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        code, params = "method_not_allowed", {"method": request.scope.get("method", "")}
    elif error.status_code == HTTPStatus(413):
        code, params = "body_too_large", {"limit_kb": MAX_BODY_BYTES // 1024}
    elif error.status_code != HTTPStatus.NOT_FOUND:
        code = "not_json"
    headers = dict(error.headers or {})
    return document(request, error.status_code, code, params=params, headers=headers)


async def on_disconnect(request: HTTPConnection[Any], error: Exception) -> Response:
    """Nobody reads this answer; its status keeps the log honest: not our failure."""
    assert isinstance(error, ClientDisconnect)
    log.info("request.abandoned", extra={"path": request.scope["path"]})
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def on_bug(request: HTTPConnection[Any], error: Exception) -> Response:
    """What is no MadarError; the traceback goes to the log, from outside (middleware.py)."""
    assert not isinstance(error, MadarError)
    return document(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal")


def problem(request: HTTPConnection[Any], error: MadarError) -> Response:
    status = NARROWER.get(error.code) or STATUSES[type(error)]
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    faults = error.faults if isinstance(error, InvalidInput) else ()
    return document(
        request, status, error.code, params=error.params, faults=faults, headers=headers
    )


def document(
    request: HTTPConnection[Any],
    status: int,
    code: str,
    *,
    params: dict[str, Any] | None = None,
    faults: tuple[Fault, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    language = language_of(request)
    body: dict[str, Any] = {
        "type": f"{request.state['resources'].settings.app_url}/docs/errors#{code}",
        "title": i18n.text(f"title.{int(status)}", language),
        "status": int(status),
        "detail": i18n.text(f"problem.{code}", language, **(params or {})),
        "instance": f"urn:request:{request_id.get()}",
        "code": code,
        "params": params or {},
        "requestId": request_id.get(),
        "retryable": status == HTTPStatus.SERVICE_UNAVAILABLE,
    }
    if faults:
        body["errors"] = [
            {
                "pointer": fault.pointer,
                "code": fault.code,
                "detail": i18n.text(f"problem.{fault.code}", language, **fault.params),
            }
            for fault in faults
        ]
    return Response(
        orjson.dumps(body),
        int(status),
        headers={"Content-Language": language, "Vary": "Accept-Language", **(headers or {})},
        media_type="application/problem+json",
    )
