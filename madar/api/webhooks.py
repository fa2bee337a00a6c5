"""POST /api/webhooks/fal: Fal tells that a request has ended."""

import hmac
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions.webhooks import record_delivery
from madar.api.request import State, resources_of
from madar.domain.answers import text_at
from madar.errors import MalformedRequest, Unauthenticated


async def post_fal(request: Request[State]) -> Response:
    """Verify over the raw bytes, record the fact, answer; nothing is fetched here."""
    resources = resources_of(request)
    body = await request.body()
    attempt_id = _attempt_in(request)
    request_id = await resources.webhooks.verify(request.headers, body)
    try:
        said = text_at(orjson.loads(body), "request_id")
    except ValueError as error:
        raise MalformedRequest("not_json") from error
    if said != request_id:
        raise Unauthenticated("webhook_refused")
    await record_delivery(resources, attempt_id=attempt_id, request_id=request_id)
    return JSONResponse({"ok": True})


def _attempt_in(request: Request[State]) -> UUID:
    """The attempt this address was made for; its token only we can make."""
    settings = resources_of(request).settings
    try:
        attempt_id = UUID(request.query_params.get("a", ""))
    except ValueError as error:
        raise Unauthenticated("webhook_refused") from error
    given = request.query_params.get("t", "").encode()
    if not hmac.compare_digest(given, settings.webhook_token(attempt_id).encode()):
        raise Unauthenticated("webhook_refused")
    return attempt_id
