"""The hidden option that puts the local state elsewhere; tests use it."""

from pathlib import Path

import click

from madar.local.state import DEFAULT, State


def _to_state(_: click.Context, __: click.Parameter, folder: Path) -> State:
    return State(folder.resolve())


state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT,
    hidden=True,
    callback=_to_state,
)
