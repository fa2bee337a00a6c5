"""A server that says byte for byte what a test wants said, and the internet that leads to it."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# Cast, for the library has a stand-in of the same name for when anyio is missing.
_BACKEND = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())


@dataclass
class Server:
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    names: list[str | None] = field(default_factory=list[str | None])


@asynccontextmanager
async def serving(script: Script, *, certificate: Path | None = None) -> AsyncGenerator[Server]:
    """On 127.0.0.1; the script is followed once a request's head is there."""
    seen = Server()
    answering: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        answering.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            seen.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await script(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    tls = _server_tls(certificate, seen.names) if certificate else None
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        seen.port = server.sockets[0].getsockname()[1]
        yield seen
        # Whoever called has to hang up; a script that waits for it shows that they did.
        await asyncio.gather(*filter(None, answering))


def says(content: bytes, *headers: str, status: str = "200 OK") -> Script:
    """An honest answer; with headers of one's own it tells no length by itself."""
    told = headers or (f"Content-Length: {len(content)}",)
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *told, ""))
    return sends(head.encode() + content)


def sends(content: bytes) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return script


def then(first: bytes, rest: Iterable[bytes], *, every_s: float | None = None) -> Script:
    """Send the first at once, then one by one, until it is over or the other side hangs up."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for piece in rest:
            writer.write(piece)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s or 0):
                    await reader.read(1)
                    return

    return script


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the other side hangs up."""
    await reader.read(1)


class Internet(httpcore.AsyncNetworkBackend):
    """Every address on it is the one server; it keeps who was called."""

    def __init__(self, port: int = 0, *, away: Iterable[str] = ()) -> None:
        self.called: list[tuple[str, int]] = []
        self._port = port
        self._away = frozenset(away)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del local_address, socket_options
        self.called.append((host, port))
        if host in self._away:
            raise httpcore.ConnectError("nobody there")
        return await _BACKEND.connect_tcp("127.0.0.1", self._port, timeout)


def certificate_for(name: str, folder: Path) -> Path:
    """Signed by itself; the key stands in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def _server_tls(certificate: Path, names: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def keep(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = keep
    return context
