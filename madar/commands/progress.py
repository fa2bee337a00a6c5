"""How a generation under way is shown: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from madar.commands.public_api import Document
from madar.commands.terminal import talk

_STAGES = {
    "queued": "queued",
    "processing": "translating",
    "generating": "drawing",
    "finalizing": "cutting out",
}
STEP = 10  # plain lines come at every tenth of the way


@contextmanager
def shown() -> Generator[Callable[[Document], None]]:
    """A function that takes each new state."""
    if sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _Lines().show


def words_for(state: Document) -> str:
    status = str(state.get("status", "queued"))
    if status in ("completed", "failed"):
        return status
    if reason := state.get("pauseReason"):
        return f"paused: {reason}"
    words = _STAGES.get(str(state.get("stage") or status), status)
    place = state.get("queuePosition")
    return f"{words}, number {place} in line" if words == "queued" and place else words


class _Lines:
    """One line per change of stage and per tenth, so that a log stays short."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def show(self, state: Document) -> None:
        percent = int(state.get("progress") or 0)
        words = words_for(state)
        if (words, percent // STEP) != self._last:
            talk(
                words if words in ("completed", "failed") or not percent else f"{words} {percent}%"
            )
        self._last = (words, percent // STEP)


@contextmanager
def _bar() -> Generator[Callable[[Document], None]]:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("queued", total=100)

        def show(state: Document) -> None:
            progress.update(
                task, completed=int(state.get("progress") or 0), description=words_for(state)
            )

        yield show
