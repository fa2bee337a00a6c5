"""`madar settings`: what is in force, and where it comes from."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json

import click

from madar.commands.state_option import state_option
from madar.local.state import State


@click.command(epilog="Example: madar settings --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
def settings(*, as_json: bool, state: State) -> None:
    """Show what is set, and where it comes from.

    Secrets are never shown, only whether they are set. On a laptop, what madar dev sets is
    included.
    """
    from madar.commands.here import look_around
    from madar.settings import Settings

    here = look_around(state)
    rows = [
        (name.upper(), _shown(getattr(here.settings, name)), here.source_of(name))
        for name in Settings.model_fields
    ]
    if as_json:
        found = {name: {"value": value, "source": source} for name, value, source in rows}
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        click.echo(f"{name:{width}}  {value or '–'}  {click.style(f'({source})', dim=True)}")


def _shown(value: object) -> str:
    from starlette.datastructures import Secret

    if isinstance(value, Secret):
        return f"set ({len(str(value))} characters)" if str(value) else ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value)
