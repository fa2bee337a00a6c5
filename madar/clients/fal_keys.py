"""Fal's public keys: asked for at most once a minute, used for a day at most."""

import asyncio
import base64
import logging
import time
from collections.abc import Iterator

import httpx
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from madar.domain.answers import dig, text_at

log = logging.getLogger(__name__)

FRESH_S = 12 * 3600
LIFE_S = 24 * 3600
REFETCH_S = 60
TIMEOUT_S = 5
WAIT_S = 0.8  # a delivery is answered within a second, however slow the keys are
MAX_KEYS, MAX_BYTES = 16, 64 * 1024


class FalKeys:
    """The key set of one process.

    Only `run` fetches, so deliveries never do it twice at once, and whoever does not need a newer
    set never waits for one. A set older than `FRESH_S` is asked for again, and serves on until it
    is a day old while nobody answers.
    """

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http
        self._keys: tuple[Ed25519PublicKey, ...] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()

    async def run(self) -> None:
        """Fetches whenever `renew` asks for it, until cancelled."""
        while True:
            await self._wanted.wait()
            self._tried_at = time.monotonic()
            try:
                await self._fetch()
            finally:
                self._wanted.clear()
                done, self._tried = self._tried, asyncio.Event()
                done.set()

    def has_any(self) -> bool:
        return bool(self._keys) and self._age_s() < LIFE_S

    def fit(self, message: bytes, signature: bytes) -> bool:
        """Whether one of the keys signed it. An ageing set is renewed on the way."""
        if self._age_s() >= FRESH_S:
            self._ask()
        keys = self._keys if self.has_any() else ()
        return any(_is_signed(key, message, signature) for key in keys)

    async def renew(self) -> None:
        """A newer set, if one may be asked for now and comes soon; whatever is known, if not."""
        if self._ask():
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._tried.wait()
            except TimeoutError:
                return

    def _ask(self) -> bool:
        """False: the last answer, or the last silence, is too young."""
        if not self._wanted.is_set() and time.monotonic() - self._tried_at < REFETCH_S:
            return False
        self._wanted.set()
        return True

    def _age_s(self) -> float:
        return time.monotonic() - self._fetched_at

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                keys = keys_in(await self._download())
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            log.warning("webhook.keys_unavailable", extra={"why": repr(error)})
            return
        self._keys, self._fetched_at = keys, time.monotonic()

    async def _download(self) -> bytes:
        async with self._http.stream("GET", self._url) as response:
            response.raise_for_status()
            document = bytearray()
            async for piece in response.aiter_bytes():
                document += piece
                if len(document) > MAX_BYTES:
                    raise ValueError("the key set is too large")
            return bytes(document)


def keys_in(document: bytes) -> tuple[Ed25519PublicKey, ...]:
    """Raises ValueError for what holds no usable key."""
    entries = dig(orjson.loads(document), "keys")
    if not isinstance(entries, list):
        raise ValueError("this is no key set")  # noqa: TRY004
    keys = tuple(_keys_among(entries[:MAX_KEYS]))  # pyright: ignore[reportUnknownArgumentType]
    if not keys:
        raise ValueError("no key in the set is usable")
    return keys


def _keys_among(entries: list[object]) -> Iterator[Ed25519PublicKey]:
    for entry in entries:
        kind = (dig(entry, "kty") or "OKP", dig(entry, "crv") or "Ed25519")
        x = text_at(entry, "x") or ""
        if kind != ("OKP", "Ed25519"):
            continue
        try:
            raw = base64.urlsafe_b64decode(x + "=" * (-len(x) % 4))
            yield Ed25519PublicKey.from_public_bytes(raw)
        except ValueError:  # binascii.Error is one
            continue


def _is_signed(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
