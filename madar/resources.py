"""What a process holds open: pool, Fal, storage, imaging; the same for web and worker."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from madar.clients.buckets import Patience
from madar.clients.cache import Cache
from madar.clients.fal import Fal, open_fal
from madar.clients.fal_webhooks import WebhookVerifier
from madar.clients.google import Google
from madar.clients.limits import Limiter
from madar.clients.media import Media
from madar.clients.storage import SOMEBODY_WAITS, Storage
from madar.clients.tls import tls_context
from madar.clients.upstash import open_upstash
from madar.db.lines import Lines
from madar.db.pipeline import LINES, Reads
from madar.db.pool import Pool, open_pool
from madar.imaging.guard import Imaging, open_imaging
from madar.settings import Settings

WEB_POOL = 10


def worker_pool(settings: Settings) -> int:
    return 2 * settings.worker_concurrency + 6


def pooled_connections() -> int:
    """What a web process may open at DATABASE_URL: its pool, and the lines of its hottest reads."""
    return WEB_POOL + LINES


def direct_connections(settings: Settings) -> int:
    """What web and worker may open at the direct address: a pool, and a listener each."""
    return worker_pool(settings) + 2


@dataclass(frozen=True, kw_only=True)
class Resources:
    settings: Settings
    pool: Pool
    reads: Reads
    fal: Fal
    media: Media
    webhooks: WebhookVerifier
    google: Google
    storage: Storage
    imaging: Imaging
    limiter: Limiter
    cache: Cache
    lines: Lines


@asynccontextmanager
async def open_resources(
    settings: Settings,
    *,
    url: str = "",
    pool_size: int = WEB_POOL,
    patience: Patience = SOMEBODY_WAITS,
) -> AsyncGenerator[Resources]:
    """Opens without waiting for anybody: what is away at start may come later."""
    url = url or str(settings.database_url)
    is_pooled = settings.is_pooled and url != settings.direct_url
    async with (
        open_pool(url, max_size=pool_size, is_pooled=is_pooled) as pool,
        open_fal(settings) as fal,
        open_imaging() as imaging,
        open_upstash(settings) as upstash,
        httpx.AsyncClient(timeout=5, verify=tls_context()) as http,
    ):
        yield Resources(
            settings=settings,
            pool=pool,
            reads=Reads(url, pool, is_pooled=is_pooled),
            fal=fal,
            media=Media(settings),
            webhooks=WebhookVerifier(settings, http),
            google=Google(settings),
            storage=Storage(settings, patience),
            imaging=imaging,
            limiter=Limiter(upstash),
            cache=Cache(upstash),
            lines=Lines(),
        )
