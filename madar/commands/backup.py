"""`madar backup`: all rows and all pictures into one file."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import fcntl
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import FAILED, UPSTREAM, CommandFailed, talk
from madar.local.state import State, as_text

if TYPE_CHECKING:
    from madar.backups.taking import Taken

STDOUT = Path("-")


@click.command(epilog="Example: madar backup madar.tar")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
@click.pass_context
def backup(ctx: click.Context, *, file: Path | None, as_json: bool, state: State) -> None:
    """Write all rows and all pictures into FILE, while everything goes on.

    FILE is a plain tar: the rows of one moment, every object of the storage, a SHA-256 of each and
    of the whole. It holds what people wrote and who they are: keep it where only you can read it.
    Without a name it is called after the minute; - is standard output. Until it is whole it is
    called FILE.partial. Ends with 1 when pictures are nowhere any more; the file names them, and
    has everything else.
    """
    file = file or Path(f"madar-{datetime.now(UTC):%Y-%m-%d-%H%M}.tar")
    if file != STDOUT and file.exists():
        raise CommandFailed(f"{file} is there already. Move it away, or name another file.")
    with _whole(file) as stream:
        taken = _take(state, stream)
    _tell(taken, file)
    if file != STDOUT:
        told = {"file": str(file), "size": taken.size, "sha256": taken.sha256, **taken.told()}
        click.echo(json.dumps(told) if as_json else f"{file} ({as_text(taken.size)})")
    ctx.exit(FAILED if taken.summary.lost else 0)


def _take(state: State, stream: BinaryIO) -> "Taken":
    import asyncio

    from madar.backups.taking import take_backup
    from madar.clients.storage import NOBODY_WAITS, Storage
    from madar.commands.here import look_around, open_database
    from madar.commands.transfer import transfer_shown
    from madar.errors import Unavailable

    with open_database(state) as url, transfer_shown() as report:
        storage = Storage(look_around(state).settings, NOBODY_WAITS)
        try:
            return asyncio.run(take_backup(url, storage, stream, report))
        except Unavailable as error:
            text = "The storage does not answer; no backup was made. See why: madar doctor"
            raise CommandFailed(text, UPSTREAM) from error


def _tell(taken: "Taken", file: Path) -> None:
    summary = taken.summary
    talk(
        f"{summary.all_rows:,} rows and {summary.objects:,} objects "
        f"({as_text(summary.object_bytes)}) as of {taken.manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    if summary.deleted:
        talk(f"Deleted by their people meanwhile, and not in it: {summary.deleted:,} objects.")
    if summary.lost:
        talk(
            f"Lost: {summary.lost:,} objects that rows name are not in the storage. "
            f"The file names them: tar -xOf {file} missing.0001"
        )
    if file != STDOUT:
        talk(f"Check it any time with: madar restore {file} --check")


@contextmanager
def _whole(file: Path) -> Generator[BinaryIO]:
    """A stream that becomes the file when all went well, and nothing otherwise."""
    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = file.with_name(f"{file.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(f"Another backup is writing {partial} at this moment.") from None
        try:
            stream.truncate()
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            partial.rename(file)
        except BaseException:
            partial.unlink()
            talk(f"Broken off; {file} was not written.")
            raise
