"""A product of its own on the stage: a database, a bucket, two web processes and two workers."""

import contextlib
import socket
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import psutil

from madar.settings import Settings
from tests.database import Database
from tests.faults.rig.bucket import NAME, Bucket
from tests.faults.rig.http_proxy import HttpProxy
from tests.faults.rig.postgres_proxy import PostgresProxy
from tests.faults.rig.processes import Role, Spawned
from tests.faults.rig.stage import Stage
from tests.faults.rig.traps import Trap
from tests.faults.worker_process import environment_of
from tests.product import BADR, Person, Product, settings_for
from tests.simulator.harness import REDIRECT_URI, Fal, Json, Process, eventually

ROLES: tuple[Role, ...] = ("web", "worker")
# Short, so that a trial is; long enough for a machine on which much else runs.
LEASE_S = 2.0
POLL_S = 1.0
UNKNOWN_AFTER_S = 10.0


@dataclass(eq=False, kw_only=True)
class Slot:
    """A place for one process, with its own way to the database and its own port."""

    role: Role
    proxy: PostgresProxy
    settings: dict[str, Any]
    log: Path
    process: Spawned | None = None

    @property
    def port(self) -> int:
        return int(self.settings["port"])


@dataclass(eq=False, kw_only=True)
class Lane:
    stage: Stage
    folder: Path
    dsn: str
    database: Database
    edge: HttpProxy
    fal: HttpProxy
    bucket: Bucket
    slots: dict[Role, list[Slot]] = field(default_factory=dict[Role, list[Slot]])
    asked: Slot | None = None
    accepted: set[str] = field(default_factory=set[str])
    amal: Person = field(init=False)
    badr: Person = field(init=False)
    product: Product = field(init=False)

    # Processes

    def start(self, slot: Slot) -> None:
        slot.process = self.stage.zygote.spawn(slot.role, slot.settings, log=slot.log)
        if slot.role == "web":
            eventually(lambda: _is_open(slot.port) or None)

    def start_missing(self, *roles: Role) -> None:
        for role in roles or ROLES:
            for slot in self.slots[role]:
                if slot.process is None or not slot.process.is_running:
                    self.start(slot)

    def ask_next(self) -> None:
        """The other web process gets the requests from now on."""
        first, second = self.slots["web"]
        self.asked = second if self.asked is first else first

    def slot_caught_by(self, trap: Trap) -> Slot:
        """Whose message is held: the one with this proxy, or with the connection's other end."""
        for slot in self.all_slots():
            if slot.proxy is trap.catcher or _has_port(slot.process, trap.client_port):
                return slot
        assert trap.catcher is self.edge
        assert self.asked
        return self.asked

    def all_slots(self) -> list[Slot]:
        return [slot for role in ROLES for slot in self.slots[role]]

    def port_asked(self) -> int:
        assert self.asked
        return self.asked.port

    # Traps

    def set_trap_in_database(self, role: Role, trap: Trap) -> None:
        for slot in self.slots[role]:
            slot.proxy.set_trap(trap)

    def clear_traps(self) -> None:
        for slot in self.all_slots():
            slot.proxy.clear_traps()
        for proxy in (self.edge, self.fal, self.bucket.proxy):
            proxy.clear_traps()

    def terminate_backends(self, pids: Iterable[int]) -> None:
        self.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", list(pids))

    # What there is to see, past every proxy

    def submissions(self) -> list[Json]:
        """What Fal's stand-in recorded, and so would be paid for; read from its ledger.

        The same as GET /simulator/submissions.
        """
        query = (
            "SELECT request_id, endpoint_id, webhook_url, state, status_code, arguments"
            "  FROM requests ORDER BY number"
        )
        path = self.folder / "simulator" / "ledger.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            ledger.row_factory = sqlite3.Row
            rows = ledger.execute(query).fetchall()
        return [
            {
                **dict(row),
                "attempt_id": parse_qs(urlsplit(str(row["webhook_url"])).query)["a"][0],
                "arguments": orjson.loads(row["arguments"] or "null"),
            }
            for row in rows
        ]

    def rows(self, query: str, *given: Any) -> list[Json]:
        return self.database.run(query, *given)


