"""`madar dev`: everything on this machine, with one command."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import math
import time
from collections.abc import Generator
from contextlib import contextmanager

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import NOT_CONFIGURED, CommandFailed, talk
from madar.local.state import AlreadyRuns, State

SIMULATOR_PORT = 8900
LEFTOVERS_MAY_TAKE_S = 10
# The names are the simulator's, which nothing but its own process imports.
FAULTS = (
    *("slow", "flaky", "down", "refuse", "nsfw", "duplicate"),
    *("lost", "no-webhooks", "opaque"),
)


def _known_faults(_: click.Context, __: click.Parameter, text: str) -> str:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in FAULTS]:
        raise click.BadParameter(f"“{unknown[0]}” is not one of {', '.join(FAULTS)}")
    return ",".join(names)


def _not_nan(_: click.Context, __: click.Parameter, speed: float) -> float:
    """A range lets it through, because no comparison with it is true."""
    if math.isnan(speed):
        raise click.BadParameter("this is not a number")
    return speed


@click.command(epilog="Example: madar dev --port 8010 --faults flaky")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT",
    default=8000,
    show_default=True,
    help="Where the API answers; the next free one when it is taken.",
)
@click.option(
    "--faults",
    envvar="SIMULATOR_FAULTS",
    default="",
    callback=_known_faults,
    help=f"Act out bad days of Fal, with commas: {', '.join(FAULTS)}.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 100),
    envvar="SIMULATOR_SPEED",
    default=1.0,
    callback=_not_nan,
    show_default=True,
    help="Of the simulator: 1 is Fal's pace, 10 ten times faster, 0 waits for nothing.",
)
@state_option
def dev(*, port: int, faults: str, speed: float, state: State) -> None:
    """Start everything on this machine.

    A real PostgreSQL, the web and worker processes, and stand-ins for Fal and for Google's
    sign-in: no account and no key. What you have set in the environment wins, such as a
    FAL_API_KEY or a DATABASE_URL. Stop it with Ctrl-C.
    """
    from madar.settings import is_production_environment

    started_at = time.monotonic()
    if is_production_environment():
        raise CommandFailed(
            "APP_ENV is production, and madar dev is for development. "
            "Unset it, or start the processes of production: madar serve, madar worker",
            NOT_CONFIGURED,
        )
    with _owned(state):
        import asyncio

        from madar.local.children import end_leftovers
        from madar.local.development import Development, Plan
        from madar.local.ports import owner_of, reserved

        note = state.read_note()
        if note:
            end_leftovers(note.children, patience_s=LEFTOVERS_MAY_TAKE_S, say=talk)
        with (
            reserved(port) as free_port,
            reserved(note.simulator_port if note else SIMULATOR_PORT) as simulator_port,
        ):
            plan = Plan(
                state=state,
                port=free_port,
                wanted_port=port,
                port_owner=owner_of(port) if free_port != port else "",
                simulator_port=simulator_port,
                speed=speed,
                faults=faults,
                started_at=started_at,
            )
            asyncio.run(Development(plan, say=talk).run())
        talk("Stopped.")


@contextmanager
def _owned(state: State) -> Generator[None]:
    try:
        with state.owned():
            yield
    except AlreadyRuns as error:
        note = error.note
        where = f"on {note.url} (pid {note.pid})" if note else "and is just starting"
        stop = f", or: kill {note.pid}" if note else ""
        text = f"Madar already runs in this folder {where}.\nStop it there with Ctrl-C{stop}"
        raise CommandFailed(text) from None
