"""Objects under keys we make: put, read, delete, and signed links that end.

Keys carry 128 random-looking bits made from our secret, the attempt and the content, so that
storing the same thing again is harmless and nobody can guess a key.
"""

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass
from pathlib import Path

import obstore
import obstore.exceptions
from itsdangerous import BadData, URLSafeSerializer
from obstore.store import LocalStore

from madar.errors import NotFound, Unavailable
from madar.settings import Settings

PUT_TIMEOUT_S = 30
LINK_LIFE_S = 15 * 60
# Links to the same object stay equal for a while, so that browsers and proxies can cache it.
LINK_WINDOW_S = 5 * 60
CONTENT_TYPES = {".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a signed link grants: one object, under one file name, until a Unix time."""

    key: str
    filename: str | None
    expires_at: int


class Storage:
    """Local disk; the web process serves its files under signed links."""

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.storage_dir
        self._base_url = f"{settings.app_url.rstrip('/')}/files/"
        self._secret = str(settings.jwt_secret).encode()
        self._signer = URLSafeSerializer(
            str(settings.jwt_secret),
            salt="file-link",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def key_for(self, *parts: str, content: bytes, suffix: str) -> str:
        """The same parts and content give the same key."""
        digest = hashlib.sha256(content).hexdigest()
        seal = hmac.digest(self._secret, "\n".join((*parts, digest)).encode(), "sha256").hex()
        return f"{seal[:2]}/{seal[2:34]}{suffix}"

    async def put(self, key: str, content: bytes) -> None:
        """Stored and as long as sent, or Unavailable."""
        try:
            store = self._store()
            async with asyncio.timeout(PUT_TIMEOUT_S):
                await store.put_async(key, content)
                stored = await store.head_async(key)
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable("storage", retry_after_s=10) from error
        if stored["size"] != len(content):
            raise Unavailable("storage", retry_after_s=10)

    async def read(self, key: str) -> bytes:
        try:
            found = await self._store().get_async(key)
            return bytes(await found.bytes_async())
        except FileNotFoundError as error:
            raise NotFound from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable("storage", retry_after_s=10) from error

    async def delete(self, key: str) -> None:
        """Gone afterwards; not there before is fine."""
        try:
            await self._store().delete_async(key)
        except FileNotFoundError:
            return
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable("storage", retry_after_s=10) from error

    def path_of(self, key: str) -> Path:
        return self._directory / key

    def sign(self, key: str, *, filename: str | None = None, life_s: int = LINK_LIFE_S) -> str:
        """A link that works until `life_s` from now, at most a window shorter."""
        return self.link(key, filename, self.next_expiry(life_s))

    def link(self, key: str, filename: str | None, expires_at: int) -> str:
        return f"{self._base_url}{self._signer.dumps([key, filename, expires_at])}"

    def next_expiry(self, life_s: int = LINK_LIFE_S) -> int:
        """The Unix time for links that are made now."""
        now = int(time.time())
        return now - now % LINK_WINDOW_S + life_s

    def expiry_of(self, url: str) -> int:
        return self.open_link(url.removeprefix(self._base_url)).expires_at

    def open_link(self, token: str) -> Link:
        """Raises NotFound for a forged or ended one alike."""
        try:
            key, filename, expires_at = self._signer.loads(token)
        except (BadData, ValueError, TypeError) as error:
            raise NotFound from error
        if expires_at < time.time():
            raise NotFound
        return Link(key=key, filename=filename, expires_at=expires_at)

    def key_in(self, url: str) -> str | None:
        """The key behind a link of ours, even an ended one; None for any other address."""
        if not url.startswith(self._base_url):
            return None
        try:
            key, _, _ = self._signer.loads(url.removeprefix(self._base_url))
        except (BadData, ValueError, TypeError):
            return None
        return key

    def _store(self) -> LocalStore:
        # Opened at each use: a folder that was away or read-only at start heals by itself.
        return LocalStore(self._directory, mkdir=True)
