"""How commands speak: results on standard output, talk on standard error, failures in sentences."""

import contextlib
import sys
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
        with contextlib.suppress(OSError):  # the exit code still tells
            click.echo(self.message, file=file, err=file is None)


class Text(click.types.StringParamType):
    """Refuses bytes that are no UTF-8, which Python carries as halves of characters."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = super().convert(value, param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail("this is not UTF-8", param, ctx)
        return text


TEXT = Text()
# Each command that cannot be undone takes it; see `confirm`.
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


def confirm(question: str, *, yes: bool) -> None:
    """Ends the command unless whoever sits there agrees; a script has to say so beforehand."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{question}\nNothing was changed: there is no terminal to answer on. To do it "
            "without being asked, add --yes.",
            USAGE,
        )
    click.confirm(question, abort=True, err=True)


def talk(text: str) -> None:
    """A terminal that was closed is no reason to fail."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)
