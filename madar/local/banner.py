"""What `madar dev` prints when everything is ready."""

from dataclasses import dataclass

import click

from madar import __version__
from madar.local.environment import Local

FULL_SPEED_S = 6  # what the simulator takes at Fal's pace: five seconds to draw, one to cut out
WIDTH = 78
LABEL = 11


@dataclass(frozen=True, kw_only=True)
class Facts:
    app_url: str
    database: str
    pictures: str
    logs: str
    speed: float
    faults: str
    ready_s: float
    port: int
    wanted_port: int
    port_owner: str


def compose_banner(facts: Facts, local: Local) -> str:
    head = f"Madar {__version__} · development"
    ready = f"ready in {facts.ready_s:.1f} s"
    rows = [
        ("Studio", f"{facts.app_url}/studio"),
        ("API", f"{facts.app_url}/docs"),
        ("Sign in", f"{facts.app_url}/api/auth/google/url in a browser{_where(local)}"),
        ("Database", facts.database),
        ("Pictures", facts.pictures),
        ("Images", _images(facts, local)),
        ("Logs", facts.logs),
    ]
    if local.simulator and not facts.faults:
        rows.append(("Try", "madar dev --faults flaky"))
    lines = [click.style(head, bold=True) + " " * (WIDTH - len(head) - len(ready)) + ready]
    lines += [f"  {click.style(name.ljust(LABEL), dim=True)}{text}" for name, text in rows]
    if facts.port != facts.wanted_port:
        taken = f"Port {facts.wanted_port} was taken by {facts.port_owner}"
        lines.append(f"{taken}, so this is on {facts.port}.")
    lines.append("Stop with Ctrl-C. Start over with: madar reset")
    return "\n".join(lines)


def _where(local: Local) -> str:
    return ", no account needed" if local.issuer else " to Google"


def _images(facts: Facts, local: Local) -> str:
    if not local.simulator:
        return "Fal, with your key: every picture is paid for"
    pace = f"about {FULL_SPEED_S / facts.speed:.0f} s each" if facts.speed else "without waiting"
    trouble = f", acting out: {facts.faults}" if facts.faults else ""
    return f"simulator, {pace}{trouble}"
