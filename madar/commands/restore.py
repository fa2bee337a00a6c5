"""`madar restore`: check a backup, say what will happen, and bring it back."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import FAILED, UPSTREAM, CommandFailed, confirm, talk, yes_option
from madar.local.state import State, as_text

if TYPE_CHECKING:
    from madar.backups.checking import Checked
    from madar.backups.restoring import Target
    from madar.clients.storage import Storage

REPLACE, ADD = "--replace-database", "--add-to-storage"


@click.command(epilog="Example: madar restore madar.tar --check")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--check", "only_check", is_flag=True, help="Verify FILE and write nothing.")
@click.option(
    REPLACE, "replaces", is_flag=True, help="Even if the database holds rows: remove them."
)
@click.option(
    ADD, "adds", is_flag=True, help="Even if the storage holds objects: leave them there."
)
@yes_option
@click.option("--json", "as_json", is_flag=True, help="With --check, for programs.")
@state_option
@click.pass_context
def restore(
    ctx: click.Context,
    *,
    file: Path,
    only_check: bool,
    replaces: bool,
    adds: bool,
    yes: bool,
    as_json: bool,
    state: State,
) -> None:
    """Bring back what madar backup wrote into FILE, into an empty database and an empty storage.

    All of FILE is verified before anything is written. A backup of an older release is migrated to
    this one. Web and workers must not run meanwhile. What was being made goes on afterwards, and
    nothing of it is sent to Fal before Fal was asked whether it has it.

    With --check, ends with 1 when FILE is damaged or lacks pictures.
    """
    with file.open("rb") as stream, _explained(file):
        if only_check:
            checked = _checked(stream, file)
            if as_json:
                click.echo(json.dumps({"file": str(file), **checked.told()}))
            ctx.exit(FAILED if checked.summary.lost else 0)
        _restore(stream, file, state, replaces=replaces, adds=adds, yes=yes)


def _checked(stream: BinaryIO, file: Path) -> "Checked":
    from madar.backups.checking import check_backup
    from madar.commands.transfer import transfer_shown

    with transfer_shown() as report:
        checked = check_backup(stream, size=file.stat().st_size, report=report)
    summary, manifest = checked.summary, checked.manifest
    talk(
        f"{file} is whole: {summary.rows.get('users', 0):,} people, "
        f"{summary.rows.get('generations', 0):,} generations, {summary.all_rows:,} rows in all, "
        f"{summary.objects:,} objects ({as_text(summary.object_bytes)}), "
        f"of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, Madar {manifest.madar}, "
        f"migration {max(manifest.migrations, default='none')}."
    )
    if summary.deleted:
        talk(f"Deleted while it was taken, and not in it: {summary.deleted:,} objects.")
    if summary.lost:
        named = ", ".join(checked.lost)
        talk(f"Not in it, for they were lost before: {summary.lost:,} objects: {named}")
    return checked


def _restore(
    stream: BinaryIO, file: Path, state: State, *, replaces: bool, adds: bool, yes: bool
) -> None:
    import asyncio

    from madar.backups.checking import read_manifest
    from madar.backups.restoring import look_at_target, restore_backup
    from madar.clients.storage import NOBODY_WAITS, Storage
    from madar.commands.here import look_around, open_database
    from madar.commands.transfer import transfer_shown
    from madar.local.environment import keep_secrets

    read_manifest(stream)  # what is no backup at all is said before anything else
    settings = look_around(state).settings
    if look_around(state).has_own_database:
        keep_secrets(state)
    with open_database(state, is_made=True) as url:
        storage = Storage(settings, NOBODY_WAITS)
        target = asyncio.run(look_at_target(url, storage))
        _refuse_used(target, replaces=replaces, adds=adds)
        checked = _checked(stream, file)
        _ask(checked, target, url, storage, yes=yes)
        with transfer_shown() as report:
            unfinished = asyncio.run(
                restore_backup(stream, checked, target, url=url, storage=storage, report=report)
            )
    talk("Restored.")
    if unfinished:
        talk(
            f"Still to be made: {unfinished:,}. As soon as a worker runs they go on, or fail where "
            "their time is over and Fal does not have them."
        )


def _refuse_used(target: "Target", *, replaces: bool, adds: bool) -> None:
    if target.rows and not replaces:
        told = ", ".join(f"{name} {n:,}" for name, n in list(target.rows.items())[:5])
        raise CommandFailed(
            f"The database is in use; it holds {told}. Give an empty one in DATABASE_URL, "
            f"or remove what it holds with: {REPLACE}"
        )
    if target.has_objects and not adds:
        raise CommandFailed(
            "The storage holds objects already. Give an empty one; or, if it is the one of this "
            f"backup, or what it holds may stay beside these: {ADD}"
        )


def _ask(checked: "Checked", target: "Target", url: str, storage: "Storage", *, yes: bool) -> None:
    summary = checked.summary
    if target.rows:
        talk(f"To be removed for good from {_place_of(url)}: {sum(target.rows.values()):,} rows.")
    talk(
        f"To be written: {summary.all_rows:,} rows into {_place_of(url)}, {summary.objects:,} "
        f"objects ({as_text(summary.object_bytes)}) into {storage.place}."
    )
    confirm("Go on?", yes=yes)


def _place_of(url: str) -> str:
    """Without the password."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    return f"the database {parts.get('dbname')} at {parts.get('host') or 'this machine'}"


@contextmanager
def _explained(file: Path) -> Generator[None]:
    from madar.backups.archive import Damaged
    from madar.backups.manifest import NotABackup
    from madar.backups.restoring import Refused
    from madar.errors import Unavailable

    try:
        yield
    except KeyboardInterrupt:
        talk(
            f"Broken off. If anything was written, begin again with {ADD}, and with {REPLACE} too "
            "if the database is said to be in use."
        )
        raise
    except Damaged as error:
        text = f"{file} is damaged: {error}. Nothing was changed. Take another backup's file."
        raise CommandFailed(text) from error
    except NotABackup as error:
        raise CommandFailed(f"{file} cannot be restored. {error} Nothing was changed.") from error
    except Refused as error:
        raise CommandFailed(str(error)) from error
    except Unavailable as error:
        text = (
            "The storage does not answer, and the rows are as they were. See why: madar doctor. "
            f"Then begin again, with {ADD}"
        )
        raise CommandFailed(text, UPSTREAM) from error
