"""`madar jobs`: what is queued, running, waiting or stumbled, and a push where it is safe."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

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
from madar.commands.words import age, counted, moment, table
from madar.local.state import State

if TYPE_CHECKING:
    from madar.db.jobs import AttemptOf, Counted, Job, Picture, Queue, Unfinished
    from madar.db.sql import Connection
    from madar.resources import Resources

STATES = ("queued", "running", "waiting", "stumbled")
MAX_LISTED = 1000
WAITS_FOR = {
    "turn": "for a turn at Fal",
    "fal": "for Fal to finish",
    "proof": "for what became of a submission",
    "try": "for the next try",
}
_id = click.argument("job_id", metavar="ID", type=TEXT)


@click.group(invoke_without_command=True, epilog="Example: madar jobs")
@json_option
@state_option
@click.pass_context
def jobs(ctx: click.Context, *, as_json: bool, state: State) -> None:
    """Show what is queued, running, waiting or stumbled, and for how long.

    First the pictures that are being made, then the queue's jobs, which only wake workers: one that
    is lost delays a picture by seconds.
    """
    if ctx.invoked_subcommand:
        return
    pictures, queues = with_database(state, _overview)
    if as_json:
        document = {
            "pictures": [asdict(one) for one in pictures],
            "queues": [asdict(one) for one in queues],
        }
        click.echo(json.dumps(_in_camel_case(document)))
        return
    table(
        ("PICTURES", "", "COUNT", "OLDEST", "STUMBLED"),
        [
            (
                *(one.state, WAITS_FOR.get(one.waits_for or "", "")),
                *(f"{one.count:,}", age(one.oldest_s), f"{one.stumbled or '–'}"),
            )
            for one in pictures
        ],
    )
    if pictures and queues:
        click.echo()
    table(
        ("QUEUE", "TASK", "QUEUED", "RUNNING", "WAITING", "STUMBLED", "OLDEST"),
        [
            (
                *(one.queue_name, one.task_name),
                *(f"{n or '–'}" for n in (one.queued, one.running, one.waiting, one.stumbled)),
                "–" if one.oldest_s is None else age(one.oldest_s),
            )
            for one in queues
        ],
    )
    n = sum(one.count for one in pictures)
    talk(f"{counted(n, 'picture is', 'pictures are')} being made. Each of them: madar jobs list")


@jobs.command("list", epilog="Example: madar jobs list --only stumbled --json")
@click.option("--only", type=click.Choice(STATES), help="Those in this state.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, show_default=True)
@json_option
@state_option
def list_all(*, only: str | None, limit: int, as_json: bool, state: State) -> None:
    """List the pictures that are being made, the oldest first."""
    from madar.db.jobs import list_unfinished

    async def ask(conn: "Connection") -> "list[Unfinished]":
        return await list_unfinished(conn, of_state=only, n=limit + 1)

    found = with_database(state, ask)
    shown, has_more = found[:limit], len(found) > limit
    if as_json:
        document = {"jobs": [asdict(one) for one in shown], "hasMore": has_more}
        click.echo(json.dumps(_in_camel_case(document)))
        return
    table(
        ("ID", "STATE", "", "STYLE", "STEP", "AGE", "DUE IN", ""),
        [
            (
                *(str(one.id), one.state, WAITS_FOR.get(one.waits_for or "", "")),
                *(one.style, one.step, age(one.age_s)),
                age(one.due_s) if one.due_s > 0 else "now",
                "stumbled" if one.is_stumbled else "",
            )
            for one in shown
        ],
    )
    more = " There are more: --limit." if has_more else ""
    talk(f"{counted(len(shown), 'picture', 'pictures')}.{more}")


@jobs.command(epilog="Example: madar jobs show 0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10")
@_id
@json_option
@state_option
def show(*, job_id: str, as_json: bool, state: State) -> None:
    """Show a picture's way so far, or one of the queue's jobs.

    ID is a picture's id, or a job's number. What its person wrote is not shown.
    """
    job, picture, attempts = with_database(state, lambda conn: _find(conn, job_id))
    if as_json:
        found = asdict(picture) | {"attempts": [asdict(one) for one in attempts]} if picture else {}
        click.echo(json.dumps(_in_camel_case(asdict(job) if job else found)))
    elif picture:
        _show_picture(picture, attempts)
    elif job:
        for name, value in asdict(job).items():
            click.echo(f"{name.replace('_', ' '):13} {_shown(value)}")


@jobs.command(epilog="Example: madar jobs retry 0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10")
@_id
@yes_option
@state_option
def retry(*, job_id: str, yes: bool, state: State) -> None:
    """Push what waits or has failed, where nothing can be paid for twice by it.

    A picture under way is looked at now, with all of its tries before it; what was sent to Fal is
    never sent again by it. A failed one is asked for again as a new picture of its person, as they
    could themselves: it is paid for and counts for their limits. ID as in madar jobs show.
    """
    job, picture, _ = with_database(state, lambda conn: _find(conn, job_id))
    if picture is None:
        assert job
        _hurry_job(state, job)
    elif picture.deleted_at:
        raise CommandFailed("It is deleted. Nothing was changed.")
    elif picture.state == "completed":
        raise CommandFailed("It is completed. Nothing was changed.")
    elif picture.next_action_at:
        _hurry_picture(state, picture)
    else:
        _ask_again(state, picture, yes=yes)


async def _overview(conn: "Connection") -> "tuple[list[Counted], list[Queue]]":
    from madar.db.jobs import count_unfinished, list_queues

    return await count_unfinished(conn), await list_queues(conn)


async def _find(
    conn: "Connection", job_id: str
) -> "tuple[Job | None, Picture | None, list[AttemptOf]]":
    from madar.db.jobs import get_job, get_picture, list_attempts_of

    job, picture = None, None
    if job_id.isascii() and job_id.isdigit():
        job = await get_job(conn, id=min(int(job_id), 2**63 - 1))
    else:
        try:
            picture = await get_picture(conn, id=UUID(job_id))
        except ValueError:
            raise click.UsageError(f"“{job_id}” is neither an id nor a number.") from None
    if not job and not picture:
        raise CommandFailed(
            f"There is no job or picture {job_id}. A job that has ended is not kept. "
            "What there is: madar jobs list"
        )
    return job, picture, await list_attempts_of(conn, generation_id=picture.id) if picture else []


def _hurry_job(state: State, job: "Job") -> None:
    from madar.actions.hurrying import hurry_job

    if not with_resources(state, lambda resources: hurry_job(resources, id=job.id)):
        raise CommandFailed(
            f"Job {job.id} is {job.status}, so it cannot be pushed. A job only wakes a worker: "
            "push its picture instead, with the generation_id that madar jobs show tells."
        )
    talk(f"Job {job.id} is due now.")


def _hurry_picture(state: State, picture: "Picture") -> None:
    from madar.actions.hurrying import hurry_generation

    if not with_resources(state, lambda resources: hurry_generation(resources, id=picture.id)):
        owner = picture.lease_owner
        raise CommandFailed(f"A worker has it in hand ({owner}). Nothing was changed.")
    talk(f"Picture {picture.id} is due now.")


def _ask_again(state: State, picture: "Picture", *, yes: bool) -> None:
    from madar.actions.generations import retry_generation

    if picture.error_code == "cancelled":
        raise CommandFailed("Its person cancelled it. Nothing was changed.")
    if picture.asked_again_as:
        raise CommandFailed(f"It was asked for again already: {picture.asked_again_as}")
    confirm(f"It failed ({picture.error_code}). Ask for a new one, which is paid for?", yes=yes)

    async def act(resources: "Resources") -> str:
        answered, _ = await retry_generation(
            resources,
            owner_id=picture.user_id,
            id=picture.id,
            idempotency_key=f"operator {picture.id}",  # two of them pay once
        )
        return json.loads(answered.body)["id"]

    click.echo(with_resources(state, act))
    talk("Asked for again, as the picture above.")


def _show_picture(picture: "Picture", attempts: "list[AttemptOf]") -> None:
    failure = " ".join(filter(None, (picture.error_code, picture.fal_error)))
    held = f"in the hands of {picture.lease_owner}" if picture.is_held else "in nobody's hands"
    for name, value in (
        ("picture", str(picture.id)),
        ("of", str(picture.user_id)),
        ("style", picture.style),
        ("state", f"{picture.state}, at {picture.step}"),
        ("deleted", moment(picture.deleted_at)),
        ("failure", failure or "–"),
        ("worker", held if picture.next_action_at else "–"),
        ("next", moment(picture.next_action_at)),
        ("deadline", moment(picture.deadline_at)),
        ("asked for", moment(picture.created_at)),
        ("completed", moment(picture.completed_at)),
        ("stumbles", f"{picture.stumbles}, workers lost {picture.crashes}"),
    ):
        click.echo(f"{name:10} {value}")
    for one in attempts:
        ended = f", {one.error_type}" if one.error_type else ""
        click.echo(f"attempt {one.n}  {one.step}: {one.state}{ended}, Fal {one.request_id or '–'}")
        for word, at in (
            ("waiting since", one.waiting_since),
            ("sent", one.sent_at),
            ("accepted", one.accepted_at),
            ("announced", one.announced_at),
            ("resolved", one.resolved_at),
        ):
            if at:
                click.echo(f"           {word} {moment(at)}")


def _shown(value: object) -> str:
    from datetime import datetime

    if isinstance(value, datetime):
        return moment(value)
    return json.dumps(value) if isinstance(value, dict) else "–" if value is None else str(value)


def _in_camel_case(value: Any) -> Any:
    """Keys as on the wire; ids and times as text."""
    from datetime import datetime

    if isinstance(value, dict):
        return {_camel(key): _in_camel_case(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [_in_camel_case(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)
