"""`madar reset`: back to an empty product."""

import shutil

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import CommandFailed, talk
from madar.local.state import AlreadyRuns, State, as_text, size_of


@click.command(epilog="Example: madar reset --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
def reset(*, yes: bool, state: State) -> None:
    """Remove the local database, pictures, secrets and logs.

    Only what madar dev made in its own folder; a DATABASE_URL or a bucket of yours is not touched.
    """
    if not state.contents:
        talk(f"Nothing to remove: {state.folder} is empty.")
        return
    try:
        with state.owned():
            if not yes:
                size = as_text(size_of(state.folder))
                click.confirm(
                    f"Remove everything in {state.folder} ({size})?", abort=True, err=True
                )
            _remove(state)
    except AlreadyRuns as error:
        stop = f" (or: kill {error.note.pid})" if error.note else ""
        raise CommandFailed(
            f"Madar runs in this folder. Stop it first with Ctrl-C{stop}, then: madar reset"
        ) from None
    talk(f"Removed. {state.folder} is empty.")


def _remove(state: State) -> None:
    if state.postgres.exists():
        from madar.local.postgres import running  # noqa: PLC0415 - only when there is one

        if server := running(state.postgres):
            server.stop(immediately=True)
    for path in state.contents:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
