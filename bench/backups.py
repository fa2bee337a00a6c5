"""What a backup, a check and a restore take, and how much memory: the drill of docs/recovery.md.

python bench/backups.py [pictures] [rows of usage]

Each step is the command in a process of its own, on a throw-away PostgreSQL and a folder. A picture
is a master of 700 kB, a WebP of 180 kB and a thumbnail of 14 kB.
"""
# needs: time and disk

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg

from madar.db import migrate
from madar.local import postgres
from madar.local.state import as_text
from madar.settings import child_environment

SIZES = {"master.png": 700_000, "full.webp": 180_000, "small.webp": 14_000}
PEOPLE = """
INSERT INTO users (google_id, email, display_name)
SELECT 'g' || n, n || '@bench.test', 'Person ' || n FROM generate_series(1, 100) n
"""
PICTURE = """
INSERT INTO generations (user_id, prompt, style, input_type, seed, state, step, fal_progress,
       next_action_at, deadline_at, completed_at, master_key, result_image_key, thumbnail_key)
SELECT id, 'صاروخ أحمر في ليلة مقمرة ' || %s::text, 'voxel-3d', 'text', 7, 'completed', 'finalize',
       100, NULL, now(), now(), %s, %s, %s
  FROM users WHERE google_id = 'g' || %s
"""
USAGE = """
INSERT INTO api_usage (user_id, endpoint, method, status_code, response_time_ms, user_agent)
SELECT (SELECT id FROM users WHERE google_id = 'g1'), '/api/generations', 'GET', 200, n %% 90,
       'Mozilla/5.0 (X11; Linux x86_64)'
  FROM generate_series(1, %s) n
"""


def fill(url: str, files: Path, pictures: int, usage: int) -> None:
    noise = os.urandom(2 * max(SIZES.values()))
    with psycopg.connect(url) as conn:
        conn.execute(PEOPLE)
        for n in range(pictures):
            keys: list[str] = []
            for name, size in SIZES.items():
                digits = uuid4().hex
                keys.append(f"{digits[:2]}/{digits}{Path(name).suffix}")
                path = files / keys[-1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(noise[n % size : n % size + size])
            conn.execute(PICTURE, [n, *keys, 1 + n % 100])
        conn.execute(USAGE, [usage])


def run(url: str, files: Path, *words: str | Path) -> None:
    environment = child_environment() | {
        "DATABASE_URL": url,
        "STORAGE_DIR": str(files),
        "JWT_SECRET": "a secret for benches that is long enough",
    }
    command = [sys.executable, "-m", "madar", *map(str, words)]
    began = time.monotonic()
    subprocess.run(command, env=environment, check=True)
    seconds = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(
        f"== madar {words[0]} {' '.join(map(str, words[2:]))}: {seconds:.1f} s, "
        f"at most {as_text(memory)} of memory so far"
    )


def main() -> None:
    pictures, usage = (int(word) for word in [*sys.argv[1:], "2000", "200000"][:2])
    with tempfile.TemporaryDirectory(prefix="madar-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "pg")
        try:
            full, empty = (server.create_database(name) for name in ("full_one", "empty_one"))
            migrate.up(full)
            fill(full, folder / "files", pictures, usage)
            file = folder / "madar.tar"
            run(full, folder / "files", "backup", file)
            run(full, folder / "files", "restore", file, "--check")
            run(empty, folder / "restored", "restore", file, "--yes")
            command = ["diff", "-r", folder / "files", folder / "restored"]
            subprocess.run(command, check=True)
            print("== the folders are alike")
        finally:
            server.stop(immediately=True)


if __name__ == "__main__":
    main()
