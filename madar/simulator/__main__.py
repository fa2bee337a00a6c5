"""`python -m madar.simulator`: the simulator as a process of its own."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import click
import uvicorn

from madar.simulator.app import create_simulator
from madar.simulator.config import GoogleClient, SimulatorConfig
from madar.simulator.faults import FAULTS

# Status streams stay open for as long as a picture takes.
_SHUTDOWN_S = 2


@click.command()
@click.option("--port", type=int, default=8099, show_default=True, help="0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--speed", type=click.FloatRange(min=0), default=1.0, help="0 waits for nothing.")
@click.option("--faults", default="", help=f"Of {', '.join(sorted(FAULTS))}; with commas.")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--max-side-px", type=click.IntRange(min=16), default=2048, show_default=True)
@click.option("--public-url", help="The address others use, where it is not the local one.")
@click.option("--client-id", help="Of the program that signs people in at /google.")
@click.option("--client-secret", default="")
@click.option("--redirect-uri", "redirect_uris", multiple=True)
@click.option("--exit-with-parent", is_flag=True, help="Stop when standard input ends.")
def main(
    *,
    port: int,
    host: str,
    directory: Path,
    speed: float,
    faults: str,
    concurrency: int,
    max_side_px: int,
    public_url: str | None,
    client_id: str | None,
    client_secret: str,
    redirect_uris: tuple[str, ...],
    exit_with_parent: bool,
) -> None:
    """Stand in for Fal, and for Google under /google, on one local address."""
    with socket.create_server((host, port)) as listener:
        local_url = f"http://{host}:{listener.getsockname()[1]}"
        config = SimulatorConfig(
            directory=directory,
            public_url=(public_url or local_url).rstrip("/"),
            speed=speed,
            faults=_fault_names(faults),
            concurrency=concurrency,
            max_side_px=max_side_px,
            google=GoogleClient(
                client_id=client_id, client_secret=client_secret, redirect_uris=redirect_uris
            )
            if client_id
            else None,
        )
        if exit_with_parent:
            threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()
        click.echo(f"simulator {local_url}")
        _serve(config, listener)


def _fault_names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := names - FAULTS:
        known = ", ".join(sorted(FAULTS))
        raise click.BadParameter(f"no such fault: {', '.join(sorted(unknown))}. There are: {known}")
    return names


def _follow_parent() -> None:
    """Standard input is a pipe that only the parent holds open: its end is the parent's end."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(config: SimulatorConfig, listener: socket.socket) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            create_simulator(config),
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
    )
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
