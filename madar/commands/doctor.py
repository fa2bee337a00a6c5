"""`madar doctor`: everything checked, nothing changed, a next step beside each fault."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from dataclasses import asdict

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import talk
from madar.local.state import State

BROKEN = 2
SIGNS = {
    "ok": click.style("✓", fg="green"),
    "warning": click.style("!", fg="yellow"),
    "problem": click.style("✗", fg="red"),
}


@click.command(epilog="Example: madar doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool, state: State) -> None:
    """Check everything and say what to do.

    Looks at Python, settings, database, storage, Fal, sign-in, clock and disk, whatever else is
    broken. Ends with 0 when all is well or nearly so, with 2 when something is broken.
    """
    from madar.commands.checks import find_all

    findings = list(find_all(state))
    problems = sum(finding.verdict == "problem" for finding in findings)
    warnings = sum(finding.verdict == "warning" for finding in findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(f"{SIGNS[finding.verdict]} {finding.name:9}  {finding.text}")
            if finding.next_step:
                click.echo(f"             → {finding.next_step}")
        talk(f"Problems: {problems}. Warnings: {warnings}.")
    ctx.exit(BROKEN if problems else 0)
