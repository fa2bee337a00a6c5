"""A Fal that misbehaves at the wire, and a worker led by hand against it."""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import orjson
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from madar.actions.advance import advance_generation
from madar.actions.generations import Wish, create_generation
from madar.actions.work import Worker
from madar.db import users
from madar.domain.generations import GenerationRequest
from madar.resources import Resources, open_resources
from madar.settings import Settings
from tests.imaging.pictures import ball, photo, png
from tests.product import settings_for
from tests.simulator.harness import CUT_OUT, DRAW, Fal, Json

Kind = Literal["submit", "status", "result", "cancel", "history", "file", "removal"]
_HISTORY = "/v1/models/requests/by-endpoint"
_WAIT_S = 20


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes over the wire, when `release` is set; `asked` tells that it is waited for."""

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    is_dropped: bool = False
    is_damaged: bool = False
    asked: threading.Event = field(default_factory=threading.Event)
    release: threading.Event | None = None

    async def wait_until_asked(self) -> None:
        assert await asyncio.to_thread(self.asked.wait, _WAIT_S)

    def let_go(self) -> None:
        assert self.release
        self.release.set()


def says(body: object, status: int = 200, **headers: str) -> Answer:
    """JSON as Python writes it: NaN and lone surrogates pass."""
    return sends(json.dumps(body).encode(), status, **headers)


def sends(content: bytes, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(content=content, status=status, headers=named)


def holds(answer: Answer) -> Answer:
    """The same, but only after `let_go`."""
    return Answer(
        content=answer.content,
        status=answer.status,
        headers=answer.headers,
        release=threading.Event(),
    )


DROPS = Answer(is_dropped=True)
DAMAGES = Answer(is_damaged=True)
RUNS = says({"status": "IN_PROGRESS", "logs": []}, 202)
FAILED_FOR_NOW = says({"detail": [{"type": "internal_server_error"}]}, 500)
OPAQUE = sends(png(photo()))


@dataclass(kw_only=True)
class OddFal:
    """Speaks Fal's queue protocol; each kind of answer can be replaced, once or for good."""

    url: str = ""
    submissions: list[Json] = field(default_factory=list[Json])
    asked: list[tuple[Kind, str]] = field(default_factory=list[tuple[Kind, str]])
    _once: dict[Kind, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[Kind, Answer] = field(default_factory=dict[Kind, Answer])

    def once(self, kind: Kind, *answers: Answer) -> None:
        self._once[kind].extend(answers)

    def always(self, kind: Kind, answer: Answer) -> None:
        self._always[kind] = answer

    def heal(self, kind: Kind) -> None:
        del self._always[kind]

    def posts(self, endpoint: str = DRAW) -> int:
        return sum(one["endpoint"] == endpoint for one in self.submissions)

    def times(self, kind: Kind) -> int:
        return sum(one == kind for one, _ in self.asked)

    def answer(self, kind: Kind, path: str, body: bytes) -> Answer:
        self.asked.append((kind, path))
        if kind == "submit":
            self._record(path, body)
        if self._once[kind]:
            return self._once[kind].popleft()
        return self._always.get(kind) or self._honest(kind, path)

    def listed(self, endpoint: str = DRAW) -> list[Json]:
        """The history's items, newest first."""
        return [
            {"request_id": one["request_id"], "json_input": one["arguments"]}
            for one in reversed(self.submissions)
            if one["endpoint"] == endpoint
        ]

    def _record(self, path: str, body: bytes) -> None:
        one = {"endpoint": urlsplit(path).path.strip("/"), "arguments": json.loads(body)}
        self.submissions.append({**one, "request_id": f"request-{len(self.submissions) + 1}"})

    def _honest(self, kind: Kind, path: str) -> Answer:
        match kind:
            case "submit":
                request_id = self.submissions[-1]["request_id"]
                urls = dict.fromkeys(("response_url", "status_url", "cancel_url"), "")
                return says({"request_id": request_id, **urls})
            case "status":
                return says({"status": "COMPLETED", "logs": []})
            case "result":
                picture = {"url": f"{self.url}/files/ball.png"}
                is_drawn = "/flux-lora/" in path
                return says({"images": [picture]} if is_drawn else {"image": picture})
            case "cancel":
                return says({"status": "CANCELLATION_REQUESTED"}, 202)
            case "history":
                return says({"items": self.listed(CUT_OUT if "birefnet" in path else DRAW)})
            case "file":
                return sends(png(ball()), content_type="image/png")
            case "removal":
                return says({"cdn_delete_results": []})


@contextlib.contextmanager
def misbehaving(certificate: Path | None = None) -> Generator[OddFal]:
    """On a free port of its own; with a certificate (and its key in the same file) over TLS."""
    fal = OddFal()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            self._answer("submit", self.rfile.read(length))

        def do_PUT(self) -> None:
            self._answer("cancel")

        def do_DELETE(self) -> None:
            self._answer("removal")

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == _HISTORY:
                self._answer("history")
            elif path.startswith("/files/"):
                self._answer("file")
            else:
                self._answer("status" if path.endswith("/status") else "result")

        def _answer(self, kind: Kind, body: bytes = b"") -> None:
            answer = fal.answer(kind, self.path, body)
            answer.asked.set()
            if answer.release:
                answer.release.wait(_WAIT_S)
            if answer.is_damaged:
                return self._damage()
            if answer.is_dropped:
                return self.connection.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):  # whoever asked may have hung up
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.content)
            return None

        def _damage(self) -> None:
            """A TLS record that cannot be decrypted, past the TLS layer."""
            record = struct.pack("!BHH", 23, 0x0303, 48) + bytes(48)
            with socket.socket(fileno=self.connection.detach()) as raw:
                raw.sendall(record)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(1024):
                    pass

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if certificate:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        fal.url = f"{scheme}://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fal
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A worker that does what is due when it is told to, and a look at the rows."""

    resources: Resources
    worker: Worker
    conn: AsyncConnection[Json]

    async def create(
        self,
        *,
        prompt: str = "a red rocket",
        style: str = "voxel-3d",
        seed: int = 7,
        who: str = "amal",
    ) -> UUID:
        owner = await users.upsert_user(
            self.conn,
            google_id=who,
            email=f"{who}@madar.test",
            display_name=who.title(),
            avatar_url=None,
            language="en",
        )
        request = GenerationRequest(
            style=style,
            prompt=prompt,
            input_type="text",
            aspect_ratio="1:1",
            custom_colors=(),
            source_upload_id=None,
            source_key=None,
            seed=seed,
        )
        wish = Wish(owner_id=owner.id, language="en", request=request, picture=None)
        answer, _ = await create_generation(self.resources, wish, idempotency_key=None)
        return UUID(orjson.loads(answer.body)["id"])

    async def advance(self, generation_id: UUID) -> Json:
        """Do what is due, as if its time had come."""
        await self.make_due(generation_id)
        await advance_generation(self.worker, generation_id)
        return await self.seen(generation_id)

    async def make_due(self, generation_id: UUID) -> None:
        await self.execute(
            "UPDATE generations SET next_action_at = now()"
            " WHERE id = %s AND next_action_at IS NOT NULL",
            generation_id,
        )
        await self.execute("UPDATE fal_gate SET closed_until = NULL, next_turn_at = NULL")

    async def until_step(self, generation_id: UUID, step: str) -> Json:
        """Lead it until Fal has taken this step's request."""
        return await self._until(
            generation_id,
            lambda seen: (seen["step"], seen["attempts"][-1]["state"]) == (step, "accepted"),
        )

    async def finish(self, generation_id: UUID) -> Json:
        """Lead it to its end, which no passing of time may be needed for."""
        return await self._until(
            generation_id, lambda seen: seen["state"] in {"completed", "failed"}
        )

    async def _until(self, generation_id: UUID, is_there: Callable[[Json], bool]) -> Json:
        seen = await self.seen(generation_id)
        for _ in range(20):
            if is_there(seen):
                return seen
            seen = await self.advance(generation_id)
        raise AssertionError(f"it does not get there: {seen}")

    async def seen(self, generation_id: UUID) -> Json:
        """The generation's row with all of its attempts."""
        cursor = await self.conn.execute(
            "SELECT g.*, (SELECT jsonb_agg(a ORDER BY n) FROM attempts a"
            "              WHERE generation_id = g.id) AS attempts"
            "  FROM generations g WHERE id = %s",
            [generation_id],
        )
        row = await cursor.fetchone()
        assert row
        return row

    async def closed_s(self) -> float:
        """How long until anything may be submitted again; not positive when it may."""
        cursor = await self.conn.execute(
            "SELECT extract(epoch FROM closed_until - now())::float8 AS s FROM fal_gate"
        )
        row = await cursor.fetchone()
        assert row
        return row["s"] or 0

    async def execute(self, statement: str, *given: Any) -> None:
        await self.conn.execute(statement.encode(), given)

    async def age_submission(self, seconds: float) -> None:
        await self._age("attempts", "sent_at", seconds)

    async def age_acceptance(self, seconds: float) -> None:
        await self._age("attempts", "accepted_at", seconds)

    async def age_deadline(self, seconds: float) -> None:
        await self._age("generations", "deadline_at", seconds)

    async def lose_leases(self) -> None:
        await self.execute(
            "UPDATE generations SET lease_until = now() - interval '1 second',"
            " next_action_at = now() WHERE next_action_at IS NOT NULL"
        )

    async def _age(self, table: str, column: str, seconds: float) -> None:
        statement = f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)"
        await self.execute(statement, seconds)


def odd_settings(dsn: str, fal: OddFal, folder: Path, **overrides: Any) -> Settings:
    with Fal(fal.url) as caller:
        given: Json = {
            "submit_unknown_after_s": 600,
            "lease_s": 30,
            "fal_media_hosts": "localhost",
            **overrides,
        }
        return settings_for(dsn=dsn, fal=caller, port=1, storage=str(folder / "files"), **given)


@contextlib.asynccontextmanager
async def hand(settings: Settings) -> AsyncGenerator[Hand]:
    url = str(settings.database_url)
    async with (
        open_resources(settings) as resources,
        await AsyncConnection[Json].connect(url, autocommit=True, row_factory=dict_row) as conn,
    ):
        worker = Worker(resources=resources, name=str(uuid4()))
        yield Hand(resources=resources, worker=worker, conn=conn)


def led(settings: Settings, act: Callable[[Hand], Awaitable[None]]) -> None:
    """Run `act` with a worker led by hand."""

    async def main() -> None:
        async with hand(settings) as one:
            await act(one)

    asyncio.run(main())
