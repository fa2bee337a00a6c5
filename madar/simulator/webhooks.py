"""Signed webhooks: what is sent, how it is signed, and how often it is tried (facts, part 3)."""

import asyncio
import hashlib
import logging
import time
from pathlib import Path

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from madar.simulator.config import JsonObject, SimulatorConfig
from madar.simulator.encoding import base64url
from madar.simulator.ledger import Ledger
from madar.simulator.records import Delivery, NewDelivery, Outcome, Submission
from madar.simulator.secret_file import write_secret
from madar.simulator.waking import Alarm

log = logging.getLogger(__name__)

_HTTP_OK = 200
_TIMEOUT_S = 15.0
_MAX_REPEATS = 10
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 60.0
# How much later the third copy of a duplicated webhook comes.
_LATE_S = 10.0


class SigningKey:
    """The Ed25519 key of one simulator; kept beside its ledger, so receivers may cache it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def load_or_create(cls, path: Path) -> "SigningKey":
        if path.exists():
            return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))
        private = Ed25519PrivateKey.generate()
        write_secret(path, private.private_bytes_raw())
        return cls(private)

    def jwks(self) -> JsonObject:
        raw = self._private.public_key().public_bytes_raw()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}]}

    def headers(
        self, *, request_id: str, user_id: str, timestamp: int, body: bytes
    ) -> dict[str, str]:
        lines = (request_id, user_id, str(timestamp), hashlib.sha256(body).hexdigest())
        return {
            "X-Fal-Webhook-Request-Id": request_id,
            "X-Fal-Webhook-User-Id": user_id,
            "X-Fal-Webhook-Timestamp": str(timestamp),
            "X-Fal-Webhook-Signature": self._private.sign("\n".join(lines).encode()).hex(),
        }


def deliveries_for(
    submission: Submission, outcome: Outcome, *, faults: frozenset[str], config: SimulatorConfig
) -> list[NewDelivery]:
    """The webhooks that one finished request causes."""
    if submission.webhook_url is None or "no-webhooks" in faults:
        return []
    now = time.time()
    times = [now, now, now + config.pause_s(_LATE_S)] if "duplicate" in faults else [now]
    body = orjson.dumps(_body(submission.request_id, outcome))
    return [NewDelivery(url=submission.webhook_url, body=body, due_at=at) for at in times]


def _body(request_id: str, outcome: Outcome) -> JsonObject:
    body: JsonObject = {
        "request_id": request_id,
        "gateway_request_id": request_id,
        "status": "OK" if outcome.status_code == _HTTP_OK else "ERROR",
        "payload": outcome.output,
    }
    if outcome.status_code != _HTTP_OK:
        body["error"] = f"Invalid status code: {outcome.status_code}"
    return body


class Webhooks:
    """Sends what is due, each delivery on its own, until it is taken or given up."""

    def __init__(
        self, config: SimulatorConfig, ledger: Ledger, key: SigningKey, http: httpx.AsyncClient
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._key = key
        self._alarm = Alarm()
        self._under_way: set[int] = set()
        self._http = http

    def wake(self) -> None:
        self._alarm.ring()

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                now = time.time()
                for delivery in self._ledger.list_due_deliveries(now):
                    if delivery.number not in self._under_way:
                        self._under_way.add(delivery.number)
                        group.create_task(self._deliver(delivery))
                due_at = self._ledger.next_due_at(now)
                await self._alarm.wait(due_at - now if due_at is not None else None)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            is_taken = await self._post(delivery)
            if is_taken or delivery.attempts >= _MAX_REPEATS:
                self._ledger.close_delivery(delivery.number)
                return
            pause_s = min(_FIRST_PAUSE_S * 2**delivery.attempts, _MAX_PAUSE_S)
            due_at = time.time() + self._config.pause_s(pause_s)
            self._ledger.postpone_delivery(delivery.number, due_at=due_at)
        finally:
            self._under_way.discard(delivery.number)
            self.wake()

    async def _post(self, delivery: Delivery) -> bool:
        """Whether the receiver answered 2xx. A repeat is signed afresh."""
        headers = self._key.headers(
            request_id=delivery.request_id,
            user_id=self._config.webhook_user_id,
            timestamp=int(time.time()),
            body=delivery.body,
        )
        headers["Content-Type"] = "application/json"
        try:
            response = await self._http.post(
                delivery.url, content=delivery.body, headers=headers, timeout=_TIMEOUT_S
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            log.info("webhook.failed", extra={"error": repr(error), "url": delivery.url})
            return False
        return response.is_success
