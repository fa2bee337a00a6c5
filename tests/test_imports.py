"""What a process must not load, and where SQL stands; the layers are import-linter's business."""

import subprocess
import sys

import pytest

from madar.settings import ROOT

LOADED = "import sys, {module}; print(*sorted(sys.modules))"


def loaded_by(module: str) -> set[str]:
    command = [sys.executable, "-c", LOADED.format(module=module)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return set(done.stdout.split())


def of(package: str, modules: set[str]) -> set[str]:
    return {name for name in modules if name == package or name.startswith(f"{package}.")}


@pytest.mark.parametrize("package", ["jobs", "madar.simulator", "madar.local", "madar.commands"])
def test_the_web_process_does_not_load(package: str, web: set[str]) -> None:
    assert of(package, web) == set()


@pytest.mark.parametrize("package", ["madar.api", "madar.app", "madar.simulator", "madar.local"])
def test_the_worker_does_not_load(package: str, worker: set[str]) -> None:
    assert of(package, worker) == set()


def test_neither_decodes_pictures_itself(web: set[str], worker: set[str]) -> None:
    assert of("pyvips", web | worker) == set()


def test_neither_loads_what_only_who_reports_to_sentry_needs(
    web: set[str], worker: set[str]
) -> None:
    assert of("sentry_sdk", web | worker) == set()


def test_what_decodes_pictures_starts_without_what_it_does_not_need() -> None:
    assert of("asyncio", loaded_by("madar.imaging.child")) == set()


@pytest.fixture(scope="module")
def web() -> set[str]:
    return loaded_by("madar.app")


@pytest.fixture(scope="module")
def worker() -> set[str]:
    return loaded_by("jobs.__main__")


def test_sql_stands_in_sql_files() -> None:
    for place in ("madar/api/*.py", "madar/actions/*.py", "jobs/*.py", "madar/domain/*.py"):
        for file in ROOT.glob(place):
            text = file.read_text(encoding="utf-8")
            for words in ("SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"):
                assert words not in text, file
