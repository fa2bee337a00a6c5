"""`madar users`: who is there, how much is theirs, and closing or deleting an account."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from typing import TYPE_CHECKING, Any

import click

from madar.commands.connecting import with_database, with_resources
from madar.commands.state_option import state_option
from madar.commands.terminal import (
    TEXT,
    CommandFailed,
    confirm,
    json_option,
    talk,
    yes_option,
)
from madar.commands.words import counted, day, moment, table
from madar.local.state import State, as_text

if TYPE_CHECKING:
    from madar.db.sql import Connection
    from madar.db.users import ListedPerson, Person

MAX_LISTED = 1000
_who = click.argument("who", metavar="WHO", type=TEXT)


@click.group(epilog="Example: madar users list amal@")
def users() -> None:
    """List, show, deactivate and delete people.

    WHO is an e-mail address or an id.
    """


@users.command("list", epilog="Example: madar users list amal@ --json")
@click.argument("letters", required=False, default="", type=TEXT)
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, show_default=True)
@json_option
@state_option
def list_all(*, letters: str, limit: int, as_json: bool, state: State) -> None:
    """List people whose e-mail or name has these LETTERS in it, the newest account first."""
    from madar.db.users import list_people

    async def ask(conn: "Connection") -> "list[ListedPerson]":
        return await list_people(conn, letters=letters, n=limit + 1)

    found = with_database(state, ask)
    shown = found[:limit]
    if as_json:
        document = {"users": [_listed(one) for one in shown], "hasMore": len(found) > limit}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    table(
        ("ID", "E-MAIL", "NAME", "SINCE", "SEEN", "PICTURES", ""),
        [
            (
                *(str(one.id), one.email, one.display_name),
                *(day(one.created_at), day(one.last_seen_at), f"{one.pictures:,}"),
                "" if one.is_active else "deactivated",
            )
            for one in shown
        ],
    )
    more = " There are more: --limit, or more letters." if len(found) > limit else ""
    talk(f"{counted(len(shown), 'person', 'people')}.{more}")


@users.command(epilog="Example: madar users show amal@example.com")
@_who
@json_option
@state_option
def show(*, who: str, as_json: bool, state: State) -> None:
    """Show one person: counts, sessions and storage.

    Storage is what rows know of: lossless pictures and uploads. What all objects of everybody take
    is measured by madar storage usage.
    """
    one = _find(state, who)
    if as_json:
        click.echo(json.dumps(_document(one), ensure_ascii=False))
        return
    is_active = "yes" if one.is_active else "no: nobody can sign in with it"
    for name, value in (
        ("id", str(one.id)),
        ("e-mail", one.email),
        ("name", one.display_name),
        ("language", one.language),
        ("active", is_active),
        ("since", moment(one.created_at)),
        ("seen", moment(one.last_seen_at)),
        ("sessions", f"{one.sessions:,}"),
        ("pictures", _pictures_of(one)),
        ("uploads", f"{one.uploads:,}"),
        ("storage", f"{as_text(one.picture_bytes)} pictures, {as_text(one.upload_bytes)} uploads"),
    ):  # fmt: skip
        click.echo(f"{name:9} {value}")


@users.command(epilog="Example: madar users deactivate amal@example.com")
@_who
@yes_option
@state_option
def deactivate(*, who: str, yes: bool, state: State) -> None:
    """Let nobody in with this account any more; everything in it stays.

    Sessions end at once and open sockets within 10 seconds. What is being made is finished.
    """
    from madar.actions.users import deactivate_account

    one = _find(state, who)
    if not one.is_active:
        talk(f"{one.email} is deactivated already.")
        return
    sessions = counted(one.sessions, "session", "sessions")
    confirm(f"Deactivate {one.email} and end {sessions}?", yes=yes)
    ended = with_resources(state, lambda resources: deactivate_account(resources, user_id=one.id))
    if ended is None:
        raise CommandFailed(f"{one.email} was changed by somebody else meanwhile.")
    talk(f"Deactivated {one.email}. Undo it with: madar users activate {one.id}")


@users.command(epilog="Example: madar users activate amal@example.com")
@_who
@state_option
def activate(*, who: str, state: State) -> None:
    """Let somebody sign in again; all is as they left it."""
    from madar.actions.users import activate_account

    one = _find(state, who)
    if one.is_active:
        talk(f"{one.email} is active already.")
        return
    if not with_resources(state, lambda resources: activate_account(resources, user_id=one.id)):
        raise CommandFailed(f"{one.email} was changed by somebody else meanwhile.")
    talk(f"Activated {one.email}: they can sign in again.")


@users.command(epilog="Example: madar users delete amal@example.com")
@_who
@yes_option
@state_option
def delete(*, who: str, yes: bool, state: State) -> None:
    """Delete an account and everything in it, for good.

    As the person's own deletion does: gone for everybody at once; a worker removes the objects,
    and what Fal has of them, within a minute, and the rows hours later.
    """
    from madar.actions.users import remove_account

    one = _find(state, who)
    pictures = one.completed + one.failed + one.unfinished + one.in_trash
    confirm(
        f"Delete {one.email} for good: {counted(pictures, 'picture', 'pictures')} "
        f"({one.unfinished:,} being made, {one.in_trash:,} in the trash), "
        f"{counted(one.uploads, 'upload', 'uploads')}, "
        f"{counted(one.sessions, 'session', 'sessions')}, "
        f"{as_text(one.picture_bytes + one.upload_bytes)} at least? It cannot be undone.",
        yes=yes,
    )
    with_resources(state, lambda resources: remove_account(resources, owner_id=one.id))
    talk("Deleted. A worker removes what is stored; see: madar jobs")


def _pictures_of(one: "Person") -> str:
    return (
        f"{one.completed:,} completed, {one.failed:,} failed, {one.unfinished:,} being made, "
        f"{one.in_trash:,} in the trash"
    )


def _find(state: State, who: str) -> "Person":
    from madar.db.users import get_person, list_people_called

    async def ask(conn: "Connection") -> "Person":
        found = await list_people_called(conn, called=who.strip())
        if len(found) > 1:
            ids = "\n".join(f"  {one.id}" for one in found)
            raise CommandFailed(f"{who} is the e-mail of several people; name one by id:\n{ids}")
        person = await get_person(conn, id=found[0].id) if found else None
        if person is None:
            hint = "Everybody whose e-mail has these letters: madar users list LETTERS"
            raise CommandFailed(f"Nobody has the e-mail or id “{who}”. {hint}")
        return person

    return with_database(state, ask)


def _listed(one: "ListedPerson") -> dict[str, Any]:
    return {
        "id": str(one.id),
        "email": one.email,
        "displayName": one.display_name,
        "isActive": one.is_active,
        "createdAt": one.created_at.isoformat(),
        "lastSeenAt": one.last_seen_at.isoformat() if one.last_seen_at else None,
        "pictures": one.pictures,
    }


def _document(one: "Person") -> dict[str, Any]:
    return {
        "id": str(one.id),
        "email": one.email,
        "displayName": one.display_name,
        "language": one.language,
        "isActive": one.is_active,
        "createdAt": one.created_at.isoformat(),
        "lastSeenAt": one.last_seen_at.isoformat() if one.last_seen_at else None,
        "sessions": one.sessions,
        "pictures": {
            "completed": one.completed,
            "failed": one.failed,
            "unfinished": one.unfinished,
            "inTrash": one.in_trash,
            "bytes": one.picture_bytes,
        },
        "uploads": {"count": one.uploads, "bytes": one.upload_bytes},
    }
