"""The report's load on this machine: 1,000 people, 500 pictures and 100 MB of uploads an hour.

python bench/load.py [minutes] [people]

Everything runs here: PostgreSQL as it comes, web and worker by `madar start` with their limits in
force, the Fal simulator at Fal's pace drawing 1024 px, and the people (bench/locustfile.py, by
locust in an environment of its own: `make load`). So milliseconds belong to this machine, and
include waiting for whoever else wants its processors. Each person has a gallery of a hundred
pictures. What is measured begins some seconds after the last of them has come.
"""
# needs: make load

import contextlib
import csv
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import psycopg
import pyvips

from madar.db import migrate
from madar.local import postgres
from madar.settings import ROOT, child_environment
from madar.simulator.people import person_of

LOCUST = ROOT / "build" / "locust" / "bin" / "python"
RESULTS = ROOT / "build" / "load"
SECRET = "a secret for a bench that is long enough"  # noqa: S105
CLIENT = ("bench", "a secret of the bench's client", "http://localhost/signed-in")
PICTURES_EACH = 100
GENERATIONS_PER_HOUR, UPLOAD_BYTES_PER_HOUR, SIGN_INS_PER_HOUR = 500, 100_000_000, 720
# A picture takes Fal about seven seconds, so a new account's two places are full with 500 an hour.
FAL_CONCURRENCY = 4
COME_PER_S = 8  # each with a sign-in and a socket
SETTLE_S = 15
PHOTO_PX = 900
START_WITHIN_S = 60

# Of the report, in ms: the target and the most.
TARGETS: dict[str, tuple[int, int]] = {
    "GET /api/generations": (200, 500),
    "POST /api/generations": (1000, 3000),
    "GET /api/generations/:id": (100, 300),
    "File uploads": (2000, 10_000),
    "/api/auth/google/url": (500, 1000),
    "/api/auth/google/callback": (500, 1000),
}
MORE = ("GET /api/styles", "POST /api/live/ticket", "GET /ws", "from POST to the picture")

PEOPLE = "INSERT INTO users (google_id, email, display_name) VALUES (%s, %s, %s)"
GALLERIES = """
INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step, deadline_at,
       next_action_at, fal_progress, master_key, result_image_key, thumbnail_key,
       file_size_bytes, image_dimensions, completed_at, created_at)
SELECT id, 'a red rocket, number ' || n, 'voxel-3d', 'text', n, 'completed', 'finalize', now(),
       NULL, 100, 'ab/' || md5(id::text || n) || '.png', 'ab/' || md5(id::text || n) || '.webp',
       'cd/' || md5(id::text || n) || '.webp', 400000, '{"width": 1024, "height": 1024}',
       now(), now() - n * interval '1 hour'
  FROM users, generate_series(1, %s) n
"""


def main(minutes: float, people: int) -> None:
    if not LOCUST.exists():
        raise SystemExit("there is no locust yet; `make load` brings it")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a thousand sockets, here and there
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="madar-load-") as made, _database(Path(made)) as server:
        dsn = server.create_database("madar")
        migrate.up(dsn)
        seed(dsn, people)
        ground = Ground(folder=Path(made), port=free_port(), simulator_port=free_port())
        health = f"{ground.fal}/simulator/health"
        with running("simulator", ground.simulator(), {}, health) as fal:
            command = (sys.executable, "-m", "madar", "start")
            health = f"{ground.url}/api/health"
            with running("madar", command, ground.variables(dsn), health) as madar:
                watched = {"web and worker": madar, "PostgreSQL": pid_of(server)}
                watched |= {"the Fal simulator": fal}
                used, counts = press(ground, minutes, people, watched)
    told = table(minutes, people, used, counts)
    (RESULTS / "load.md").write_text(told, encoding="utf-8")
    print(told)


@contextlib.contextmanager
def _database(folder: Path) -> Generator[postgres.Server]:
    server = postgres.start(folder / "pg")
    try:
        yield server
    finally:
        server.stop()


