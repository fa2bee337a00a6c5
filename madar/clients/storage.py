"""Objects under keys we make: put, read, delete, and signed links that end.

Keys carry 128 random-looking bits made from our secret, the attempt and the content, so that
storing the same thing again is harmless and nobody can guess a key.
"""

import asyncio
import contextlib
import hashlib
import hmac
import logging
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

import obstore.exceptions
from itsdangerous import BadData, URLSafeSerializer
from obstore.store import AzureStore, LocalStore, S3Store

from madar import metrics
from madar.clients.buckets import Patience, open_bucket
from madar.clients.signed_links import Grant
from madar.errors import NotFound, Unavailable
from madar.settings import Settings

log = logging.getLogger(__name__)

SOMEBODY_WAITS = Patience(connect_s=2, total_s=8)
NOBODY_WAITS = Patience(connect_s=3, total_s=30)
LIST_S = 120
COMPARED_BYTES = 2**18  # of a stored object at once, which may be a large one
LIST_BATCH = 1000
RETRY_AFTER_S = 10
LINK_LIFE_S = 15 * 60
# Links to the same object stay equal for a while, so that browsers and proxies can cache it.
LINK_WINDOW_S = 5 * 60
CACHE_CONTROL = f"private, max-age={LINK_WINDOW_S}, immutable"
CONTENT_TYPES = {".png": "image/png", ".webp": "image/webp"}
_REFUSALS = (
    obstore.exceptions.PermissionDeniedError,
    obstore.exceptions.UnauthenticatedError,
)
# As S3, Azure, and Azure for one of many say it.
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|specified container does not exist")
# As `key_for` makes them; `.tmp` are the doctor's.
_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\.(png|webp|tmp)")
# What a process that was killed while it stored one leaves on local disk.
_UNFINISHED = re.compile(r"[0-9a-f]{32}\.(png|webp|tmp)#\d+")
_MD5 = re.compile('"?([0-9a-f]{32})"?')


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a signed link grants: one object, under one file name, until a Unix time."""

    key: str
    filename: str | None
    expires_at: int


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object that is there, since when, and how large it is."""

    key: str
    at: datetime
    bytes: int


