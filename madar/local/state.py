"""What `madar dev` keeps on disk: where each thing is, who owns the folder, what it wrote down."""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).resolve().parent.parent.parent / ".madar"


class AlreadyRuns(Exception):
    """Another `madar dev` has this folder; the note says where, once it knows itself."""

    def __init__(self, note: "Note | None") -> None:
        super().__init__()
        self.note = note


@dataclass(frozen=True, kw_only=True)
class Note:
    """What the last `madar dev` of this folder left for others to read; it may be dead."""

    pid: int
    port: int
    simulator_port: int
    children: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    """By name: process id, and the time it was created, because ids are used again."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@dataclass(frozen=True)
class State:
    """The folder `.madar` of one checkout."""

    folder: Path

    @property
    def postgres(self) -> Path:
        return self.folder / "pg"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def simulator(self) -> Path:
        return self.folder / "simulator"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets.json"

    @property
    def _note(self) -> Path:
        return self.folder / "dev.json"

    @property
    def contents(self) -> list[Path]:
        """Everything here that is ours to remove, except the lock."""
        ours = [self.postgres, self.files, self.simulator, self.logs, self.secrets, self._note]
        return [path for path in ours if path.exists()]

    def make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def owned(self) -> Generator[None]:
        """Be the only `madar dev` here. The system frees the lock however this process ends."""
        self.make()
        with (self.folder / "dev.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRuns(self.read_note()) from None
            yield

    def is_owned(self) -> bool:
        try:
            with (self.folder / "dev.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def read_note(self) -> Note | None:
        try:
            return Note(**read_json(self._note))
        except (FileNotFoundError, TypeError, ValueError):
            return None

    def write_note(self, note: Note) -> None:
        write_json(self._note, asdict(note))


def read_json(path: Path) -> dict[str, Any]:
    """Raises FileNotFoundError, or ValueError when it is not JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace the file at once: a reader or a crash never meets half of it. Only we may read it."""
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, no path
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def size_of(folder: Path) -> int:
    """Bytes of all files below, as far as they can be read and stay where they are."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total


def as_text(size: int) -> str:
    units = ("bytes", "KB", "MB", "GB")
    amount = float(size)
    for unit in units[:-1]:
        if amount < 1000:  # noqa: PLR2004 - decimal units
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} {units[-1]}"
