"""How far a backup or a restore is: a bar on a terminal, a line for each stage elsewhere."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from madar.backups.showing import Report, Stage
from madar.commands.terminal import talk
from madar.local.state import as_text

_WORDS: dict[Stage, str] = {
    "rows": "Rows",
    "pictures": "Pictures",
    "checking": "Checking",
    "migrating": "Migrating",
}


@contextmanager
def transfer_shown() -> Generator[Report]:
    """A function that takes each report."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _Lines().report


class _Lines:
    """One line as a stage begins, so that a log stays short."""

    def __init__(self) -> None:
        self._stage: Stage | None = None

    def report(self, stage: Stage, *, done: int, total: int, size: int = 0) -> None:
        del done, size
        if stage != self._stage:
            amount = as_text(total) if stage == "checking" else f"{total:,}"
            talk(_WORDS[stage] if stage == "migrating" else f"{_WORDS[stage]}: {amount}")
        self._stage = stage


@contextmanager
def _bar() -> Generator[Report]:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:9}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[size]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[Stage, TaskID] = {}

        def report(stage: Stage, *, done: int, total: int, size: int = 0) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(_WORDS[stage], total=None, size="")
            text = as_text(size) if size else ""
            progress.update(tasks[stage], completed=done, total=total, size=text)

        yield report
