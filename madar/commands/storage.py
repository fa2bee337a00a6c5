"""`madar storage`: what the objects take, whose they are, and removing what nobody names."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from madar.commands.connecting import with_resources
from madar.commands.state_option import state_option
from madar.commands.terminal import CommandFailed, confirm, json_option, talk, yes_option
from madar.commands.words import counted, table
from madar.local.state import State, as_text

if TYPE_CHECKING:
    from madar.actions.orphans import Survey
    from madar.resources import Resources

Found = TypeVar("Found")

AT_ONCE = 4  # folders
UNNAMED = "unnamed"
KINDS = {
    "master": "lossless pictures",
    "picture": "full pictures",
    "thumbnail": "thumbnails",
    "upload": "uploads",
    "deleted": "in the trash or deleted",
    "leaving": "on their way out",
    UNNAMED: "named by no row",
}


@dataclass
class Usage:
    """Objects and bytes by kind, and bytes by person."""

    objects: Counter[str] = field(default_factory=Counter[str])
    bytes: Counter[str] = field(default_factory=Counter[str])
    people: defaultdict[UUID, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter[str])
    )
    emails: dict[UUID, str] = field(default_factory=dict[UUID, str])

    def add(self, kind: str | None, size: int, user_id: UUID | None) -> None:
        kind = kind or UNNAMED
        self.objects[kind] += 1
        self.bytes[kind] += size
        if user_id:
            self.people[user_id][kind] += size

    def largest(self, n: int) -> list[tuple[UUID, Counter[str]]]:
        ordered = sorted(self.people.items(), key=lambda one: (-one[1].total(), one[0]))
        return ordered[:n]


@click.group(epilog="Example: madar storage usage")
def storage() -> None:
    """Measure storage, and remove what nobody names."""


@storage.command(epilog="Example: madar storage usage --json")
@click.option("--limit", type=click.IntRange(0, 1000), default=20, show_default=True)
@json_option
@state_option
def usage(*, limit: int, as_json: bool, state: State) -> None:
    """Measure what is stored, by kind and by person.

    Every object is listed, which takes its time where there are many.
    """
    measured = with_resources(state, lambda resources: _measure(resources, limit))
    if as_json:
        click.echo(json.dumps(_document(measured, limit), ensure_ascii=False))
        return
    table(
        ("KIND", "OBJECTS", "SIZE"),
        [
            (words, f"{measured.objects[kind]:,}", as_text(measured.bytes[kind]))
            for kind, words in KINDS.items()
            if measured.objects[kind]
        ],
    )
    if people := measured.largest(limit):
        click.echo()
        table(
            ("PERSON", "E-MAIL", "SIZE"),
            [
                (
                    str(person_id),
                    measured.emails.get(person_id, "(deleted)"),
                    as_text(by_kind.total()),
                )
                for person_id, by_kind in people
            ],
        )
    objects = counted(measured.objects.total(), "object", "objects")
    talk(f"{objects}, {as_text(measured.bytes.total())} in all.")


@storage.command(epilog="Example: madar storage sweep --dry-run")
@click.option("--dry-run", is_flag=True, help="Only count.")
@yes_option
@state_option
def sweep(*, dry_run: bool, yes: bool, state: State) -> None:
    """Remove the objects that no row has named for a day.

    The worker's own sweep does the same, a folder every five minutes. First everything is counted;
    then you are asked. What it finds, a worker removes within a minute.
    """
    surveys, owner, us = with_resources(state, _survey)
    if owner not in (None, us):
        raise CommandFailed(
            f"This storage belongs to another Madar: {owner} (here: {us}). Nothing was changed.\n"
            "Is it the right bucket, and APP_URL as before? If it moved here for good, remove "
            "madar-owner.txt from it; the next sweep writes a new one."
        )
    going = [one for survey in surveys if not survey.is_suspicious for one in survey.orphans]
    for survey in surveys:
        if survey.is_suspicious:
            talk(
                f"Left alone: in folder {survey.folder} {len(survey.orphans):,} objects have no "
                f"row and only {survey.named:,} have one. Is it an old copy of the database?"
            )
    size = as_text(sum(one.bytes for one in going))
    found = f"{counted(len(going), 'object', 'objects')} ({size}) without a row for a day"
    if dry_run or not going:
        talk(f"Found {found}." if going else "Nothing to remove.")
        return
    if owner is None:
        talk("This storage has no owner yet; once the sweep has made it ours, run it again.")
    confirm(f"Remove {found}? It cannot be undone.", yes=yes)
    removed = with_resources(state, _sweep)
    talk(f"To be removed by a worker, within a minute: {counted(removed, 'object', 'objects')}.")


async def _measure(resources: "Resources", n: int) -> Usage:
    from madar.actions.orphans import measure_folder
    from madar.db.pool import connection
    from madar.db.users import list_people_by_id

    measured = Usage()
    async for found in _each_folder(resources, measure_folder):
        for stored, owned in found:
            measured.add(owned.kind, stored.bytes, owned.user_id)
    async with connection(resources.pool) as conn:
        ids = [person_id for person_id, _ in measured.largest(n)]
        people = await list_people_by_id(conn, ids=ids)
    measured.emails = {one.id: one.email for one in people}
    return measured


async def _survey(resources: "Resources") -> "tuple[list[Survey], str | None, str]":
    from madar.actions.orphans import read_owner, survey_folder

    owner, us = await read_owner(resources)
    return [one async for one in _each_folder(resources, survey_folder)], owner, us


async def _sweep(resources: "Resources") -> int:
    from madar.actions.orphans import reconcile_folder

    return sum([n async for n in _each_folder(resources, reconcile_folder)])


async def _each_folder(
    resources: "Resources", look: Callable[..., Awaitable[Found]]
) -> AsyncGenerator[Found]:
    """Several at once; on a terminal it is told how far it is."""
    import asyncio

    from madar.actions.orphans import FOLDERS

    for first in range(0, FOLDERS, AT_ONCE):
        turns = range(first, min(first + AT_ONCE, FOLDERS))
        _tell_progress(first, FOLDERS)
        for found in await asyncio.gather(*(look(resources, turn=turn) for turn in turns)):
            yield found
    _tell_progress(FOLDERS, FOLDERS)


def _tell_progress(done: int, of: int) -> None:
    import sys

    if sys.stderr.isatty():
        click.echo(f"\r{done * 100 // of:3} %" if done < of else "\r     \r", err=True, nl=False)


def _document(measured: Usage, limit: int) -> dict[str, Any]:
    kinds = {
        kind: {"objects": measured.objects[kind], "bytes": measured.bytes[kind]} for kind in KINDS
    }
    people = [
        {
            "id": str(person_id),
            "email": measured.emails.get(person_id),
            "bytes": by_kind.total(),
            "kinds": dict(by_kind),
        }
        for person_id, by_kind in measured.largest(limit)
    ]
    return {"kinds": kinds, "people": people}
