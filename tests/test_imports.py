"""What a process must not load, and who may know what; the layers are import-linter's business."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from madar.settings import ROOT

LOADED = "import sys, {module}; print(*sorted(sys.modules))"


def loaded_by(module: str) -> set[str]:
    command = [sys.executable, "-c", LOADED.format(module=module)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return set(done.stdout.split())


def of(package: str, modules: set[str]) -> set[str]:
    return {name for name in modules if name == package or name.startswith(f"{package}.")}


def imports_of(*places: str) -> dict[Path, set[str]]:
    """The modules that each file names, wherever in the file."""
    files = [file for place in places for file in sorted(ROOT.glob(place))]
    assert files
    found: dict[Path, set[str]] = {}
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        found[file] = {
            name
            for node in names
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
        }
    return found


@pytest.mark.parametrize("package", ["jobs", "madar.simulator", "madar.local", "madar.commands"])
def test_the_web_process_does_not_load(package: str, web: set[str]) -> None:
    assert of(package, web) == set()


@pytest.mark.parametrize("package", ["madar.api", "madar.app", "madar.simulator", "madar.local"])
def test_the_worker_does_not_load(package: str, worker: set[str]) -> None:
    assert of(package, worker) == set()


def test_neither_decodes_pictures_itself(web: set[str], worker: set[str]) -> None:
    assert of("pyvips", web | worker) == set()


@pytest.fixture(scope="module")
def web() -> set[str]:
    return loaded_by("madar.app")


@pytest.fixture(scope="module")
def worker() -> set[str]:
    return loaded_by("jobs.__main__")


def test_rules_and_errors_know_no_framework() -> None:
    frameworks = {"starlette", "pydantic", "psycopg", "httpx", "procrastinate", "obstore"}

    for file, names in imports_of("madar/domain/*.py", "madar/errors.py").items():
        assert not {name.split(".")[0] for name in names} & frameworks, file


def test_only_the_database_layer_and_the_listener_know_psycopg() -> None:
    for file, names in imports_of("madar/api/*.py", "madar/actions/*.py", "jobs/*.py").items():
        assert not {name for name in names if name.startswith("psycopg")}, file


def test_sql_stands_in_sql_files() -> None:
    for place in ("madar/api/*.py", "madar/actions/*.py", "jobs/*.py", "madar/domain/*.py"):
        for file in ROOT.glob(place):
            text = file.read_text(encoding="utf-8")
            for words in ("SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"):
                assert words not in text, file
