"""Result files at Fal: fetched from its media hosts only, within limits of size and time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx

from madar.clients.fal import FalUnreachable
from madar.clients.tls import tls_context
from madar.settings import Settings

MAX_RESULT_BYTES = 25 * 2**20
TIMEOUT = httpx.Timeout(15, connect=5)
DOWNLOAD_TIMEOUT_S = 60
MAX_PORT = 65535


class ResultRefused(Exception):
    """The file is gone, too large, or not where it may be."""


class Media:
    """One per process."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http

    async def download(self, url: str) -> bytes:
        """Redirects are not followed. Raises ResultRefused or FalUnreachable."""
        self._check(url)
        try:
            async with (
                asyncio.timeout(DOWNLOAD_TIMEOUT_S),
                self._http.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
            ):
                if response.status_code in (404, 410):
                    raise ResultRefused("gone")
                if response.status_code != HTTPStatus.OK:
                    raise FalUnreachable(f"media answered {response.status_code}")
                return await _read_limited(response)
        except (httpx.HTTPError, OSError) as error:
            raise FalUnreachable(type(error).__name__) from error

    def _check(self, url: str) -> None:
        try:
            target = httpx.URL(url)
            host = target.host  # decoding it may fail as well
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ResultRefused("address") from error
        schemes = {"https"} if self._settings.is_production else {"https", "http"}
        if target.scheme not in schemes or target.userinfo:
            raise ResultRefused("address")
        if target.port is not None and (
            self._settings.is_production or not 0 < target.port <= MAX_PORT
        ):
            raise ResultRefused("port")
        if host not in self._settings.fal_media_hosts:
            raise ResultRefused("host")


@asynccontextmanager
async def open_media(settings: Settings) -> AsyncGenerator[Media]:
    async with httpx.AsyncClient(timeout=TIMEOUT, verify=tls_context()) as http:
        yield Media(settings, http)


async def _read_limited(response: httpx.Response) -> bytes:
    picture = bytearray()
    async for chunk in response.aiter_raw():
        picture += chunk
        if len(picture) > MAX_RESULT_BYTES:
            raise ResultRefused("size")
    return bytes(picture)
