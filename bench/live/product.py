"""What is measured: a real PostgreSQL with people and pictures, the real web process, the floor.

No worker runs. Rows change by SQL and the product's own bell rings for them, so that the rate is
exactly what is asked for.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import psycopg

from bench.live.client import Seat
from bench.live.floor import CHANNEL as FLOOR_CHANNEL
from madar.db import migrate
from madar.db.pool import Pool, connection
from madar.db.system import GENERATIONS_CHANNEL
from madar.local import postgres
from madar.realtime import bell
from madar.settings import child_environment

SECRET = "a secret for a bench that is long enough"  # noqa: S105
PORT = 8785
START_WITHIN_S = 60
CHANNELS = (GENERATIONS_CHANNEL, FLOOR_CHANNEL)
SOCKETS_EACH = 5  # of one person; ten are allowed, and an old one may linger while a new one comes
STALLED, STALLED_FOLLOW = 10, 100

Ring = Callable[[Pool, Iterable[UUID]], Awaitable[None]]

PEOPLE = """
INSERT INTO users (google_id, email, display_name)
SELECT 'g' || n, n || '@bench.test', 'Person ' || n FROM generate_series(0, %s - 1) n
"""
SESSIONS = """
INSERT INTO user_sessions (user_id, session_token, expires_at, ends_at)
SELECT id, sha256(convert_to('bench-' || google_id, 'UTF8')),
       now() + interval '1 day', now() + interval '1 day'
  FROM users
"""
# One for each socket, then a hundred with long prompts for each socket that stalls.
PICTURES = """
INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step, deadline_at,
       next_action_at)
SELECT u.id,
       CASE WHEN n < %(sockets)s THEN 'a red rocket ' || n ELSE repeat('a red rocket ', 150) END,
       'voxel-3d', 'text', n, 'processing', 'draw',
       now() + interval '1 hour', now() + interval '1 hour'
  FROM generate_series(0, %(sockets)s + %(stalled)s * %(each)s - 1) n
  JOIN users u
    ON u.google_id = 'g' || CASE WHEN n < %(sockets)s THEN n %% %(people)s
                                 ELSE %(people)s + (n - %(sockets)s) / %(each)s END
RETURNING seed, id
"""
CHANGE = """
UPDATE generations
   SET version = version + 1, fal_progress = 1 + fal_progress %% 98, updated_at = now()
 WHERE id = ANY (%s)
