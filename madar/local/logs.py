"""A child's log file: what is new in it, which lines are worth a look, and how it ended."""

import re
from collections.abc import Iterator
from pathlib import Path

# `12:00:01 warning …` as madar.log writes in development, `WARNING: …` as uvicorn does.
_WORTH_A_LOOK = re.compile(r"^(?:\S+ )?(?:warning|error|critical)\b", re.IGNORECASE)
LINES_PER_LOOK = 5
LAST_LINES = 15


class LogFile:
    """Written by the child itself, so it never waits for us and keeps what we do not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        self._read_to = 0
        self._rest = b""

    def worth_a_look(self) -> Iterator[str]:
        """New warnings and errors, a handful at a time: the terminal stays readable."""
        found = [line for line in self._new_lines() if _WORTH_A_LOOK.match(line)]
        yield from found[:LINES_PER_LOOK]
        if len(found) > LINES_PER_LOOK:
            yield f"… {len(found) - LINES_PER_LOOK} more in {self.path}"

    def last_lines(self) -> list[str]:
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return text.rstrip().splitlines()[-LAST_LINES:]

    def _new_lines(self) -> list[str]:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size <= self._read_to:
            self._read_to = size  # emptied or removed by somebody
            return []
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            fresh = file.read()
        self._read_to += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        return [line.decode(errors="replace") for line in lines]
