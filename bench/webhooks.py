"""What a webhook costs: milliseconds at fifty right ones a second, and processor time of a forgery.

python bench/webhooks.py [a second] [seconds]

Right ones are sent on time whether earlier ones are answered or not, each to an attempt of its own,
so what one waits counts. Forgeries are sent as fast as one connection takes them; `x bare` is the
web's processor time against that of an ASGI app that does nothing.
"""
# needs: nothing

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import psutil
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reads import backends, cpu_s, wait

from madar.db import migrate
from madar.local import postgres
from madar.settings import child_environment

SECRET = "a secret for a bench that is long enough"  # noqa: S105
ACCOUNT = "madar-bench"
PORT = 8775
KEY = Ed25519PrivateKey.generate()
PICTURE = {"images": [{"url": "https://v3b.fal.media/files/x.png", "width": 1024}], "seed": 42}
FORGERIES = 3_000

Made = tuple[str, dict[str, str], bytes]


def main(rate: int, seconds: int) -> None:
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        ThreadingHTTPServer(("127.0.0.1", 0), Keys) as keys,
    ):
        Thread(target=keys.serve_forever, daemon=True).start()
        server = postgres.start(Path(folder) / "pg")
        try:
            dsn = server.create_database("madar")
            migrate.up(dsn)
            attempts = seed(dsn, rate * (seconds + 1))
            with_web(dsn, Path(folder), keys.server_port, attempts, rate, server)
        finally:
            server.stop()
            keys.shutdown()


