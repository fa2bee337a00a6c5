"""A real PgBouncer before the tests' PostgreSQL, set up as Neon's pooled endpoint is.

What Neon sets is in its pages "Connection pooling" and "Connection errors", and in the file
compute/etc/pgbouncer.ini of its repository: transactions share connections, nobody may bring
settings along (`ignore_startup_parameters`), and prepared statements are kept apart.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.simulator.harness import eventually

# Debian puts it where only root's PATH leads.
PROGRAM = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="NOT TESTED BEHIND A POOLER: apt-get install pgbouncer"
)
# So few that clients have to share them, and each statement goes to another than the one before:
# whoever leaves something in a session does not find it again, and a stranger does.
SERVERS = 4
_NEONS = {
    "pool_mode": "transaction",
    "max_client_conn": "10000",
    "query_wait_timeout": "120",
    "ignore_startup_parameters": "extra_float_digits",
    "max_prepared_statements": "1000",
}
_OURS = {
    "default_pool_size": f"{SERVERS}",
    "server_round_robin": "1",
    "listen_addr": "",
    "listen_port": "5432",
    "auth_type": "any",
}


@contextmanager
def pooling(dsn: str, folder: Path, **changed: str) -> Generator[str]:
    """The address of this database behind a pooler, whose socket is in the folder."""
    given = conninfo_to_dict(dsn)
    host = Path(str(given["host"]))
    settings = {**_NEONS, **_OURS, "unix_socket_dir": f"{folder}", **changed}
    if not _keeps_statements_apart():
        del settings["max_prepared_statements"]
    file = folder / "pgbouncer.ini"
    database = f"* = host={host} user=postgres application_name=pgbouncer"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    file.write_text("\n".join(["[databases]", database, "[pgbouncer]", *lines]))
    # It refuses to run as root, and the server's socket is for the server's account.
    owner = host.stat().st_uid
    os.chown(folder, owner, -1)
    as_owner = ["setpriv", f"--reuid={owner}", "--clear-groups"] if os.geteuid() == 0 else []
    assert PROGRAM
    with subprocess.Popen(
        [*as_owner, PROGRAM, "-q", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: (folder / ".s.PGSQL.5432").exists() or None)
            yield f"postgresql://postgres@/{given['dbname']}?host={folder}"
        finally:
            process.kill()  # asked to end, it waits for its clients


def _keeps_statements_apart() -> bool:
    """Since 1.21; Debian 12 has 1.18, behind which clients answer each other's statements."""
    assert PROGRAM
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found, said
    return (int(found[1]), int(found[2])) >= (1, 21)
