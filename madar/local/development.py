"""`madar dev`: the order in which everything starts, and the other way round in which it stops."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from madar.db import migrate
from madar.local import environment
from madar.local.banner import Facts, compose_banner
from madar.local.children import Child, Program, Say
from madar.local.environment import DATABASE
from madar.local.postgres import PostgresFailed
from madar.local.postgres import running as running_postgres
from madar.local.sharing import restart_if_dead, shared_server
from madar.local.state import Note, State, as_text, size_of
from madar.local.supervisor import Ending, running, until_answers
from madar.settings import ROOT, child_environment, load_settings

LOOK_AT_DATABASE_EVERY_S = 1.0
DATABASE_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What this start is about. The ports are ours already; `started_at` is time.monotonic()."""

    state: State
    port: int
    wanted_port: int
    port_owner: str
    simulator_port: int
    speed: float
    faults: str
    started_at: float


class Development:
    """One run of `madar dev`."""

    def __init__(self, plan: Plan, *, say: Say) -> None:
        self._plan = plan
        self._say = say
        environment.keep_secrets(plan.state)
        self._local = environment.compose(
            plan.state, port=plan.port, simulator_port=plan.simulator_port
        )
        self._settings = load_settings(self._local.overrides())
        self._variables = child_environment() | self._local.variables | {"PYTHONUNBUFFERED": "1"}
        self._ending = Ending()
        self._children: list[Child] = []

    async def run(self) -> None:
        """Until a signal or a failure; raises the failure after everything has stopped."""
        self._listen_to_signals()
        self._write_note()
        await self._serve()
        if self._ending.failure:
            raise self._ending.failure

    async def _serve(self) -> None:
        stand_ins = [self._simulator()] if self._needs_simulator else []
        async with (
            self._database() as starting,
            running(stand_ins, ending=self._ending, say=self._say),
        ):
            database = await starting
            processes = [self._process("web", "serve"), self._process("worker", "worker")]
            async with (
                asyncio.TaskGroup() as group,
                running(processes, ending=self._ending, say=self._say),
            ):
                if self._local.database:
                    group.create_task(self._keep_database())
                if await self._everything_answers():
                    await self._announce(database)
                await self._ending.wait()

    @asynccontextmanager
    async def _database(self) -> AsyncGenerator[asyncio.Future[str]]:
        """Starts beside the block; the future describes the migrated database."""
        with ExitStack() as stack:
            loop = asyncio.get_running_loop()
            starting = loop.run_in_executor(None, self._start_database, stack)
            try:
                yield starting
            finally:
                await asyncio.wait([starting])
                await asyncio.to_thread(stack.close)

    def _start_database(self, stack: ExitStack) -> str:
        if self._local.database:
            stack.enter_context(shared_server(self._plan.state)).create_database(DATABASE)
        if done := migrate.up(self._settings.direct_url):
            self._say(f"Database: {len(done)} migrations applied")
        with psycopg.connect(self._settings.direct_url, connect_timeout=5) as conn:
            major, minor = divmod(conn.info.server_version, 10000)
        place = shown(self._plan.state.postgres) if self._local.database else "DATABASE_URL"
        return f"PostgreSQL {major}.{minor}, {place}"

    async def _keep_database(self) -> None:
        """A killed server starts again; two looks, because a restart on purpose is short."""
        missed = failed = 0
        while not self._ending.is_near:
            await self._ending.pause(LOOK_AT_DATABASE_EVERY_S)
            missed = 0 if running_postgres(self._plan.state.postgres) else missed + 1
            if missed < 2 or self._ending.is_near:  # noqa: PLR2004 - two looks
                continue
            self._say("PostgreSQL ended by itself and is started again")
            try:
                await asyncio.to_thread(restart_if_dead, self._plan.state)
                failed = 0
            except (PostgresFailed, OSError) as error:
                failed += 1  # somebody else may have been restarting it at the same moment
                if failed >= DATABASE_TRIES:
                    self._ending.ask(error)

    @property
    def _needs_simulator(self) -> bool:
        return self._local.simulator or self._local.issuer

    def _simulator(self) -> Child:
        port = str(self._plan.simulator_port)
        google = environment.google_client(self._plan.state, self._settings.app_url)
        return self._child(
            "simulator",
            *("madar.simulator", "--port", port, "--host", "127.0.0.1"),
            *("--directory", str(self._plan.state.simulator)),
            *("--speed", str(self._plan.speed), "--faults", self._plan.faults),
            *("--public-url", f"http://localhost:{port}", "--exit-with-parent"),
            *("--client-id", google.id, "--client-secret", google.secret),
            *("--redirect-uri", google.redirect_uri),
        )

    def _process(self, name: str, command: str) -> Child:
        return self._child(name, "madar", "--debug", command, "--exit-with-parent")

    def _child(self, name: str, *module_and_arguments: str) -> Child:
        program = Program(
            name=name,
            command=(sys.executable, "-m", *module_and_arguments),
            folder=ROOT,
            variables=self._variables,
            log=self._plan.state.logs / f"{name}.log",
        )
        child = Child(program, say=self._say, started=self._write_note)
        self._children.append(child)
        return child

    async def _everything_answers(self) -> bool:
        """False when the end came first."""
        wanted = [(self._plan.port, "/api/health")]
        if self._needs_simulator:
            wanted.append((self._plan.simulator_port, "/simulator/health"))
        for port, path in wanted:
            if not await until_answers(port, path, ending=self._ending):
                return False
        return True

    async def _announce(self, database: str) -> None:
        plan = self._plan
        ready_s = time.monotonic() - plan.started_at
        facts = Facts(
            app_url=self._settings.app_url,
            database=database,
            pictures=await self._pictures(),
            logs=shown(plan.state.logs),
            speed=plan.speed,
            faults=plan.faults,
            ready_s=ready_s,
            port=plan.port,
            wanted_port=plan.wanted_port,
            port_owner=plan.port_owner,
        )
        self._say(compose_banner(facts, self._local))

    async def _pictures(self) -> str:
        settings = self._settings
        if settings.storage_provider != "local":
            return f"{settings.storage_provider} {settings.aws_bucket_name}"
        size = await asyncio.to_thread(size_of, settings.storage_dir)
        return f"{shown(settings.storage_dir)} ({as_text(size)})"

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started with nohup
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        how = "Still stopping" if self._ending.is_near else "Stopping"
        self._ending.ask()
        self._say(f"{how}: what is under way may finish …")

    def _write_note(self) -> None:
        identities = {child.name: child.identity for child in self._children}
        note = Note(
            pid=os.getpid(),
            port=self._plan.port,
            simulator_port=self._plan.simulator_port,
            children={name: known for name, known in identities.items() if known},
        )
        self._plan.state.write_note(note)


def shown(path: Path) -> str:
    """Short where it lies in the checkout."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
