"""What a connection that breaks says about a submission: not sent, or nobody knows."""

import asyncio
import datetime as dt
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from madar.clients.fal import Fal, NotSent, SubmissionUnclear
from madar.settings import Settings
from tests.faults.odd_fal import (
    DAMAGES,
    DROPS,
    OddFal,
    holds,
    misbehaving,
    odd_settings,
    says,
)
from tests.simulator.harness import DRAW


class Towards(httpx.AsyncHTTPTransport):
    """To our server, whatever the address; its certificate is trusted and its silence short."""

    def __init__(self, url: str, *, trusted: Path | None = None, read_s: float = 10) -> None:
        context = ssl.create_default_context(cafile=trusted) if trusted else None
        super().__init__(verify=context or ssl.create_default_context())
        self._url = httpx.URL(url)
        self._read_s = read_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        parts = {"scheme": self._url.scheme, "host": self._url.host, "port": self._url.port}
        request.url = request.url.copy_with(**parts)
        request.extensions["timeout"]["read"] = self._read_s
        return await super().handle_async_request(request)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For localhost, signed by itself; the key stands in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return odd_settings("postgresql:///nowhere", OddFal(url="http://localhost:1"), tmp_path)


async def submit(settings: Settings, transport: httpx.AsyncBaseTransport) -> str:
    async with httpx.AsyncClient(transport=transport) as queue:
        fal = Fal(settings, queue, queue)
        return await fal.submit(endpoint=DRAW, arguments={"seed": 7}, webhook_url="http://here")


def test_over_tls_an_honest_answer_is_understood(settings: Settings, certificate: Path) -> None:
    with misbehaving(certificate) as fal:
        request_id = asyncio.run(submit(settings, Towards(fal.url, trusted=certificate)))

    assert request_id == "request-1"
    assert fal.submissions[0]["arguments"] == {"seed": 7}


def test_tls_that_breaks_after_the_request_was_read_is_unclear(
    settings: Settings, certificate: Path
) -> None:
    with misbehaving(certificate) as fal:
        fal.always("submit", DAMAGES)

        with pytest.raises(SubmissionUnclear, match="SSLError"):
            asyncio.run(submit(settings, Towards(fal.url, trusted=certificate)))

    assert fal.posts() == 1


def test_a_certificate_that_nobody_trusts_means_not_sent(
    settings: Settings, certificate: Path
) -> None:
    with misbehaving(certificate) as fal, pytest.raises(NotSent):
        asyncio.run(submit(settings, Towards(fal.url)))

    assert fal.posts() == 0


def test_a_refused_connection_means_not_sent(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"

    with pytest.raises(NotSent):
        asyncio.run(submit(settings, Towards(url)))


def test_a_connection_dropped_after_the_request_is_unclear(settings: Settings) -> None:
    with misbehaving() as fal:
        fal.always("submit", DROPS)

        with pytest.raises(SubmissionUnclear):
            asyncio.run(submit(settings, Towards(fal.url)))

    assert fal.posts() == 1


def test_an_answer_that_does_not_come_is_unclear(settings: Settings) -> None:
    with misbehaving() as fal:
        silence = holds(says({}))
        fal.always("submit", silence)

        with pytest.raises(SubmissionUnclear, match="ReadTimeout"):
            asyncio.run(submit(settings, Towards(fal.url, read_s=0.1)))
        silence.let_go()

    assert fal.posts() == 1


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 504])
def test_the_library_repeats_no_submission(settings: Settings, code: int) -> None:
    """fal-client would send these up to ten times."""
    with misbehaving() as fal:
        fal.always("submit", says({}, code))

        with pytest.raises((NotSent, SubmissionUnclear)):
            asyncio.run(submit(settings, Towards(fal.url)))

    assert fal.posts() == 1
