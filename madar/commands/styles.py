"""`madar styles`: the looks people may choose. They are data, so no release is needed."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import click

from madar.commands.connecting import with_database
from madar.commands.state_option import state_option
from madar.commands.terminal import TEXT, CommandFailed, talk
from madar.local.state import State

if TYPE_CHECKING:
    from madar.db.sql import Connection
    from madar.db.styles import Style

JSON_COLUMNS = ("fal_model_params",)
EDITABLE = (
    *("title", "title_ar", "description", "description_ar"),
    *("default_prompt", "default_prompt_ar", "is_active", "fal_model_params"),
)


@click.group(epilog="Example: madar styles list")
def styles() -> None:
    """List, show and edit the styles."""


@styles.command("list", epilog="Example: madar styles list --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
def list_all(*, as_json: bool, state: State) -> None:
    """List all styles, also those that are switched off."""
    from madar.db.styles import list_styles

    found = with_database(state, list_styles)
    if as_json:
        click.echo(json.dumps([asdict(style) for style in found], ensure_ascii=False))
        return
    for style in found:
        off = "" if style.is_active else "  (off)"
        click.echo(f"{style.id:16}  {style.title} · {style.title_ar}{off}")


@styles.command(epilog="Example: madar styles show voxel-3d")
@click.argument("style_id", metavar="ID", type=TEXT)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
def show(*, style_id: str, as_json: bool, state: State) -> None:
    """Show one style with the parameters sent to Fal."""
    style = _find(state, style_id)
    if as_json:
        click.echo(json.dumps(asdict(style), ensure_ascii=False))
        return
    for name, value in asdict(style).items():
        text = json.dumps(value, ensure_ascii=False, indent=2) if name in JSON_COLUMNS else value
        click.echo(f"{name}: {text}")


@styles.command(
    epilog="Example: madar styles edit voxel-3d --param parameters.num_inference_steps=32"
)
@click.argument("style_id", metavar="ID", type=TEXT)
@click.option("--title", type=TEXT, help="Its name in English.")
@click.option("--title-ar", type=TEXT, help="Its name in Arabic.")
@click.option("--description", type=TEXT, help="One line in English.")
@click.option("--description-ar", type=TEXT, help="One line in Arabic.")
@click.option("--default-prompt", type=TEXT, help="Used when somebody gives no prompt, in English.")
@click.option("--default-prompt-ar", type=TEXT, help="The same in Arabic.")
@click.option(
    "--param", "params", type=TEXT, multiple=True, metavar="KEY=JSON", help="May be repeated."
)
@click.option("--active/--inactive", "is_active", default=None, help="Whether it can be chosen.")
@click.option("--editor", is_flag=True, help="Change everything in your text editor.")
@state_option
def edit(
    *, style_id: str, params: tuple[str, ...], editor: bool, state: State, **texts: Any
) -> None:
    """Change a style; it counts from the next picture on."""
    style = _find(state, style_id)
    changes = {name: value for name, value in texts.items() if value is not None}
    if params:
        changes["fal_model_params"] = _changed_params(style.fal_model_params, params)
    _check(changes)
    if editor:
        changes = _edited(style, changes)
        _check(changes)
    if not changes:
        raise click.UsageError("There is nothing to change; see: madar styles edit --help")
    _write(state, style_id, changes)
    talk(f"Changed {style_id}: {', '.join(changes)}.")


def _find(state: State, style_id: str) -> "Style":
    from madar.db.styles import get_style

    found = with_database(state, lambda conn: get_style(conn, id=style_id))
    if found is None:
        raise CommandFailed(f"There is no style “{style_id}”. All styles: madar styles list")
    return found


def _write(state: State, style_id: str, changes: dict[str, Any]) -> None:
    from madar.db.styles import update_style
    from madar.db.system import ring_styles

    async def write(conn: "Connection") -> None:
        await update_style(conn, id=style_id, **changes)
        await ring_styles(conn)

    with_database(state, write)


def _check(changes: dict[str, Any]) -> None:
    from madar.commands.style_rules import faults_in

    if faults := faults_in(changes):
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise CommandFailed(f"Nothing was changed:\n{lines}")


def _changed_params(current: dict[str, Any], params: tuple[str, ...]) -> dict[str, Any]:
    from madar.commands.style_rules import parsed, with_param

    for param in params:
        path, _, text = param.partition("=")
        if not all(path.split(".")):
            raise click.BadParameter(f"“{path}” has an empty key")
        try:
            current = with_param(current, path, parsed(text))
        except json.JSONDecodeError:
            hint = f"a text needs quotes, such as --param '{path}=\"{text}\"'"
            raise click.BadParameter(f"{param} is not KEY=JSON; {hint}") from None
        except ValueError as error:
            raise click.BadParameter(f"{path}: {error}") from None
        except KeyError as error:
            raise click.BadParameter(f"{path}: there is nothing under {error.args[0]}") from None
    return current


def _edited(style: "Style", changes: dict[str, Any]) -> dict[str, Any]:
    """What differs after the editor was closed."""
    from madar.commands.style_rules import parsed

    before = {name: value for name, value in asdict(style).items() if name in EDITABLE}
    draft = json.dumps(before | changes, ensure_ascii=False, indent=2)
    try:
        after = parsed(click.edit(draft, extension=".json") or draft)
    except ValueError as error:
        raise CommandFailed(f"Nothing was changed: this is not JSON: {error}") from None
    if not isinstance(after, dict):
        raise CommandFailed("Nothing was changed: this is not an object")
    after = cast("dict[str, Any]", after)
    if unknown := sorted(after.keys() - set(EDITABLE)):
        raise CommandFailed(f"Nothing was changed: {', '.join(unknown)} cannot be edited")
    return {name: value for name, value in after.items() if value != before[name]}
