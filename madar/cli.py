"""The `madar` command: its list of commands, and how a failure reads.

A command's module is imported when the command runs, so that help comes at once.
"""

import difflib
import sys
from importlib import import_module
from typing import Any

import click

from madar import __version__

# Name, what it does, and where it is: the whole command line in one list.
COMMANDS = {
    "dev": ("Start everything on this machine", "madar.commands.dev:dev"),
    "start": (
        "Run web and worker together, as the container does",
        "madar.commands.processes:start",
    ),
    "serve": ("Run the web process", "madar.commands.processes:serve"),
    "worker": ("Run the worker process", "madar.commands.processes:worker"),
    "migrate": ("Plan, apply and list database migrations", "madar.commands.migrate:migrate"),
    "jobs": ("Show what is queued, running, waiting or stumbled", "madar.commands.jobs:jobs"),
    "submitting": (
        "Pause and resume sending work to Fal",
        "madar.commands.submitting:submitting",
    ),
    "users": ("List, show, deactivate and delete people", "madar.commands.users:users"),
    "storage": ("Measure storage, and remove what nobody names", "madar.commands.storage:storage"),
    "generate": ("Make one picture from the shell", "madar.commands.generate:generate"),
    "styles": ("List, show and edit the styles", "madar.commands.styles:styles"),
    "settings": ("Show what is set, and where it comes from", "madar.commands.settings:settings"),
    "doctor": ("Check everything and say what to do", "madar.commands.doctor:doctor"),
    "backup": ("Write all rows and pictures into one file", "madar.commands.backup:backup"),
    "restore": ("Bring a backup back, or only check it", "madar.commands.restore:restore"),
    "errors": ("Explain an error code", "madar.commands.errors:errors"),
    "reset": ("Remove the local database, pictures and logs", "madar.commands.reset:reset"),
}


class Madar(click.Group):
    """Loads a command when it is asked for; turns failures into sentences and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][1].partition(":")
        return getattr(import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean: madar {near[0]}" if near else "All commands: madar --help"
            raise click.UsageError(f"There is no command “{args[0]}”. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (text, _) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows what to do with these
        except Exception as error:
            if ctx.params["debug"]:
                raise
            explain = import_module("madar.commands.failures").explain
            raise explain(error) from error


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if wanted:
        python = ".".join(map(str, sys.version_info[:3]))
        click.echo(f"madar {__version__} (Python {python}, {sys.platform})")
        ctx.exit()


@click.group(
    cls=Madar,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Example: madar generate "a red rocket" --style voxel-3d -o rocket.png',
)
@click.option("--debug", is_flag=True, help="Show where in the code a failure comes from.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option("--no-color", envvar="NO_COLOR", hidden=True, default="", is_flag=False)
@click.pass_context
def cli(ctx: click.Context, *, debug: bool, no_color: str) -> None:
    """A sentence or a photo becomes a 3D picture with a transparent background."""
    del debug  # read in Madar.invoke
    if no_color:
        ctx.color = False


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal without Arabic shows “?”, not a traceback
    try:
        cli(prog_name="madar")
    except OSError as error:  # help and version are written before Madar.invoke begins
        failure = import_module("madar.commands.failures").explain(error)
        failure.show()
        sys.exit(failure.exit_code)