class Storage:
    """Local disk, or a private bucket; the web process answers for both under signed links.

    From disk it serves the file itself, to a bucket it sends on with a link that ends.
    """

    def __init__(self, settings: Settings, patience: Patience = SOMEBODY_WAITS) -> None:
        self._directory = settings.storage_dir
        self._bucket = open_bucket(settings, patience)
        self._bucket_name = settings.aws_bucket_name
        self.answers = True  # as of the last call, and until there was one
        self._total_s = patience.total_s
        self._base_url = f"{settings.app_url.rstrip('/')}/files/"
        self._secret = str(settings.jwt_secret).encode()
        self._signer = URLSafeSerializer(
            str(settings.jwt_secret),
            salt="file-link",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    @property
    def is_local(self) -> bool:
        return self._bucket is None

    @property
    def bucket_origin(self) -> str | None:
        """Where links lead on to; a page has to allow its pictures to come from there."""
        if self._bucket is None:
            return None
        link = Link(key="00/0.png", filename=None, expires_at=self.next_expiry())
        there = urlsplit(self.link_into_bucket(link, method="GET"))
        return f"{there.scheme}://{there.netloc}"

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return f"the bucket {self._bucket_name}" if self._bucket else str(self._directory)

    def key_for(self, *parts: str, content: bytes, suffix: str) -> str:
        """The same parts and content give the same key."""
        digest = hashlib.sha256(content).hexdigest()
        seal = hmac.digest(self._secret, "\n".join((*parts, digest)).encode(), "sha256").hex()
        return f"{seal[:2]}/{seal[2:34]}{suffix}"

    async def put(self, key: str, content: bytes) -> None:
        """Stored as it was sent, or Unavailable."""
        try:
            async with self._store() as store:
                await self._put(store, key, content)
        except NotFound as error:  # a folder or a bucket that is away
            raise Unavailable("storage", retry_after_s=RETRY_AFTER_S) from error

    async def read(self, key: str) -> bytes:
        """Raises NotFound, Unavailable."""
        async with self._store() as store:
            return await _read(store, key)

    async def check(self, key: str) -> None:
        """That it is there. Raises NotFound, Unavailable."""
        async with self._store() as store:
            await store.head_async(key)

    async def delete(self, key: str) -> None:
        """Gone afterwards; not there before is fine."""
        try:
            async with self._store() as store:
                await store.delete_async(key)
        except NotFound:
            return

    async def list_folder(self, folder: str) -> list[Stored]:
        """Whatever of ours has a key that begins with `folder` and a slash. Raises Unavailable."""
        async with self._store(within_s=LIST_S) as store:
            batches = store.list(folder, chunk_size=LIST_BATCH)  # pyright: ignore[reportUnknownMemberType] - of Arrow, which we have not
            return [
                Stored(key=found["path"], at=found["last_modified"], bytes=found["size"])
                async for batch in batches
                for found in batch
                if _KEY.fullmatch(found["path"])
            ]

    async def is_empty(self) -> bool:
        """Whether it holds nothing that could be a picture of ours. Raises Unavailable."""
        async with self._store(within_s=LIST_S) as store:
            async for batch in store.list(chunk_size=LIST_BATCH):  # pyright: ignore[reportUnknownMemberType] - as above
                if any(_KEY.fullmatch(found["path"]) for found in batch):
                    return False
        return True

    async def remove_unfinished(self, folder: str, *, before: datetime) -> int:
        """How many files went that a write began and never ended; a bucket keeps none.

        Raises Unavailable.
        """
        if not self.is_local:
            return 0
        async with self._store():
            return await asyncio.to_thread(_unlink_unfinished, self._directory / folder, before)

    def path_of(self, key: str) -> Path:
        """On local disk only."""
        assert self.is_local
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

    def key_behind(self, url: str) -> str | None:
        """That of a link into this storage as Fal gets them, at whatever address it was then."""
        path = url.partition("://")[2].partition("?")[0]
        if self._bucket is None:
            return self.key_in(f"{self._base_url}{path.rpartition('/')[2]}")
        key = "/".join(path.split("/")[-2:])
        return key if is_key(key) else None

    def direct_link(self, key: str, *, life_s: int) -> str:
        """For a reader that may not follow a redirect: Fal."""
        link = Link(key=key, filename=None, expires_at=self.next_expiry(life_s))
        if self.is_local:
            return self.link(link.key, link.filename, link.expires_at)
        return self.link_into_bucket(link, method="GET", life_s=life_s)

    def link_into_bucket(self, link: Link, *, method: str, life_s: int = LINK_LIFE_S) -> str:
        """Where the bucket itself answers: no longer than the link is good for, nor `life_s`.

        It stays equal for a while, too.
        """
        assert self._bucket
        starts_at = self.next_expiry(0)
        grant = Grant(
            method=method,
            key=link.key,
            starts_at=starts_at,
            life_s=min(life_s, link.expires_at - starts_at),
            content_type=_content_type(link.key),
            content_disposition=attachment(link.filename) if link.filename else "inline",
            cache_control=CACHE_CONTROL,
        )
        return self._bucket.signer.link(grant)

    @asynccontextmanager
    async def _store(
        self, *, within_s: float | None = None
    ) -> AsyncGenerator[S3Store | AzureStore | LocalStore]:
        """The store, within our deadline, with its errors made ours: NotFound, Unavailable."""
        try:
            async with asyncio.timeout(within_s or self._total_s):
                # Opened at each use: a folder that was away or read-only at start heals by itself.
                yield (
                    self._bucket.store if self._bucket else LocalStore(self._directory, mkdir=True)
                )
        except FileNotFoundError as error:
            if not _NO_BUCKET.search(str(error)):
                raise NotFound from error
            self._count_failure("refused")
            log.error("storage.refused", extra={"why": "no such bucket"})  # noqa: TRY400 - not ours
            raise Unavailable("storage", retry_after_s=RETRY_AFTER_S) from error
        except _REFUSALS as error:
            self._count_failure("refused")
            log.error("storage.refused", extra={"why": type(error).__name__})  # noqa: TRY400
            raise Unavailable("storage", retry_after_s=RETRY_AFTER_S) from error
        except (OSError, obstore.exceptions.BaseError) as error:
            self._count_failure("away")
            raise Unavailable("storage", retry_after_s=RETRY_AFTER_S) from error
        self.answers = True

    def _count_failure(self, reason: str) -> None:
        self.answers = False
        metrics.storage_failures.labels(reason).inc()

    async def _put(
        self, store: S3Store | AzureStore | LocalStore, key: str, content: bytes
    ) -> None:
        """One request, so that nothing is ever half there; then what is kept is compared."""
        if isinstance(store, LocalStore):
            await store.put_async(key, content)
        else:
            attributes = {
                "Content-Type": _content_type(key),
                "Cache-Control": CACHE_CONTROL,
            }
            await store.put_async(key, content, attributes=attributes, use_multipart=False)
        stored = await store.head_async(key)
        if stored["size"] != len(content) or not await _holds(store, key, content, stored["e_tag"]):
            metrics.storage_failures.labels("altered").inc()
            log.error("storage.altered", extra={"object_key": key, "size": stored["size"]})
            raise Unavailable("storage", retry_after_s=RETRY_AFTER_S)


def is_key(text: str) -> bool:
    """Whether it could be one of ours."""
    return _KEY.fullmatch(text) is not None


def attachment(filename: str) -> str:
    """Both forms of RFC 6266: old readers get ASCII, the others the letters of the prompt."""
    ascii_name = re.sub(r"-+", "-", "".join(c for c in filename if c.isascii()))
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _content_type(key: str) -> str:
    return CONTENT_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")


async def _read(store: S3Store | AzureStore | LocalStore, key: str) -> bytes:
    found = await store.get_async(key)
    return bytes(await found.bytes_async())


def _unlink_unfinished(folder: Path, before: datetime) -> int:
    removed = 0
    for path in folder.glob("*#*"):
        # Another process may be removing the same.
        with contextlib.suppress(FileNotFoundError):
            if _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < before.timestamp():
                path.unlink()
                removed += 1
    return removed


async def _holds(
    store: S3Store | AzureStore | LocalStore, key: str, content: bytes, e_tag: str | None
) -> bool:
    """By the MD5 that most buckets give as ETag; else, or where they encrypt, by reading it."""
    found = _MD5.fullmatch(e_tag or "")
    if found and found[1] == hashlib.md5(content, usedforsecurity=False).hexdigest():
        return True
    seen = 0
    kept = await store.get_async(key)
    async for part in kept.stream(min_chunk_size=COMPARED_BYTES):
        if part != content[seen : seen + len(part)]:
            return False
        seen += len(part)
    return seen == len(content)