RETURNING id, version
"""
RING_FLOOR = """
SELECT pg_notify(%s, id || ' ' || version) FROM generations WHERE id = ANY (%s)
"""


@dataclass(frozen=True, kw_only=True)
class Server:
    name: str
    port: int
    process: psutil.Process


@dataclass(frozen=True, kw_only=True)
class Change:
    """A version that was committed, and the moment at which the writer knew."""

    generation_id: str
    version: int
    at: float


@dataclass(kw_only=True)
class Product:
    dsn: str
    postgres: postgres.Server
    folder: Path
    sockets: int
    generation_ids: list[UUID] = field(default_factory=list[UUID])

    @property
    def people(self) -> int:
        return -(-self.sockets // SOCKETS_EACH)

    def seats(self, count: int) -> list[Seat]:
        """Each follows a generation of its own."""
        return [
            Seat(
                number=n,
                cookie=cookie(n % self.people),
                generation_ids=(str(self.generation_ids[n]),),
            )
            for n in range(count)
        ]

    def seats_that_stall(self, *, is_stalled: bool) -> list[Seat]:
        return [
            Seat(
                number=self.sockets + k,
                cookie=cookie(self.people + k),
                generation_ids=tuple(str(one) for one in self.followed_by_stalled(k)),
                is_stalled=is_stalled,
            )
            for k in range(STALLED)
        ]

    def followed_by_stalled(self, k: int) -> list[UUID]:
        start = self.sockets + k * STALLED_FOLLOW
        return self.generation_ids[start : start + STALLED_FOLLOW]

    def seed(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(PEOPLE, [self.people + STALLED])
            conn.execute(SESSIONS)
            sizes = {"sockets": self.sockets, "people": self.people}
            rows = conn.execute(
                PICTURES, {**sizes, "stalled": STALLED, "each": STALLED_FOLLOW}
            ).fetchall()
            self.generation_ids = [row[1] for row in sorted(rows)]
            conn.execute("VACUUM ANALYZE")

    def versions(self) -> dict[str, int]:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            rows = conn.execute("SELECT id::text, version FROM generations").fetchall()
            return {row[0]: row[1] for row in rows}


def cookie(person: int) -> str:
    return f"madar=bench-g{person}"


async def change(pool: Pool, generation_ids: Sequence[UUID], ring: Ring) -> list[Change]:
    """One statement, one commit; then the bell."""
    async with connection(pool) as conn:
        cursor = await conn.execute(CHANGE, [list(generation_ids)])
        rows = await cursor.fetchall()
    at = time.monotonic()
    await ring(pool, [row[0] for row in rows])
    return [Change(generation_id=str(row[0]), version=row[1], at=at) for row in rows]


async def ring_floor(pool: Pool, generation_ids: Iterable[UUID]) -> None:
    """The same on a channel of its own, so that the product does not work meanwhile."""
    async with connection(pool) as conn:
        await conn.execute(RING_FLOOR, [FLOOR_CHANNEL, list(generation_ids)])


# As every action of the product does after its commit.
RINGS: dict[str, Ring] = {"madar": bell.ring, "floor": ring_floor}


@contextlib.contextmanager
def prepared(sockets: int) -> Generator[Product]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        server = postgres.start(Path(folder) / "pg", settings={"synchronous_commit": "off"})
        try:
            dsn = server.create_database("madar")
            migrate.up(dsn)
            product = Product(dsn=dsn, postgres=server, folder=Path(folder), sockets=sockets)
            product.seed()
            yield product
        finally:
            server.stop()


@contextlib.contextmanager
def serving(product: Product) -> Generator[tuple[Server, Server]]:
    """Both servers, fresh: Madar's web process, and the floor."""
    web = [sys.executable, "-m", "madar", "serve"]
    floor = [sys.executable, "-m", "bench.live.floor", str(PORT + 1), product.dsn]
    with (
        _running("madar", PORT, web, "/api/health", environment(product)) as madar_server,
        _running("floor", PORT + 1, floor, "/", child_environment()) as floor_server,
    ):
        yield madar_server, floor_server


def environment(product: Product) -> dict[str, str]:
    return child_environment() | {
        "PORT": str(PORT),
        "METRICS_PORT": "0",
        "LINGER_S": "0",
        "APP_URL": f"http://127.0.0.1:{PORT}",
        "DATABASE_URL": product.dsn,
        "GOOGLE_CLIENT_ID": "bench",
        "GOOGLE_CLIENT_SECRET": "bench",
        "GOOGLE_REDIRECT_URI": "http://localhost/",
        "JWT_SECRET": SECRET,
        "FAL_API_KEY": "bench",
        "FAL_WEBHOOK_SECRET": SECRET,
        "STORAGE_DIR": str(product.folder / "files"),
        "LOG_LEVEL": "error",
        "RATE_LIMIT_API": "999999/1s",
        "RATE_LIMIT_READS": "999999/1s",
    }


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, trust_env=False).is_success:
                return
        time.sleep(0.05)
    how = "does not answer" if process.poll() is None else f"ended with {process.poll()}"
    raise SystemExit(f"what should answer at {url} {how}")


@contextlib.contextmanager
def _running(
    name: str, port: int, command: list[str], path: str, variables: dict[str, str]
) -> Generator[Server]:
    process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}{path}", process)
        yield Server(name=name, port=port, process=psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