def seed(dsn: str, people: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        known = [person_of(f"person-{number}@madar.test", "") for number in range(people)]
        rows = [(one.subject, one.email, one.name) for one in known if one]
        conn.cursor().executemany(PEOPLE, rows)
        conn.execute(GALLERIES, [PICTURES_EACH])
        conn.execute("VACUUM ANALYZE")


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], variables: dict[str, str], health: str
) -> Generator[int]:
    """Its process id, once it is well."""
    environment = child_environment() | variables
    with (RESULTS / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(health, process)
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(health: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(health, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing answers at {health}; look at {RESULTS}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def pid_of(server: postgres.Server) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().split(maxsplit=1)[0])


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where it all happens."""

    folder: Path
    port: int
    simulator_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fal(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    def simulator(self) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "madar.simulator", "--port", str(self.simulator_port)),
            *("--directory", str(self.folder / "simulator")),
            *("--concurrency", str(FAL_CONCURRENCY), "--client-id", CLIENT[0]),
            *("--client-secret", CLIENT[1], "--redirect-uri", CLIENT[2]),
        )

    def variables(self, dsn: str) -> dict[str, str]:
        """All limits as they come; only the load generator is believed whom it speaks for."""
        return {
            "PORT": str(self.port),
            "METRICS_PORT": "0",
            "APP_URL": self.url,
            "TRUSTED_PROXY": "127.0.0.0/8",
            "DATABASE_URL": dsn,
            "GOOGLE_CLIENT_ID": CLIENT[0],
            "GOOGLE_CLIENT_SECRET": CLIENT[1],
            "GOOGLE_REDIRECT_URI": CLIENT[2],
            "GOOGLE_ISSUER": f"{self.fal}/google",
            "JWT_SECRET": SECRET,
            "FAL_API_KEY": "id:secret",
            "FAL_QUEUE_URL": self.fal,
            "FAL_API_URL": self.fal,
            "FAL_JWKS_URL": f"{self.fal}/.well-known/jwks.json",
            "FAL_MEDIA_HOSTS": "127.0.0.1",
            "FAL_ACCOUNT_ID": "madar-simulator",
            "FAL_CONCURRENCY": str(FAL_CONCURRENCY),
            "FAL_WEBHOOK_SECRET": SECRET,
            "STORAGE_DIR": str(self.folder / "files"),
        }


@dataclass(frozen=True, kw_only=True)
class Used:
    """`busy_s` counts everything on the machine, ours or not."""

    cpu_s: dict[str, float]
    mib: dict[str, float]
    busy_s: float
    at: float


def press(
    ground: Ground, minutes: float, people: int, watched: dict[str, int]
) -> tuple[Used, dict[str, int]]:
    """Let them come, then measure; what was before is forgotten."""
    picture, counts = ground.folder / "photo.jpg", RESULTS / "counts.json"
    picture.write_bytes(photo())
    counts.unlink(missing_ok=True)
    plan = {
        "picture": str(picture),
        "counts": str(counts),
        "generations_per_hour": GENERATIONS_PER_HOUR,
        "upload_bytes_per_hour": UPLOAD_BYTES_PER_HOUR,
        "sign_ins_per_hour": SIGN_INS_PER_HOUR,
        "settle_s": SETTLE_S,
    }
    come_s = people / COME_PER_S + SETTLE_S
    command = (
        *(str(LOCUST), "-m", "locust", "--locustfile", str(ROOT / "bench" / "locustfile.py")),
        *("--headless", "--only-summary", "--host", ground.url),
        *("--users", str(people), "--spawn-rate", str(COME_PER_S)),
        *("--run-time", f"{int(come_s + 60 * minutes)}s", "--stop-timeout", "5"),
        *("--csv", str(RESULTS / "locust"), "--exit-code-on-error", "0"),
    )
    environment = child_environment() | {"LOAD_PLAN": json.dumps(plan)}
    with (RESULTS / "locust.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        watched = {**watched, "the people": process.pid}
        measured: list[Used] = []
        timer = threading.Timer(come_s, lambda: measured.append(_used(watched)))
        timer.start()
        ending = threading.Timer(come_s + 60 * minutes - 2, lambda: measured.append(_used(watched)))
        ending.start()
        if process.wait():
            raise SystemExit(f"locust failed; look at {RESULTS / 'locust.log'}")
        timer.join()
        ending.join()
    before, after = measured
    cpu_s = {name: after.cpu_s[name] - before.cpu_s[name] for name in after.cpu_s}
    used = Used(
        cpu_s=cpu_s,
        mib=after.mib,
        busy_s=after.busy_s - before.busy_s,
        at=after.at - before.at,
    )
    return used, json.loads(counts.read_text(encoding="utf-8"))


def _used(watched: dict[str, int]) -> Used:
    """Of each with all that it started; what they share is counted once, where Linux tells it."""
    cpu_s: dict[str, float] = {}
    mib: dict[str, float] = {}
    for name, pid in watched.items():
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        cpu_s[name] = mib[name] = 0.0
        for one in family:
            with contextlib.suppress(psutil.Error):
                times: Any = one.cpu_times()
                cpu_s[name] += sum(times[:4])
                memory: Any = one.memory_full_info()
                mib[name] += getattr(memory, "pss", memory.rss) / 2**20
    whole: Any = psutil.cpu_times()
    idle = whole.idle + whole.iowait
    busy_s = sum(whole) - whole.guest - whole.guest_nice - idle
    return Used(cpu_s=cpu_s, mib=mib, busy_s=busy_s, at=time.monotonic())


def photo() -> bytes:
    """Half a megabyte, as noisy as a camera's."""
    noise = np.random.default_rng(1).normal(128, 40, (PHOTO_PX, PHOTO_PX, 3))
    vips: Any = pyvips
    return vips.Image.new_from_array(noise.clip(0, 255).astype(np.uint8)).jpegsave_buffer(Q=80)


def table(minutes: float, people: int, used: Used, counts: dict[str, int]) -> str:
    with (RESULTS / "locust_stats.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file) if row["Request Count"] != "0"}
    came = "{open:,} sockets open at the end, {dropped} dropped".format(**counts)
    made = "{asked} pictures asked for, {told} told of, {failed} failed".format(**counts)
    where = f"for {minutes:g} minutes on {os.cpu_count()} processors"
    lines = [
        f"{people:,} people {where}: {came}; {made}.",
        "",
        "| | requests | failed | p50 | p95 | p99 | most | target | most allowed | |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
        *(_line(name, rows[name], TARGETS.get(name)) for name in (*TARGETS, *MORE) if name in rows),
        "",
        "| | CPU a minute | memory at the end |",
        "|---|--:|--:|",
    ]
    took = used.at / 60
    for name, cpu_s in used.cpu_s.items():
        lines.append(f"| {name} | {cpu_s / took:.1f} s | {used.mib[name]:,.0f} MiB |")
    lines.append(f"| everything on the machine | {used.busy_s / took:.1f} s | |")
    return "\n".join(lines) + "\n"


def _line(name: str, row: dict[str, str], target: tuple[int, int] | None) -> str:
    """The target is held against p95, what is allowed at most against the slowest."""
    p50, p95, p99 = (float(row[kind]) for kind in ("50%", "95%", "99%"))
    slowest = float(row["Max Response Time"])
    numbers = " | ".join(f"{number:,.0f} ms" for number in (p50, p95, p99, slowest))
    head = f"| {name} | {int(row['Request Count']):,} | {row['Failure Count']} | {numbers} |"
    if target is None:
        return f"{head} | | |"
    verdict = "held" if p95 < target[0] and slowest < target[1] else "NOT HELD"
    return f"{head} {target[0]:,} ms | {target[1]:,} ms | {verdict} |"


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if sys.argv[1:] else 10,
        int(sys.argv[2]) if sys.argv[2:] else 1000,
    )
