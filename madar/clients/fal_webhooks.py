"""Whether a delivery really comes from Fal, for our account, and for the attempt it names.

Ed25519 over four lines: request id, user id, timestamp, SHA-256 of the raw body
(fal.ai/docs, webhooks). The keys are Fal-wide, so the account id is pinned as well, and the
address of each attempt carries a token that only we can make. The cheapest check comes first, so a
flood of forgeries costs little: it is stopped before its body is read.
"""

import hashlib
import hmac
import logging
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

import httpx

from madar import metrics
from madar.clients.fal_keys import FalKeys
from madar.errors import Unauthenticated, Unavailable
from madar.settings import Settings

log = logging.getLogger(__name__)

MAX_SKEW_S = 300
TELL_EVERY_S = 10
PREFIX = "x-fal-webhook-"
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")

# `attempt`: everything is right, but there is no such attempt (any more).
Reason = Literal["token", "header", "account", "timestamp", "signature", "id_mismatch", "attempt"]


class WebhookRefused(Unauthenticated):
    """The sender is not told why; the log and the metrics are."""

    def __init__(self, reason: Reason) -> None:
        super().__init__("webhook_refused")
        self.reason: Reason = reason


class Many(Protocol):
    """What may be given more than once: headers, a query string."""

    def getlist(self, key: str) -> list[str]: ...


@dataclass(frozen=True, kw_only=True)
class Seal:
    """The four headers, well formed and for our account; nothing is verified yet."""

    request_id: str
    user_id: str
    timestamp: str
    signature: bytes

    def message(self, body: bytes) -> bytes:
        digest = hashlib.sha256(body).hexdigest()
        return f"{self.request_id}\n{self.user_id}\n{self.timestamp}\n{digest}".encode()


class WebhookVerifier:
    """One per process. Its methods raise WebhookRefused, in the order in which they are called."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._keys = FalKeys(settings.fal_jwks_url, http)
        self._untold: Counter[Reason] = Counter()
        self._told_at: dict[Reason, float] = {}

    async def run(self) -> None:
        """Fetches keys when they are needed, until cancelled; without it there are none."""
        await self._keys.run()

    def attempt_in(self, query: Many) -> UUID:
        """The attempt that this address was made for."""
        attempt_id = _uuid_of(_only(query.getlist("a")))
        given = _only(query.getlist("t"))
        # Made in any case, so that the time tells nothing of what was wrong.
        made = self._settings.webhook_token(attempt_id or UUID(int=0))
        is_right = hmac.compare_digest(given.encode(), made.encode())
        if attempt_id is None or not is_right:
            raise WebhookRefused("token")
        return attempt_id

    def seal_in(self, headers: Many) -> Seal:
        """Each header exactly once: of two, somebody else may read the other one."""
        request_id, user_id, timestamp, signature = (
            _only(headers.getlist(PREFIX + name))
            for name in ("request-id", "user-id", "timestamp", "signature")
        )
        is_whole = _REQUEST_ID.fullmatch(request_id) and _SIGNATURE.fullmatch(signature)
        if not (is_whole and user_id):  # no id would fit where none is configured
            raise WebhookRefused("header")
        if not hmac.compare_digest(user_id.encode(), self._settings.fal_account_id.encode()):
            raise WebhookRefused("account")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise WebhookRefused("timestamp")
        return Seal(
            request_id=request_id,
            user_id=user_id,
            timestamp=timestamp,
            signature=bytes.fromhex(signature),
        )

    async def verify(self, seal: Seal, body: bytes) -> None:
        """Raises Unavailable when there are no keys to tell by."""
        message, skew_s = seal.message(body), time.time() - int(seal.timestamp)
        if abs(skew_s) > MAX_SKEW_S:
            if self._keys.fit(message, seal.signature):
                self._tell_skew(seal, skew_s)
            raise WebhookRefused("timestamp")
        if self._keys.fit(message, seal.signature):
            return
        await self._keys.renew()  # perhaps they were rotated
        if not self._keys.has_any():
            raise Unavailable("fal")
        if not self._keys.fit(message, seal.signature):
            raise WebhookRefused("signature")

    def note(self, reason: Reason) -> None:
        """Counts it, and writes one line for each reason now and then, however many there are."""
        metrics.webhooks_refused.labels(reason).inc()
        self._untold[reason] += 1
        now = time.monotonic()
        if now - self._told_at.get(reason, float("-inf")) >= TELL_EVERY_S:
            facts = {"reason": reason, "count": self._untold.pop(reason)}
            log.warning("webhook.refused", extra=facts)
            self._told_at[reason] = now

    def _tell_skew(self, seal: Seal, skew_s: float) -> None:
        """Everything else is right: it was on its way for long, or one of two clocks is wrong."""
        facts = {"skew_s": round(skew_s), "fal_request_id": seal.request_id}
        log.warning("webhook.clock_skewed", extra=facts)


def _only(values: list[str]) -> str:
    return values[0] if len(values) == 1 else ""


def _uuid_of(text: str) -> UUID | None:
    """An id has one spelling; Python's parser knows four more."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None
