"""`madar generate`: one picture from the shell, over the public API alone."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import TEXT, CommandFailed, talk
from madar.local.state import State

if TYPE_CHECKING:
    from madar.commands.public_api import PublicApi

INTERRUPTED = 130  # what a shell expects after Ctrl-C


def _address(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    from madar.commands.public_api import fault_of

    if url and (fault := fault_of(url)):
        raise click.BadParameter(fault)
    return url


def _sendable(_: click.Context, __: click.Parameter, token: str | None) -> str | None:
    """It goes into a header, which takes no other characters (RFC 6750, section 2.1)."""
    if token and not (token.isascii() and token.isprintable()):
        raise click.BadParameter("a token has only printable ASCII characters")
    return token


def _place(_: click.Context, __: click.Parameter, output: Path | None) -> Path | None:
    """Asked before a picture is made, because each one costs money."""
    folder = output.parent if output else Path()
    if output and os.access(output, os.F_OK):
        return output  # click has seen that it may be written
    if not folder.is_dir():
        raise click.BadParameter(f"there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise click.BadParameter(f"the folder {folder.resolve()} is not writable")
    return output


@click.command(
    epilog='Example: madar generate "a red rocket" --style voxel-3d --color "#ff0000" -o rocket.png'
)
@click.argument("prompt", required=False, type=TEXT)
@click.option("--style", required=True, type=TEXT, help="One of: madar styles list.")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture to start from.",
)
@click.option(
    "--ratio", type=TEXT, default="1:1", show_default=True, help="1:1, 16:9, 9:16 or 4:3."
)
@click.option("--color", "colors", type=TEXT, multiple=True, help="As #rrggbb; may be repeated.")
@click.option("--seed", type=int, help="The same seed and prompt give the same picture.")
@click.option(
    "--url",
    type=TEXT,
    callback=_address,
    help="Of the server; else the one that madar dev runs here.",
)
@click.option(
    "--as", "person", type=TEXT, default="amal@madar.test", show_default=True, metavar="EMAIL"
)
@click.option("--token", callback=_sendable, help="Of a server with real sign-in, instead of --as.")
@click.option(
    "--lang",
    "language",
    type=click.Choice(("en", "ar")),
    default="en",
    show_default=True,
    help="Of messages.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_place,
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
        document = _wait(api, created["id"])
        if document["status"] == "failed":
            raise CommandFailed(f"{document.get('error')} ({document.get('errorCode')})")
        picture, filename = api.download(created["id"])
    path = _saved(picture, output or _free(Path(filename)), generation_id=created["id"])
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


def _saved(picture: bytes, path: Path, *, generation_id: str) -> Path:
    """The server keeps the picture, so its id is what somebody needs when the disk is full."""
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise CommandFailed(
            f"The picture is made, but {path} cannot be written: {error.strerror}. "
            f"Its generation is {generation_id}"
        ) from None
    return path


def _free(path: Path) -> Path:
    """A name that overwrites nothing."""
    number = 1
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
