"""What a read costs: requests a second, and processor time a request of web and PostgreSQL.

python bench/reads.py [connections] [seconds] [case …]

The load generator runs beside the product and takes the most of a small machine, so requests a
second and milliseconds say little; look at the processor times. On a noisy machine those move too,
by half and more, together with everything else: `x bare` is the web's processor time against that
of an ASGI app that does nothing, measured right before and after the case, and moves least. To
compare two versions, run them in turn, a few seconds each, several times, and take the lowest.
"""
# needs: nothing

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from madar.db import migrate
from madar.local import postgres
from madar.settings import child_environment

OWN, OTHERS = 1_000, 20_000
JWT_SECRET = "a secret for a bench that is long enough"  # noqa: S105


def main(connections: int, seconds: float, chosen: list[str]) -> None:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        server = postgres.start(Path(folder) / "pg", settings={"synchronous_commit": "off"})
        try:
            dsn = server.create_database("madar")
            migrate.up(dsn)
            cookie, newest = seed(dsn)
            with_web(dsn, Path(folder), cookie, newest, connections, seconds, server, chosen)
        finally:
            server.stop()


def seed(dsn: str) -> tuple[str, str]:
    """One person with a gallery among many others; answers the session's cookie and an id."""
    import hashlib  # noqa: PLC0415

    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO users (google_id, email, display_name) "
            "SELECT 'g' || n, n || '@bench.test', 'Person ' || n FROM generate_series(0, 100) n"
        )
        conn.execute(
            "INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step, "
            "deadline_at, next_action_at, fal_progress, master_key, result_image_key, "
            "thumbnail_key, file_size_bytes, image_dimensions, completed_at, created_at) "
            "SELECT u.id, 'a red rocket ' || n, 'voxel-3d', 'text', n, 'completed', 'finalize', "
            "now(), NULL, 100, 'ab/' || md5(n::text) || '.png', 'ab/' || md5(n::text) || '.webp', "
            "'cd/' || md5(n::text) || '.webp', 400000, '{\"width\": 1024, \"height\": 1024}', "
            "now(), now() - n * interval '1 minute' "
            "FROM generate_series(1, %s) n JOIN users u "
            "ON u.google_id = 'g' || CASE WHEN n <= %s THEN 0 ELSE 1 + n %% 100 END",
            [OWN + OTHERS, OWN],
        )
        # Rows whose commit is not on disk yet would not count as visible to all.
        conn.execute("CHECKPOINT")
        conn.execute("VACUUM ANALYZE")
        token = "bench-session"  # noqa: S105
        conn.execute(
            "INSERT INTO user_sessions (user_id, session_token, expires_at, ends_at) "
            "SELECT id, %s, now() + interval '1 day', now() + interval '1 day' "
            "FROM users WHERE google_id = 'g0'",
            [hashlib.sha256(token.encode()).digest()],
        )
        row = conn.execute(
            "SELECT g.id::text FROM generations g JOIN users u ON u.id = g.user_id "
            "WHERE u.google_id = 'g0' ORDER BY g.created_at DESC LIMIT 1"
        ).fetchone()
        assert row
        return f"madar={token}", row[0]


def with_web(
    dsn: str,
    folder: Path,
    cookie: str,
    newest: str,
    connections: int,
    seconds: float,
    server: postgres.Server,
    chosen: list[str],
) -> None:
    port = 8765
    environment = child_environment() | {
        "PORT": str(port),
        "APP_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": dsn,
        "GOOGLE_CLIENT_ID": "bench",
        "GOOGLE_CLIENT_SECRET": "bench",
        "GOOGLE_REDIRECT_URI": "http://localhost/",
        "JWT_SECRET": JWT_SECRET,
        "FAL_API_KEY": "bench",
        "FAL_WEBHOOK_SECRET": JWT_SECRET,
        "STORAGE_DIR": str(folder / "files"),
        "LOG_LEVEL": "warning",
        "RATE_LIMIT_API": "999999/1s",
        "RATE_LIMIT_READS": "999999/1s",
    }
    web = subprocess.Popen([sys.executable, "-m", "madar", "serve"], env=environment)
    floor = [sys.executable, "-m", "uvicorn", "--app-dir", "bench", "--no-access-log"]
    bare = subprocess.Popen([*floor, "--log-level", "error", "--port", str(port + 1), "bare:app"])
    try:
        wait(f"http://127.0.0.1:{port + 1}/")
        wait(f"http://127.0.0.1:{port}/api/health")
        print(f"{connections} connections, {seconds:g} s each, {OWN + OTHERS} generations")
        print(
            f"{'':10}{'req/s':>8}{'p50 ms':>9}{'p95 ms':>9}{'web µs':>9}{'pg µs':>9}{'x bare':>9}"
        )
        rooms = {"bare": ("/", "", port + 1, bare.pid)}
        for name, path, given in (
            ("list", "/api/generations", cookie),
            ("get", f"/api/generations/{newest}", cookie),
            ("search", "/api/generations?search=rocket", cookie),
            ("own styles", "/api/styles", cookie),
            ("styles", "/api/styles", ""),
        ):
            rooms[name] = (path, given, port, web.pid)
        for name in chosen or [name for name in rooms if name != "bare"]:
            floors = [measure(*rooms["bare"], connections, min(seconds, 2), server)]
            case = measure(*rooms[name], connections, seconds, server)
            floors.append(measure(*rooms["bare"], connections, min(seconds, 2), server))
            floor_us = sum(floor.web_us for floor in floors) / len(floors)
            print(
                f"{name:10}{case.rate:8.0f}{case.p50_ms:9.1f}{case.p95_ms:9.1f}"
                f"{case.web_us:9.0f}{case.pg_us:9.0f}{case.web_us / floor_us:9.1f}"
            )
    finally:
        for process in (web, bare):
            process.terminate()
            process.wait(30)


def wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise SystemExit("the web process did not start")


@dataclass(frozen=True, kw_only=True)
class Measured:
    rate: float
    p50_ms: float
    p95_ms: float
    web_us: float
    pg_us: float


def measure(
    path: str,
    cookie: str,
    port: int,
    web_pid: int,
    connections: int,
    seconds: float,
    server: postgres.Server,
) -> Measured:
    asyncio.run(load(path, cookie, port, connections, 1.0))
    web_before, pg_before = cpu_s([psutil.Process(web_pid)]), cpu_s(backends(server))
    times = sorted(asyncio.run(load(path, cookie, port, connections, seconds)))
    n = len(times)
    return Measured(
        rate=n / seconds,
        p50_ms=times[n // 2] * 1000,
        p95_ms=times[int(n * 0.95)] * 1000,
        web_us=(cpu_s([psutil.Process(web_pid)]) - web_before) / n * 1e6,
        pg_us=(cpu_s(backends(server)) - pg_before) / n * 1e6,
    )


def backends(server: postgres.Server) -> list[psutil.Process]:
    pid = int((server.data_dir / "postmaster.pid").read_text().split(maxsplit=1)[0])
    return psutil.Process(pid).children()


def cpu_s(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        used: Any = process.cpu_times()
        total += used.user + used.system
    return total


async def load(path: str, cookie: str, port: int, connections: int, seconds: float) -> list[float]:
    shown = f"Cookie: {cookie}\r\n" if cookie else ""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{shown}\r\n".encode()
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def one() -> None:
        body = b"{}"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            times.append(time.perf_counter() - began)
        json.loads(body)
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one())
    return times


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 64, float(given[1]) if len(given) > 1 else 5, given[2:])
