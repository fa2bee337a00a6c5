"""How commands speak: results on standard output, talk on standard error, failures in sentences."""

import contextlib
from typing import IO, Any

import click

FAILED = 1
USAGE = 2
NOT_CONFIGURED = 3
UPSTREAM = 4


class CommandFailed(click.ClickException):
    """Ends the command with a text and an exit code."""

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue] - click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


def talk(text: str) -> None:
    """A terminal that was closed is no reason to fail."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)
