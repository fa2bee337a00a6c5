"""`madar doctor`: everything checked, nothing changed, a next step beside each fault."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from typing import TYPE_CHECKING, Any

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import TEXT, talk
from madar.local.state import State

if TYPE_CHECKING:
    from madar.commands.checks.findings import Finding

BROKEN = 2
SIGNS = {
    "ok": click.style("✓", fg="green"),
    "warning": click.style("!", fg="yellow"),
    "problem": click.style("✗", fg="red"),
    "skipped": click.style("–", dim=True),
}


@click.command(epilog="Example: madar doctor --production")
@click.argument("checks", nargs=-1, type=TEXT)
@click.option("--production", is_flag=True, help="As if APP_ENV were production.")
@click.option("--quick", is_flag=True, help="Ask nobody but the database.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
@click.pass_context
def doctor(
    ctx: click.Context,
    *,
    checks: tuple[str, ...],
    production: bool,
    quick: bool,
    as_json: bool,
    state: State,
) -> None:
    """Check everything, or just CHECKS, and say what to do.

    Looks at settings, database, Neon, storage, Google, Fal, Upstash, clock, disk and texts,
    whatever else is broken. Ends with 0 when all is well or nearly so, with 2 when something is
    broken.
    """
    import asyncio

    from madar.commands.checks.all import find_all
    from madar.commands.checks.findings import NAMES

    for name in checks:
        if name not in NAMES:
            raise click.UsageError(f"There is no check “{name}”, only: {', '.join(NAMES)}")
    found = asyncio.run(
        find_all(state, as_production=production, is_quick=quick, names=frozenset(checks))
    )
    problems = sum(finding.verdict == "problem" for finding in found)
    warnings = sum(finding.verdict == "warning" for finding in found)
    if as_json:
        findings = list(map(_document_of, found))
        told: dict[str, Any] = {"problems": problems, "warnings": warnings, "findings": findings}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _show(found)
        talk(f"Problems: {problems}. Warnings: {warnings}.")
    ctx.exit(BROKEN if problems else 0)


def _document_of(finding: "Finding") -> dict[str, str | None]:
    return {
        "name": finding.name,
        "verdict": finding.verdict,
        "text": finding.text,
        "nextStep": finding.next_step or None,
    }


def _show(found: "list[Finding]") -> None:
    from madar.commands.checks.findings import NAMES

    width = max(map(len, NAMES.values()))
    for finding in found:
        click.echo(f"{SIGNS[finding.verdict]} {NAMES[finding.name]:{width}}  {finding.text}")
        if finding.next_step:
            click.echo(f"  {'':{width}}  → {finding.next_step}")
