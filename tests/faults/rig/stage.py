"""One PostgreSQL and one zygote for all lanes of a run."""

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from madar.db import migrate
from madar.local import postgres
from tests.faults.rig.processes import Zygote, zygote
from tests.faults.rig.traps import Loop

# Processes are killed here, machines are not: what the kernel was given stays.
_SERVER = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "400",
}
_TEMPLATE = "template_madar"


@dataclass(kw_only=True)
class Stage:
    folder: Path
    server: postgres.Server
    zygote: Zygote
    loop: Loop
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def create_database(self) -> tuple[str, str]:
        """Its name and address, past every proxy."""
        name = f"lane_{next(self._numbers)}"
        return name, self.server.create_database(name, template=_TEMPLATE)

    @property
    def socket_path(self) -> str:
        return str(self.server.socket_dir / ".s.PGSQL.5432")


@contextmanager
def setting_the_stage(*, durable: bool = False) -> Generator[Stage]:
    """`durable` as in production; else a lost machine, which nobody loses here, loses data."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="madar-faults-", dir=parent))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = {"max_connections": "400"} if durable else _SERVER
        server = postgres.start(folder / "pg", settings=settings)
        stack.callback(server.stop)
        migrate.up(server.create_database(_TEMPLATE))
        yield Stage(
            folder=folder,
            server=server,
            zygote=stack.enter_context(zygote()),
            loop=stack.enter_context(Loop().running()),
        )
