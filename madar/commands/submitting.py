"""`madar submitting`: whether anything is sent to Fal, and the reason that people read if not."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
import re
from typing import TYPE_CHECKING, Any

import click

from madar.commands.connecting import with_database, with_resources
from madar.commands.state_option import state_option
from madar.commands.terminal import TEXT, confirm, json_option, talk, yes_option
from madar.commands.words import age, counted, moment
from madar.local.state import State

if TYPE_CHECKING:
    from madar.db.sql import Connection
    from madar.db.turns import Gate
    from madar.resources import Resources

MAX_REASON_CHARACTERS = 300
ARABIC = re.compile(r"[\u0620-\u064a]")
WHY_CLOSED = {
    "key_refused": "Fal refuses the key or the account",
    "rate_limited": "Fal asks for fewer requests",
    "unreachable": "Fal cannot be reached",
}


@click.group(epilog="Example: madar submitting status")
def submitting() -> None:
    """Pause and resume sending work to Fal.

    What Fal has already is finished, new wishes are taken and wait, and none of them fails of it.
    """


def _to_reason(_: click.Context, param: click.Parameter, given: str) -> str:
    from madar.domain.texts import is_printable, is_visible

    reason = given.strip()
    if not any(map(is_visible, reason)):
        raise click.BadParameter("it is empty, and people are to read it")
    if len(reason) > MAX_REASON_CHARACTERS:
        raise click.BadParameter(f"at most {MAX_REASON_CHARACTERS} characters")
    if not is_printable(reason):
        raise click.BadParameter("it has characters that cannot be shown; one line of text")
    if param.name == "reason_ar" and not ARABIC.search(reason):
        raise click.BadParameter("it has no Arabic letters")
    return reason


@submitting.command(
    epilog='Example: madar submitting pause --reason-en "Fal has an outage; we go on soon."'
    ' --reason-ar "لدى Fal عطل، وسنتابع قريبًا."'
)
@click.option(
    "--reason-en", required=True, type=TEXT, callback=_to_reason, help="What people read, English."
)
@click.option(
    "--reason-ar", required=True, type=TEXT, callback=_to_reason, help="The same in Arabic."
)
@yes_option
@state_option
def pause(*, reason_en: str, reason_ar: str, yes: bool, state: State) -> None:
    """Send nothing more to Fal, and tell everybody who waits why.

    While it is paused, this changes the reason. No deadline of what waits runs meanwhile.
    """
    from madar.actions.turns import pause_submitting

    gate, waiting = with_database(state, _look)
    change = "Change the reason of the pause" if gate.paused_at else "Pause submitting to Fal"
    told = counted(waiting, "waiting picture", "waiting pictures")
    confirm(f"{change}? The people of {told} are told at once.", yes=yes)

    async def act(resources: "Resources") -> int:
        return len(await pause_submitting(resources, reason=reason_en, reason_ar=reason_ar))

    told = counted(with_resources(state, act), "picture waits", "pictures wait")
    talk(f"Paused: {told}. Go on with: madar submitting resume")


@submitting.command(epilog="Example: madar submitting resume")
@state_option
def resume(*, state: State) -> None:
    """Go on: every free place at Fal gets its picture at once.

    What waited gets back the time that the pause took from its deadline.
    """
    from madar.actions.turns import resume_submitting

    gate, _ = with_database(state, _look)
    if gate.paused_at is None:
        talk("Nothing was paused.")
        return

    async def act(resources: "Resources") -> int:
        return len(await resume_submitting(resources))

    talk(f"Resumed: {counted(with_resources(state, act), 'picture goes', 'pictures go')} on.")


@submitting.command(epilog="Example: madar submitting status --json")
@json_option
@state_option
def status(*, as_json: bool, state: State) -> None:
    """Tell whether work is sent to Fal, and what keeps it back."""
    gate, waiting = with_database(state, _look)
    if as_json:
        click.echo(json.dumps(_document(gate, waiting), ensure_ascii=False))
        return
    click.echo(_sentence(gate))
    if gate.paused_at:
        click.echo(f"  en: {gate.pause_reason}\n  ar: {gate.pause_reason_ar}")
    click.echo(f"Not sent yet: {counted(waiting, 'picture', 'pictures')}.")


async def _look(conn: "Connection") -> "tuple[Gate, int]":
    from madar.db.turns import count_waiting, get_gate

    return await get_gate(conn), await count_waiting(conn)


def _sentence(gate: "Gate") -> str:
    if gate.paused_at:
        return f"Paused since {moment(gate.paused_at)}."
    if gate.failing_since:
        why = WHY_CLOSED.get(gate.reason or "", gate.reason)
        next_try = f"The next try is in {age(gate.closed_s or 0)}."
        return f"Held back: {why}, since {moment(gate.failing_since)}. {next_try}"
    return "Work is sent to Fal as it comes."


def _document(gate: "Gate", waiting: int) -> dict[str, Any]:
    paused = gate.paused_at and {
        "since": gate.paused_at.isoformat(),
        "reasonEn": gate.pause_reason,
        "reasonAr": gate.pause_reason_ar,
    }
    held_back = gate.failing_since and {
        "since": gate.failing_since.isoformat(),
        "reason": gate.reason,
    }
    return {"paused": paused, "heldBack": held_back, "waiting": waiting}
