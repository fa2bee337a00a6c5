"""The doors of docs/live.md as a program uses them, alike: ask, hear what comes next, be cut."""

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.product import Json

NARROW_BYTES = 4096  # so that who does not read is soon noticed at the other end


class Ended(Exception):
    """By the other side, with its code where the door has such."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


class NothingThere(Exception):
    """What was asked for is deleted, or was never there."""


class NothingNew(Exception):
    """It has ended as it is known."""


# What a network, a server that is busy or one whose database is away may bring.
BROKEN = (OSError, EOFError, ConnectionClosed, InvalidHandshake, httpx.HTTPError, Ended)


class Line(Protocol):
    """One connection. Messages have the form that they have at /ws."""

    async def ask(self, name: str, **given: Any) -> None: ...

    async def next(self) -> Json: ...

    async def abort(self) -> None:
        """Without a goodbye, as when a phone loses its network."""
        ...


async def _websocket(url: str, path: str, **headers: str) -> ClientConnection:
    address = urlsplit(url)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
    narrow.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(narrow, (address.hostname, address.port))
    except BaseException:
        narrow.close()
        raise
    try:
        return await connect(
            f"ws://{address.netloc}{path}",
            sock=narrow,
            additional_headers=headers,
            compression=None,
            max_queue=1,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        raise Ended(refused.response.status_code) from refused


async def _abort(websocket: ClientConnection) -> None:
    websocket.transport.abort()
    await websocket.wait_closed()


class Native:
    """GET /ws."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    @classmethod
    async def open(cls, url: str, token: str) -> "Native":
        return cls(await _websocket(url, "/ws", Authorization=f"Bearer {token}"))

    async def ask(self, name: str, **given: Any) -> None:
        await self._websocket.send(json.dumps({"type": name, **given}, default=str))

    async def next(self) -> Json:
        try:
            return json.loads(await self._websocket.recv())
        except ConnectionClosed as closed:
            raise Ended(closed.rcvd.code if closed.rcvd else None) from closed

    async def abort(self) -> None:
        await _abort(self._websocket)


class _Packets(Protocol):
    async def send(self, packet: str) -> None: ...

    async def next(self) -> str: ...

    async def abort(self) -> None: ...


class ByWebsocket:
    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    @classmethod
    async def open(cls, url: str) -> "ByWebsocket":
        return cls(await _websocket(url, "/socket.io/?EIO=4&transport=websocket"))

    async def send(self, packet: str) -> None:
        await self._websocket.send(packet)

    async def next(self) -> str:
        packet = await self._websocket.recv()
        assert isinstance(packet, str)
        return packet

    async def abort(self) -> None:
        await _abort(self._websocket)


class ByPolling:
    """One request after the other waits for packets; each packet of ours is one more."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._query = {"EIO": "4", "transport": "polling"}
        self._waiting: list[str] = []
        self._sending = asyncio.Lock()

    @classmethod
    async def open(cls, url: str) -> "ByPolling":
        polling = cls(httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=False))
        try:
            opening = await polling.next()
        except BaseException:
            await polling.abort()
            raise
        polling._query["sid"] = json.loads(opening[1:])["sid"]
        polling._waiting.insert(0, opening)
        return polling

    async def send(self, packet: str) -> None:
        """One at a time, as the protocol has it."""
        async with self._sending:
            answer = await self._http.post("/socket.io/", params=self._query, content=packet)
        if answer.status_code != 200:
            raise Ended(answer.status_code)

    async def next(self) -> str:
        while not self._waiting:
            answer = await self._http.get("/socket.io/", params=self._query)
            if answer.status_code != 200:
                raise Ended(answer.status_code)
            self._waiting = answer.text.split("\x1e")
        return self._waiting.pop(0)

    async def abort(self) -> None:
        await self._http.aclose()


class SocketIo:
    """/socket.io/, without the library: what is tested here is what stands on the wire."""

    def __init__(self, packets: _Packets) -> None:
        self._packets = packets
        self._asked: list[UUID | None] = []

    @classmethod
    async def open(cls, url: str, token: str, *, polls: bool = False) -> "SocketIo":
        packets = await (ByPolling if polls else ByWebsocket).open(url)
        try:
            assert (await packets.next()).startswith("0{")
            await packets.send("40" + json.dumps({"token": token}))
            welcome = await packets.next()
        except BaseException:
            await packets.abort()
            raise
        if not welcome.startswith("40{"):
            await packets.abort()
            raise Ended
        return cls(packets)

    async def ask(self, name: str, **given: Any) -> None:
        """Leaving has no answer worth waiting for."""
        wants_answer = name.startswith("join:")
        number = str(len(self._asked)) if wants_answer else ""
        if wants_answer:
            self._asked.append(given.get("generationId"))
        await self._packets.send(f"42{number}" + json.dumps([name, given], default=str))

    async def next(self) -> Json:
        while True:
            packet = await self._packets.next()
            match packet[:2]:
                case "2":
                    await self._packets.send("3")
                case "42":
                    name, body = json.loads(packet[2:])
                    assert body["type"] == name
                    return body
                case "43":
                    return self._answered(packet[2:])
                case _:
                    raise Ended

    async def abort(self) -> None:
        await self._packets.abort()

    def _answered(self, packet: str) -> Json:
        number, _, answer = packet.partition("[")
        body: Json = json.loads("[" + answer)[0]
        if body.pop("ok"):
            return {"type": "joined", **body}
        generation_id = self._asked[int(number)]
        named = {"generationId": str(generation_id)} if generation_id else {}
        return {"type": "error", **named, **body}


class EventStream:
    """GET /api/generations/{id}/events, as bytes come: nothing of a library reads ahead or on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._text = b""

    @classmethod
    async def open(cls, url: str, token: str, generation_id: UUID, seen: str) -> "EventStream":
        """Raises NothingThere, NothingNew, and Ended for what passes."""
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        lines = [
            f"GET /api/generations/{generation_id}/events HTTP/1.1",
            f"Host: {address.netloc}",
            f"Authorization: Bearer {token}",
            *([f"Last-Event-ID: {seen}"] if seen else []),
        ]
        writer.write("\r\n".join([*lines, "\r\n"]).encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except BaseException:
            writer.transport.abort()
            raise
        status = int(head.split()[1])
        if status != 200:
            writer.transport.abort()
            raise {204: NothingNew(), 404: NothingThere()}.get(status, Ended(status))
        return cls(reader, writer)

    async def ask(self, name: str, **given: Any) -> None:
        raise AssertionError(f"it only tells: {name}, {given}")

    async def next(self) -> Json:
        while True:
            while b"\n\n" not in self._text:
                self._text += await self._chunk()
            block, _, self._text = self._text.partition(b"\n\n")
            parts = (line.partition(": ") for line in block.decode().split("\n"))
            fields = {name: value for name, _, value in parts}
            if "event" in fields:
                message: Json = json.loads(fields["data"])
                assert message["type"] == fields["event"]
                return {**message, "lastEventId": fields.get("id", "")}

    async def abort(self) -> None:
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _chunk(self) -> bytes:
        """RFC 9112, 7.1."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        chunk = await self._reader.readexactly(size + 2)
        if not size:
            raise Ended
        return chunk[:-2]
