"""How commands write counts, times and tables."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def age(seconds: float) -> str:
    """In the largest unit that it has two of."""
    for unit_s, name in _UNITS:
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {name}"
    return f"{seconds:.0f} s"


def moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "–"


def day(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}" if at else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """On standard output; what is empty has no table."""
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate((head, *rows)):
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(click.style("  ".join(cells).rstrip(), dim=number == 0))
