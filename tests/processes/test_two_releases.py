"""The release before and this one on one database, each in its turn replaced under load."""

import asyncio
import tomllib
from itertools import count
from pathlib import Path

import pytest

from madar.local import postgres
from madar.settings import ROOT, Settings
from tests.local.processes import free_port
from tests.product import settings_for
from tests.rolling.crowd import Pace
from tests.rolling.releases import (
    THIS,
    Release,
    commit_before,
    files_of,
    sources_of,
    unpacked_wheel,
)
from tests.rolling.rollout import Load, Make, Outcome, roll
from tests.simulator.harness import Fal

USERS = 12
LINGER_S = 2.0
WELL_WITHIN_THE_DRAIN_S = 15
_numbers = count()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the commit before, or without a history of this one."""
    return sources_of(commit_before(), tmp_path_factory.mktemp("older") / "sources")


@pytest.fixture(scope="module")
def older(sources: Path) -> Release:
    return unpacked_wheel("the release before", sources, sources.with_name("installed"))


@pytest.fixture
def make(postgres_server: postgres.Server, fal: Fal, tmp_path: Path) -> Make:
    dsn = postgres_server.create_database(f"rolling_{next(_numbers)}")

    def make(url: str) -> Settings:
        storage, given = str(tmp_path / "files"), {"app_url": url, "linger_s": LINGER_S}
        return settings_for(dsn=dsn, fal=fal, port=free_port(), storage=storage, **given)

    return make


def test_there_is_a_commit_before_this_one() -> None:
    """Else the next test lets this release take over from itself."""
    if commit_before() is None:
        pytest.skip("no history here (git fetch --deepen=1): BOTH RELEASES ARE OF ONE COMMIT")


@pytest.mark.timeout(300)
def test_one_takes_over_and_gives_way_again_and_nothing_fails_or_is_lost(
    older: Release, make: Make, fal: Fal
) -> None:
    load = Load(users=USERS, pace=Pace(pause_s=0.4, make_every=3), steady_s=0.5)

    outcome = asyncio.run(roll(older, THIS, make, fal, load))

    assert not outcome.faults, "\n".join(outcome.faults[:50])
    assert max(outcome.drained_s) < WELL_WITHIN_THE_DRAIN_S
    assert outcome.tally.lost == 0
    assert_all_had_something_to_do(outcome)


def assert_all_had_something_to_do(outcome: Outcome) -> None:
    assert min(outcome.asked) >= USERS
    assert outcome.tally.made >= USERS
    assert outcome.tally.uploads >= USERS
    assert outcome.tally.closings[1012] >= USERS


def test_a_wheel_holds_every_file_of_its_release(older: Release, sources: Path) -> None:
    assert files_of(older.folder) == files_of(sources)


def test_every_kind_of_file_is_named_for_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = set(project["tool"]["setuptools"]["package-data"]["*"])

    kinds = {f"*{Path(name).suffix}" for name in files_of(ROOT)} - {"*.py"}

    assert kinds - named == set()
