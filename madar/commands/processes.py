"""`madar serve` and `madar worker`: the two processes of production."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import click

_exit_with_parent = click.option(
    "--exit-with-parent", is_flag=True, hidden=True, help="Stop at the end of standard input."
)


@click.command(epilog="Example: PORT=8080 madar serve")
@_exit_with_parent
def serve(*, exit_with_parent: bool) -> None:
    """Run the web process: REST, live progress and sign-in.

    Settings come from the environment (madar settings lists them). SIGTERM lets requests that
    are under way finish.
    """
    if exit_with_parent:
        from madar.local.lifeline import end_with_parent

        end_with_parent()
    from madar.app import serve as serve_app
    from madar.settings import load_settings

    serve_app(load_settings())


@click.command(epilog="Example: madar worker")
@_exit_with_parent
def worker(*, exit_with_parent: bool) -> None:
    """Run the worker process: it draws, cuts out and stores the pictures.

    Start as many as needed. SIGTERM lets the step at hand finish; whatever is left, another
    worker continues.
    """
    if exit_with_parent:
        from madar.local.lifeline import end_with_parent

        end_with_parent()
    from jobs.__main__ import run
    from madar.settings import load_settings

    run(load_settings())
