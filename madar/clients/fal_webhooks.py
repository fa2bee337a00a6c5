"""Whether a delivery really comes from Fal, and for our account.

Ed25519 over four lines: request id, user id, timestamp, SHA-256 of the raw body
(fal.ai/docs, webhooks). The keys are Fal-wide, so the account id is pinned as well.
"""

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Mapping

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from madar.domain.answers import dig, text_at
from madar.errors import Unauthenticated, Unavailable
from madar.settings import Settings

MAX_SKEW_S = 300
KEYS_LIFE_S = 24 * 3600
KEYS_REFETCH_S = 60
KEYS_TIMEOUT_S = 5
PREFIX = "x-fal-webhook-"


class WebhookVerifier:
    """One per process; keeps the key set for a day, and an old one while no new one can be had."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._keys: list[Ed25519PublicKey] = []
        self._fetched_at = self._tried_at = float("-inf")

    async def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """Fal's request id. Raises Unauthenticated without detail; Unavailable without keys."""
        named = {name: headers.get(PREFIX + name, "") for name in ("request-id", "user-id")}
        timestamp = headers.get(PREFIX + "timestamp", "")
        signature = _bytes_of(headers.get(PREFIX + "signature", ""))
        if named["user-id"] != self._settings.fal_account_id or not named["request-id"]:
            raise _refused()
        if not _is_fresh(timestamp) or signature is None:
            raise _refused()
        digest = hashlib.sha256(body).hexdigest()
        lines = (named["request-id"], named["user-id"], timestamp, digest)
        message = "\n".join(lines).encode()
        if not await self._is_signed(message, signature):
            raise _refused()
        return named["request-id"]

    async def _is_signed(self, message: bytes, signature: bytes) -> bool:
        now = time.monotonic()
        if now - self._fetched_at > KEYS_LIFE_S:
            await self._fetch()
        if _fits(self._keys, message, signature):
            return True
        await self._fetch()  # perhaps the keys were rotated
        if not self._keys:
            raise Unavailable("fal")
        return _fits(self._keys, message, signature)

    async def _fetch(self) -> None:
        now = time.monotonic()
        if now - self._tried_at < KEYS_REFETCH_S:
            return
        self._tried_at = now
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_S):
                response = await self._http.get(self._settings.fal_jwks_url)
            response.raise_for_status()
            keys = _keys_of(response.json())
        except (httpx.HTTPError, OSError, ValueError):
            return
        if keys:
            self._keys, self._fetched_at = keys, now


def _refused() -> Unauthenticated:
    return Unauthenticated("webhook_refused")


def _bytes_of(signature: str) -> bytes | None:
    try:
        return bytes.fromhex(signature)
    except ValueError:
        return None


def _is_fresh(timestamp: str) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 12:  # noqa: PLR2004
        return False
    return abs(time.time() - int(timestamp)) <= MAX_SKEW_S


def _keys_of(key_set: object) -> list[Ed25519PublicKey]:
    entries: list[object] = dig(key_set, "keys") or []
    keys: list[Ed25519PublicKey] = []
    for entry in entries:
        x = text_at(entry, "x") or ""
        try:
            raw = base64.urlsafe_b64decode(x + "=" * (-len(x) % 4))
            keys.append(Ed25519PublicKey.from_public_bytes(raw))
        except (ValueError, binascii.Error):
            continue
    return keys


def _fits(keys: list[Ed25519PublicKey], message: bytes, signature: bytes) -> bool:
    for key in keys:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False
