"""`madar settings`: what is in force, and where it comes from."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import talk
from madar.local.state import State

if TYPE_CHECKING:
    from madar.commands.here import Here


@dataclass(frozen=True, kw_only=True)
class Row:
    """`variable` and `file` tell under which name, and from which file, it came."""

    value: str
    source: str
    variable: str | None
    file: str | None


@click.command(epilog="Example: madar settings --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
def settings(*, as_json: bool, state: State) -> None:
    """Show what is set, and where it comes from.

    That is the environment, the file .env beside README.md, a file that NAME_FILE names, the
    default, or on a laptop madar dev. Secrets are never shown, only whether they are set. Ends
    with 3 when Madar cannot start with this.
    """
    from madar.commands.here import look_closely
    from madar.settings import Settings, near_misses

    here = look_closely(state)
    rows = {name.upper(): _row(here, name) for name in Settings.model_fields}
    if as_json:
        found = {name: asdict(row) for name, row in rows.items()}
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        _show(rows)
    if here.fault:
        raise here.fault
    for variable, meant in near_misses().items():
        talk(f"{variable} is no setting. Did you mean {meant}?")


def _row(here: "Here", name: str) -> Row:
    from madar.commands.here import MADAR_DEV
    from madar.settings import is_secret, source_of

    source = here.source_of(name)
    found = source_of(name) if source != MADAR_DEV else None
    useless = {fault.setting for fault in here.fault.faults} if here.fault else set[str]()
    value = _shown(getattr(here.settings, name))
    if found and name in useless and not is_secret(name):
        value = found.value  # as it was written, not the default that stands in for it
    return Row(
        value=value,
        source=source,
        variable=found.variable if found else None,
        file=(found.path if found else "") or None,
    )


def _show(rows: dict[str, Row]) -> None:
    width = max(map(len, rows))
    for name, row in rows.items():
        other = row.variable if row.variable not in (None, name) and not row.file else row.file
        source = f"{row.source}: {other}" if other else row.source
        click.echo(f"{name:{width}}  {row.value or '–'}  {click.style(f'({source})', dim=True)}")


def _shown(value: object) -> str:
    from starlette.datastructures import Secret

    if isinstance(value, Secret):
        return f"set ({len(str(value))} characters)" if str(value) else ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"{value:g}" if isinstance(value, float) else str(value)
