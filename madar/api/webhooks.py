"""POST /api/webhooks/fal: Fal tells that a request has ended."""

import logging
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madar.actions.webhooks import record_delivery
from madar.api.operations import operation
from madar.api.request import State, WireModel, resources_of
from madar.clients.fal_webhooks import Seal, WebhookRefused
from madar.domain.deliveries import Delivery, delivery_in
from madar.errors import MalformedRequest, Unauthenticated
from madar.log import note

log = logging.getLogger(__name__)


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
async def post_fal(request: Request[State]) -> Response:
    """Only for Fal: its address carries the attempt (`a`) and a token (`t`), its body is signed.

    Verified over the raw bytes, recorded, answered; nothing is fetched here. Any number of
    deliveries in any order does no harm.
    """
    resources = resources_of(request)
    try:
        attempt_id, delivery = await _verified(request)
        note(attempt_id=attempt_id)
        if delivery.said != "progress":
            await record_delivery(
                resources,
                attempt_id=attempt_id,
                request_id=delivery.request_id,
                said=delivery.said,
            )
    except Unauthenticated as refused:
        known = isinstance(refused, WebhookRefused)
        resources.webhooks.note(refused.reason if known else "attempt")
        raise
    return JSONResponse({"ok": True})


async def _verified(request: Request[State]) -> tuple[UUID, Delivery]:
    """The query is read here, not by the operation: a repeated field is a refusal like any."""
    verifier = resources_of(request).webhooks
    attempt_id = verifier.attempt_in(request.query_params)
    seal = verifier.seal_in(request.headers)
    body = await request.body()
    await verifier.verify(seal, body)
    delivery = _delivery_in(body, seal)
    if delivery.request_id != seal.request_id:
        raise WebhookRefused("id_mismatch")
    if not delivery.is_known:
        log.warning("webhook.status_unknown", extra={"fal_request_id": seal.request_id})
    return attempt_id, delivery


def _delivery_in(body: bytes, seal: Seal) -> Delivery:
    """Fal signed it, so what cannot be read is worth an alarm."""
    try:
        return delivery_in(orjson.loads(body))
    except ValueError as error:
        log.error("webhook.unreadable", extra={"fal_request_id": seal.request_id})  # noqa: TRY400
        raise MalformedRequest("not_json") from error
