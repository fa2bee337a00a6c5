"""Result files at Fal: fetched from its media hosts only, within limits of size and time.

The address comes out of an answer and may be anybody's. It is looked up once, all that it stands
for must be on the open internet, and the connection goes to what was looked at: a name that means
something else a moment later changes nothing. No proxy of the environment is asked.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, cast

import httpcore
import httpx

from madar.clients.addresses import LookUp, is_loopback, is_public, look_up
from madar.clients.fal import FalUnreachable
from madar.clients.tls import tls_context
from madar.settings import Settings

log = logging.getLogger(__name__)

Reason = Literal["gone", "url", "port", "host", "address", "redirect", "encoding", "size"]

MAX_RESULT_BYTES = 25 * 2**20
MAX_URL_CHARACTERS = 4096
MAX_PORT = 65535
# Of a host with many addresses; together they have the time of one connection.
_ADDRESSES_TRIED = 4
_PORTS = {"https": 443, "http": 80}
_ASCII = re.compile(r"[!-\[\]-~]+")  # without the backslash, which some take for a slash
_HOST_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_HEADERS = ((b"User-Agent", b"madar"), (b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"))
# Cast, for the library has a stand-in of the same name for when anyio is missing.
_THIS_MACHINES_NETWORK = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
_MAY_PASS = frozenset({408, 425, 429})
_NO_ANSWER = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
    # A name that cannot be looked up at all.
    UnicodeError,
)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long each part of a download may take."""

    connect_s: float = 5  # the name, the connection and TLS together
    first_byte_s: float = 15
    total_s: float = 60
    grace_s: float = 10  # after which the average since the first byte counts
    slowest_bytes_s: float = 32 * 1024


class ResultRefused(Exception):
    """The file is gone, too large, or not where it may be; `detail` is for the log."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.detail = detail


class Media:
    """One per process. Each download has a connection of its own."""

    def __init__(
        self,
        settings: Settings,
        *,
        look_up: LookUp = look_up,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._look_up = look_up
        self._network = network or _THIS_MACHINES_NETWORK
        self._tls = tls or tls_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._patience = patience or Patience()

    async def download(self, url: str) -> bytes:
        """Raises ResultRefused, or FalUnreachable when asking again later makes sense."""
        try:
            target = self._target(url)
            async with asyncio.timeout(self._patience.total_s):
                return await self._download(target)
        except ResultRefused as refused:
            if refused.reason != "gone":
                facts = {"reason": refused.reason, "why": refused.detail}
                log.warning("media.refused", extra=facts)
            raise
        except _NO_ANSWER as error:
            raise FalUnreachable(type(error).__name__) from error

    def _target(self, url: str) -> httpx.URL:
        if len(url) > MAX_URL_CHARACTERS or not _ASCII.fullmatch(url):
            raise ResultRefused("url")
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ResultRefused("url") from error
        schemes = {"https"} if self._settings.is_production else {"https", "http"}
        if target.scheme not in schemes or target.userinfo:
            raise ResultRefused("url", target.scheme)
        # The scheme's own port is none here.
        if target.port is not None and (
            self._settings.is_production or not 0 < target.port <= MAX_PORT
        ):
            raise ResultRefused("port", str(target.port))
        if not self._is_fals(_host_of(target)):
            raise ResultRefused("host", _host_of(target))
        return target

    def _is_fals(self, host: str) -> bool:
        """An entry that begins with a dot stands for everything below it, not for itself."""
        is_name = bool(_HOST_NAME.fullmatch(host))
        return any(
            is_name and host.endswith(entry) if entry.startswith(".") else host == entry
            for entry in self._settings.fal_media_hosts
        )

    async def _download(self, target: httpx.URL) -> bytes:
        host, port = _host_of(target), target.port or _PORTS[target.scheme]
        async with asyncio.timeout(self._patience.connect_s):
            addresses = await self._addresses_of(host, port)
            stream = await self._connected(addresses, port)
            if target.scheme == "https":
                stream = await self._secured(stream, host)
        url = httpcore.URL(scheme=target.scheme, host=host, port=port, target=target.raw_path)
        async with httpcore.AsyncHTTP11Connection(url.origin, stream) as connection:
            return await self._fetched(connection, url, target.netloc)

    async def _addresses_of(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._look_up(host, port)
        if not addresses:
            raise FalUnreachable("no address")
        # The simulator is on this machine, and is only there when somebody wrote so.
        may_be_here = not self._settings.is_production and (
            host == "localhost" or is_loopback(host)
        )
        for address in addresses:
            if not is_public(address) and not (may_be_here and is_loopback(address)):
                raise ResultRefused("address", f"{host}: {address}")
        return addresses

    async def _connected(self, addresses: Sequence[str], port: int) -> httpcore.AsyncNetworkStream:
        tried = addresses[:_ADDRESSES_TRIED]
        failure: Exception = FalUnreachable("no address")
        for address in tried:
            try:
                async with asyncio.timeout(self._patience.connect_s / len(tried)):
                    return await self._network.connect_tcp(address, port)
            except _NO_ANSWER as error:
                failure = error
        raise failure

    async def _secured(
        self, stream: httpcore.AsyncNetworkStream, host: str
    ) -> httpcore.AsyncNetworkStream:
        """The certificate has to be the host's, whatever address it has."""
        try:
            return await stream.start_tls(self._tls, server_hostname=host)
        except BaseException:
            await stream.aclose()
            raise

    async def _fetched(
        self, connection: httpcore.AsyncHTTP11Connection, url: httpcore.URL, netloc: bytes
    ) -> bytes:
        headers = [*_HEADERS, (b"Host", netloc)]
        async with (
            asyncio.timeout(self._patience.first_byte_s) as deadline,
            connection.stream("GET", url, headers=headers) as response,
        ):
            _check_answer(response)
            return await self._read(response, deadline)

    async def _read(self, response: httpcore.Response, deadline: asyncio.Timeout) -> bytes:
        picture = bytearray()
        begun = asyncio.get_running_loop().time()
        deadline.reschedule(begun + self._patience.grace_s)
        async for chunk in response.aiter_stream():
            if len(picture) + len(chunk) > MAX_RESULT_BYTES:
                raise ResultRefused("size")
            picture += chunk
            # By then the next bytes have to be here for the average to be fast enough.
            slow_at = len(picture) / self._patience.slowest_bytes_s
            deadline.reschedule(begun + max(self._patience.grace_s, slow_at))
        return bytes(picture)


def _host_of(target: httpx.URL) -> str:
    return target.raw_host.decode("ascii")


def _check_answer(response: httpcore.Response) -> None:
    status = response.status
    if status in range(300, 400):
        raise ResultRefused("redirect", str(status))
    if status in range(400, 500) and status not in _MAY_PASS:
        # 401 and 403 too: a link that has expired says so, and is as good as gone.
        raise ResultRefused("gone", str(status))
    if status != HTTPStatus.OK:
        raise FalUnreachable(f"media answered {status}")
    headers = [(name.lower(), value.strip().lower()) for name, value in response.headers]
    if any(name == b"content-encoding" and value != b"identity" for name, value in headers):
        raise ResultRefused("encoding")
    # The number is one: h11 accepts nothing else, and no second one.
    if any(name == b"content-length" and int(value) > MAX_RESULT_BYTES for name, value in headers):
        raise ResultRefused("size", "declared")