class Keys(BaseHTTPRequestHandler):
    """Fal's published keys."""

    def do_GET(self) -> None:
        raw = KEY.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        body = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def seed(dsn: str, count: int) -> list[UUID]:
    """So many pictures of a hundred people, each with a request that Fal has."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO users (google_id, email, display_name) "
            "SELECT 'g' || n, n || '@bench.test', 'Person ' || n FROM generate_series(0, 99) n"
        )
        conn.execute(
            "INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step, "
            "deadline_at, next_action_at) "
            "SELECT u.id, 'a red rocket ' || n, 'voxel-3d', 'text', n, 'processing', 'draw', "
            "now() + interval '1 hour', now() + interval '1 hour' "
            "FROM generate_series(1, %s) n JOIN users u ON u.google_id = 'g' || n %% 100",
            [count],
        )
        rows = conn.execute(
            "INSERT INTO attempts (id, generation_id, n, step, state, seed, endpoint, arguments, "
            "sent_at) SELECT gen_random_uuid(), id, 1, 'draw', 'sent', seed, 'fal-ai/flux-lora', "
            "'{}', now() FROM generations RETURNING id"
        ).fetchall()
        conn.execute("VACUUM ANALYZE")
        return [row[0] for row in rows]


def with_web(
    dsn: str, folder: Path, keys_port: int, attempts: list[UUID], rate: int, server: postgres.Server
) -> None:
    environment = child_environment() | {
        "PORT": str(PORT),
        "APP_URL": f"http://127.0.0.1:{PORT}",
        "DATABASE_URL": dsn,
        "GOOGLE_CLIENT_ID": "bench",
        "GOOGLE_CLIENT_SECRET": "bench",
        "GOOGLE_REDIRECT_URI": "http://localhost/",
        "JWT_SECRET": SECRET,
        "FAL_API_KEY": "bench",
        "FAL_ACCOUNT_ID": ACCOUNT,
        "FAL_WEBHOOK_SECRET": SECRET,
        "FAL_JWKS_URL": f"http://127.0.0.1:{keys_port}/",
        "STORAGE_DIR": str(folder / "files"),
        "LOG_LEVEL": "warning",
    }
    web = subprocess.Popen(
        [sys.executable, "-m", "madar", "serve"], env=environment, stdout=subprocess.DEVNULL
    )
    floor = [sys.executable, "-m", "uvicorn", "--app-dir", "bench", "--no-access-log"]
    bare = subprocess.Popen([*floor, "--log-level", "error", "--port", str(PORT + 1), "bare:app"])
    try:
        wait(f"http://127.0.0.1:{PORT + 1}/")
        wait(f"http://127.0.0.1:{PORT}/api/health")
        right_ones(attempts, rate, web.pid, server)
        forgeries(attempts[0], web.pid, bare.pid)
    finally:
        for process in (web, bare):
            process.terminate()
            process.wait(30)


def right_ones(attempts: list[UUID], rate: int, web_pid: int, server: postgres.Server) -> None:
    asyncio.run(on_time([made(one) for one in attempts[:rate]], rate))
    rest = attempts[rate:]
    web_before, pg_before = cpu_s([psutil.Process(web_pid)]), cpu_s(backends(server))
    times = sorted(asyncio.run(on_time([made(one) for one in rest], rate)))
    n = len(times)
    print(f"{n} right ones, {rate} a second, each for an attempt of its own")
    print(
        "".join(f"{f'p{p} ms':>9}" for p in (50, 95, 99))
        + f"{'max ms':>9}{'web µs':>9}{'pg µs':>9}"
    )
    print(
        "".join(f"{times[int(n * p / 100)] * 1000:9.1f}" for p in (50, 95, 99))
        + f"{times[-1] * 1000:9.1f}"
        + f"{(cpu_s([psutil.Process(web_pid)]) - web_before) / n * 1e6:9.0f}"
        + f"{(cpu_s(backends(server)) - pg_before) / n * 1e6:9.0f}"
    )


def forgeries(attempt_id: UUID, web_pid: int, bare_pid: int) -> None:
    query, headers, body = made(attempt_id)
    kinds: dict[str, Callable[[], Made]] = {
        "no headers": lambda: (query, {}, body),
        "wrong token": lambda: (f"a={attempt_id}&t={'0' * 64}", headers, body),
        "wrong token, 500 kB": lambda: (f"a={attempt_id}&t={'0' * 64}", headers, b" " * 500_000),
        "other account": lambda: (query, {**headers, "X-Fal-Webhook-User-Id": "x"}, body),
        "wrong signature": lambda: (query, {**headers, "X-Fal-Webhook-Signature": "0" * 128}, body),
    }
    print(f"\n{FORGERIES:,} of each forgery, one after the other")
    print(f"{'':22}{'a second':>9}{'p99 ms':>9}{'web µs':>9}{'x bare':>9}")
    floor_us = measure(PORT + 1, bare_pid, lambda: (query, {}, b""), expected=b"200")[2]
    for name, make in kinds.items():
        per_s, p99_ms, web_us = measure(PORT, web_pid, make, expected=b"401")
        print(f"{name:22}{per_s:9.0f}{p99_ms:9.1f}{web_us:9.0f}{web_us / floor_us:9.1f}")


def measure(
    port: int, pid: int, make: Callable[[], Made], *, expected: bytes
) -> tuple[float, float, float]:
    """A second, p99 in ms, and µs of the process for each."""
    asyncio.run(in_turn(port, make(), expected, 200))
    before, began = cpu_s([psutil.Process(pid)]), time.perf_counter()
    times = sorted(asyncio.run(in_turn(port, make(), expected, FORGERIES)))
    took_s = time.perf_counter() - began
    used_us = (cpu_s([psutil.Process(pid)]) - before) / FORGERIES * 1e6
    return FORGERIES / took_s, times[int(FORGERIES * 0.99)] * 1000, used_us


def made(attempt_id: UUID) -> Made:
    """What Fal would send for it."""
    request_id = str(uuid4())
    fields = {"request_id": request_id, "gateway_request_id": request_id, "status": "OK"}
    body = json.dumps({**fields, "payload": PICTURE}).encode()
    lines = (request_id, ACCOUNT, str(int(time.time())), hashlib.sha256(body).hexdigest())
    token = hmac.new(SECRET.encode(), attempt_id.bytes, hashlib.sha256).hexdigest()
    headers = {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": ACCOUNT,
        "X-Fal-Webhook-Timestamp": lines[2],
        "X-Fal-Webhook-Signature": KEY.sign("\n".join(lines).encode()).hex(),
    }
    return f"a={attempt_id}&t={token}", headers, body


def written(one: Made) -> bytes:
    query, headers, body = one
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    first = f"POST /api/webhooks/fal?{query} HTTP/1.1\r\nHost: bench\r\n{head}"
    return f"{first}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    await reader.readexactly(length)
    return head.split(maxsplit=2)[1]


async def on_time(deliveries: list[Made], rate: int) -> list[float]:
    """Seconds from when each was due."""
    times: list[float] = []
    clock = asyncio.get_running_loop().time
    first_at = clock() + 0.1

    async def one(number: int, request: bytes) -> None:
        due_at = first_at + number / rate
        await asyncio.sleep(due_at - clock())
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        writer.write(request)
        status = await answer(reader)
        assert status == b"200", status
        times.append(clock() - due_at)
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for number, delivery in enumerate(deliveries):
            tasks.create_task(one(number, written(delivery)))
    return times


async def in_turn(port: int, one: Made, expected: bytes, count: int) -> list[float]:
    request = written(one)
    times: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request)
        await writer.drain()
        status = await answer(reader)
        assert status == expected, status
        times.append(time.perf_counter() - began)
    writer.close()
    return times


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(*(given + [50, 20][len(given) :]))
