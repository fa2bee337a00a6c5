"""`madar generate`: one picture from the shell, over the public API alone."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import CommandFailed, talk
from madar.local.state import State

if TYPE_CHECKING:
    from madar.commands.public_api import PublicApi

INTERRUPTED = 130  # what a shell expects after Ctrl-C


@click.command(
    epilog='Example: madar generate "a red rocket" --style voxel-3d --color "#ff0000" -o rocket.png'
)
@click.argument("prompt", required=False)
@click.option("--style", required=True, help="One of: madar styles list.")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture to start from.",
)
@click.option("--ratio", default="1:1", show_default=True, help="1:1, 16:9, 9:16 or 4:3.")
@click.option("--color", "colors", multiple=True, help="As #rrggbb; may be repeated.")
@click.option("--seed", type=int, help="The same seed and prompt give the same picture.")
@click.option("--url", help="Of the server; else the one that madar dev runs here.")
@click.option("--as", "person", default="amal@madar.test", show_default=True, metavar="EMAIL")
@click.option("--token", help="Of a server with real sign-in, instead of --as.")
@click.option("--lang", "language", default="en", show_default=True, help="Of messages: en or ar.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to save the PNG; else under the name the server gives.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the generation's document.")
@state_option
def generate(
    *,
    prompt: str | None,
    style: str,
    image: Path | None,
    ratio: str,
    colors: tuple[str, ...],
    seed: int | None,
    url: str | None,
    person: str,
    token: str | None,
    language: str,
    output: Path | None,
    as_json: bool,
    state: State,
) -> None:
    """Make one picture from the shell.

    PROMPT is in English or Arabic; without it the style's own is used.
    """
    from madar.commands.public_api import signed_in

    wish: dict[str, Any] = {
        "style": style,
        "inputType": "image" if image else "text",
        "textPrompt": prompt,
        "aspectRatio": ratio,
        "customColors": list(colors),
        "seed": seed,
    }
    with signed_in(url or _local_url(state), person=person, token=token, language=language) as api:
        if image:
            wish["sourceUploadId"] = api.upload(image)["id"]
        created = api.create({name: value for name, value in wish.items() if value is not None})
        document = _wait(api, str(created["id"]))
        if document["status"] == "failed":
            raise CommandFailed(f"{document.get('error')} ({document.get('errorCode')})")
        picture, filename = api.download(document["id"])
    path = output or _free(Path(filename))
    path.write_bytes(picture)
    click.echo(json.dumps({**document, "file": str(path)}, ensure_ascii=False) if as_json else path)


def _local_url(state: State) -> str:
    note = state.read_note()
    return note.url if note else "http://localhost:8000"


def _wait(api: "PublicApi", generation_id: str) -> dict[str, Any]:
    from madar.commands.following import follow
    from madar.commands.progress import shown

    try:
        with shown() as show:
            return follow(api, generation_id, show=show)
    except KeyboardInterrupt:
        talk(
            f"\nThe picture goes on being made; its id is {generation_id}. See how it stands: "
            f"{api.url}/api/generations/{generation_id}"
        )
        raise click.exceptions.Exit(INTERRUPTED) from None


def _free(path: Path) -> Path:
    """A name that overwrites nothing."""
    number = 1
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
