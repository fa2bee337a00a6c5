"""The long form of tests/processes/test_two_releases.py: `make rolling`."""

import asyncio
import statistics
import tempfile
from pathlib import Path

import click

from madar.local import postgres
from madar.settings import Settings
from tests.local.processes import free_port
from tests.product import settings_for
from tests.rolling.crowd import Pace
from tests.rolling.releases import THIS, commit_before, sources_of, unpacked_wheel
from tests.rolling.rollout import Load, Make, Outcome, roll
from tests.simulator.harness import GOOGLE, Fal, Process


@click.command()
@click.option("--users", type=int, default=100, show_default=True)
@click.option("--times", type=int, default=1, show_default=True, help="There and back.")
@click.option("--pause", "pause_s", type=float, default=1.0, help="Of each, between requests.")
@click.option(
    "--make-every", type=int, default=6, help="Looks around for one that makes something."
)
@click.option("--steady", "steady_s", type=float, default=20.0, help="Before and after each.")
def main(*, users: int, times: int, pause_s: float, make_every: int, steady_s: float) -> None:
    """Let this release take over from the one before, and give way to it again."""
    commit = commit_before()
    click.echo(f"the older release: {commit or 'THIS COMMIT TOO, there is no history here'}")
    pace = Pace(pause_s=pause_s, make_every=make_every)
    load = Load(users=users, pace=pace, steady_s=steady_s)
    with tempfile.TemporaryDirectory(prefix="madar-rolling-") as made:
        folder = Path(made)
        older = unpacked_wheel(
            "the release before", sources_of(commit, folder / "older"), folder / "it"
        )
        server = postgres.start(folder / "pg")
        simulator = _simulator(folder / "simulator")
        try:
            with Fal(simulator.url) as fal:
                for number in range(times):
                    make = _make(server.create_database(f"madar_{number}"), fal, folder / "files")
                    _tell(asyncio.run(roll(older, THIS, make, fal, load)))
        finally:
            simulator.stop()
            server.stop()


def _simulator(folder: Path) -> Process:
    client = ("--client-id", GOOGLE.client_id, "--client-secret", GOOGLE.client_secret)
    return Process(
        folder,
        *("--speed", "5", "--concurrency", "20", "--max-side-px", "128"),
        *(*client, "--redirect-uri", GOOGLE.redirect_uris[0]),
    )


def _make(dsn: str, fal: Fal, storage: Path) -> Make:
    def make(url: str) -> Settings:
        """With the linger and the lease that production has."""
        given = {"app_url": url, "linger_s": 3, "lease_s": 30, "fal_concurrency": 20}
        return settings_for(dsn=dsn, fal=fal, port=free_port(), storage=str(storage), **given)

    return make


def _tell(outcome: Outcome) -> None:
    tally = outcome.tally
    took = statistics.quantiles(tally.took_s, n=100)
    click.echo(f"requests {tally.requests}, failed {len(outcome.faults)}")
    click.echo(f"generations {tally.made}, ends not told {tally.lost}; uploads {tally.uploads}")
    click.echo(f"answered after p50 {took[49]:.3f} s, p95 {took[94]:.3f} s, p99 {took[98]:.3f} s")
    click.echo(f"sockets closed, by code: {dict(tally.closings)}")
    click.echo(f"back with all they missed after {max(tally.away_s):.2f} s at the latest")
    click.echo(f"each process was asked for {outcome.asked}, and ended")
    click.echo(f"within {max(outcome.drained_s):.1f} s of its signal")
    for fault in outcome.faults[:50]:
        click.echo(f"  {fault}")


if __name__ == "__main__":
    main()