@contextmanager
def opening_lane(
    stage: Stage, *, web: int = 2, workers: int = 2, **overrides: Any
) -> Generator[Lane]:
    name, dsn = stage.create_database()
    folder = stage.folder / name
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        bucket = Bucket()

        def port_asked() -> int:
            return lane.port_asked()

        edge = HttpProxy(upstream=port_asked)
        fal = HttpProxy(upstream=lambda: port_of(simulator.url))
        for proxy in (edge, fal, bucket.proxy):
            stack.enter_context(proxy.serving(stage.loop))
        simulator = Process(
            folder / "simulator",
            *("--speed", "0", "--max-side-px", "64", "--concurrency", "4"),
            *("--public-url", fal.url, "--redirect-uri", REDIRECT_URI),
            *("--client-id", "madar-test", "--client-secret", "made-up-secret"),
        )
        stack.callback(simulator.stop)
        lane = Lane(
            stage=stage,
            folder=folder,
            dsn=dsn,
            database=stack.enter_context(contextlib.closing(Database(dsn))),
            edge=edge,
            fal=fal,
            bucket=bucket,
        )
        numbers: dict[Role, int] = {"web": web, "worker": workers}
        for role, n in numbers.items():
            lane.slots[role] = [
                _slot(stack, lane, role, folder / f"{role}-{number}.log", name, overrides)
                for number in range(n)
            ]
        stack.callback(_end, lane)
        lane.asked = lane.slots["web"][0]
        lane.start_missing()
        lane.product = Product(settings=_settings(lane, name, 0, overrides), fal=Fal(fal.url))
        with lane.product.fal, lane.product.open:
            lane.amal, lane.badr = lane.product.sign_in(), lane.product.sign_in(BADR)
            yield lane


def _slot(
    stack: contextlib.ExitStack,
    lane: Lane,
    role: Role,
    log: Path,
    database: str,
    overrides: dict[str, Any],
) -> Slot:
    proxy = stack.enter_context(PostgresProxy(lane.stage.socket_path).serving(lane.stage.loop))
    settings = _settings(lane, database, proxy.port, overrides)
    given = {name.lower(): value for name, value in environment_of(settings).items()}
    known = {name: given[name] for name in given if name in Settings.model_fields}
    return Slot(role=role, proxy=proxy, log=log, settings={**known, "port": _free_port()})


def _settings(lane: Lane, database: str, port: int, overrides: dict[str, Any]) -> Settings:
    url = f"postgresql://postgres@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"
    given: dict[str, Any] = {
        "app_url": lane.edge.url,
        "storage_provider": "aws-s3",
        "aws_access_key_id": "made-up",
        "aws_secret_access_key": "made-up as well",
        "aws_region": "eu-west-1",
        "aws_bucket_name": NAME,
        "aws_endpoint_url": lane.bucket.proxy.url,
        "lease_s": LEASE_S,
        "poll_min_s": POLL_S,
        "reconcile_every_s": 0.5,
        "submit_unknown_after_s": UNKNOWN_AFTER_S,
        **overrides,
    }
    with Fal(lane.fal.url) as fal:
        return settings_for(dsn=url, fal=fal, port=1, storage="/nowhere", **given)


def _end(lane: Lane) -> None:
    for slot in lane.all_slots():
        if slot.process:
            slot.process.kill()


def _has_port(process: Spawned | None, port: int | None) -> bool:
    if process is None or port is None or not process.is_running:
        return False
    connections = psutil.Process(process.pid).net_connections("tcp4")
    return any(one.laddr and one.laddr.port == port for one in connections)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _is_open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
