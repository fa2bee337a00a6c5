"""`madar start`, `madar serve` and `madar worker`: the processes of production."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import sys
from types import FrameType

import click

_exit_with_parent = click.option(
    "--exit-with-parent", is_flag=True, hidden=True, help="Stop at the end of standard input."
)
_beats_to = click.option(
    "--beats-to", type=int, hidden=True, help="Write a byte there while every loop lives."
)


@click.command(epilog="Example: madar start")
@click.option("--hung-after", type=float, default=30.0, hidden=True, help="Seconds of silence.")
def start(*, hung_after: float) -> None:
    """Run web and worker together, as the container does.

    A process that dies or hangs is started again; when one fails 5 times without living steadily
    in between, both end and the exit code is not 0. SIGTERM and SIGINT let both finish what they
    have in hand, within 25 seconds.
    """
    from madar.supervision import supervise

    sys.exit(supervise(hung_after_s=hung_after))


@click.command(epilog="Example: PORT=8080 madar serve")
@_exit_with_parent
@_beats_to
def serve(*, exit_with_parent: bool, beats_to: int | None) -> None:
    """Run the web process: REST, live progress and sign-in.

    Settings come from the environment (madar settings lists them). SIGTERM lets requests that
    are under way finish.
    """
    _prepare(exit_with_parent=exit_with_parent)
    from madar.app import serve as serve_app
    from madar.settings import load_settings

    sys.exit(serve_app(load_settings(), beats_to=beats_to))


@click.command(epilog="Example: madar worker")
@_exit_with_parent
@_beats_to
def worker(*, exit_with_parent: bool, beats_to: int | None) -> None:
    """Run the worker process: it draws, cuts out and stores the pictures.

    Start as many as needed. SIGTERM lets the step at hand finish; whatever is left, another
    worker continues.
    """
    _prepare(exit_with_parent=exit_with_parent)
    from jobs.__main__ import run
    from madar.settings import load_settings

    sys.exit(run(load_settings(), beats_to=beats_to))


def _prepare(*, exit_with_parent: bool) -> None:
    """One that hangs is ended by SIGABRT, and then writes where it hung.

    One that only just begins has nothing in hand yet, and ends well at once.
    """
    import faulthandler
    import signal

    faulthandler.enable()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    if exit_with_parent:
        from madar.local.lifeline import end_with_parent

        end_with_parent()


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)
