"""POST /api/webhooks/fal: Fal tells that a request has ended."""

import hmac
from uuid import UUID

import orjson
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions.webhooks import record_delivery
from madar.api.operations import operation
from madar.api.request import State, Text, WireModel, resources_of
from madar.domain.answers import text_at
from madar.errors import MalformedRequest, Unauthenticated


class DeliveryQuery(WireModel):
    """The attempt and the token that its address was made with; others' fields are not ours."""

    model_config = ConfigDict(extra="ignore")

    a: Text = ""
    t: Text = ""


class Recorded(WireModel):
    ok: bool


@operation(
    "Fal tells that a request has ended",
    tag="webhooks",
    answers={200: Recorded},
    problems=(
        *("webhook_refused", "not_json", "fal_unavailable"),
        *("database_unavailable", "too_busy"),
    ),
    policy=None,
    raw_body="application/json",
)
async def post_fal(request: Request[State], query: DeliveryQuery) -> Response:
    """Verify over the raw bytes, record the fact, answer; nothing is fetched here."""
    resources = resources_of(request)
    body = await request.body()
    attempt_id = _attempt_in(request, query)
    request_id = await resources.webhooks.verify(request.headers, body)
    try:
        said = text_at(orjson.loads(body), "request_id")
    except ValueError as error:
        raise MalformedRequest("not_json") from error
    if said != request_id:
        raise Unauthenticated("webhook_refused")
    await record_delivery(resources, attempt_id=attempt_id, request_id=request_id)
    return JSONResponse({"ok": True})


def _attempt_in(request: Request[State], query: DeliveryQuery) -> UUID:
    """The attempt this address was made for; its token only we can make."""
    settings = resources_of(request).settings
    try:
        attempt_id = UUID(query.a)
    except ValueError as error:
        raise Unauthenticated("webhook_refused") from error
    given = query.t.encode()
    if not hmac.compare_digest(given, settings.webhook_token(attempt_id).encode()):
        raise Unauthenticated("webhook_refused")
    return attempt_id
