"""Releases as wheels, each unpacked into a folder of its own; they share what is installed."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from madar.settings import ROOT, Settings, child_environment
from tests.faults.worker_process import environment_of

PARTS = ("madar", "jobs", "sql")
BUILD = (
    *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
    *("--no-deps", "--no-build-isolation", "--no-index"),
)
WHERE = "import madar.settings; print(madar.settings.ROOT)"


@dataclass(frozen=True, kw_only=True)
class Release:
    """Whatever is started in this folder by `python -m` is of this release."""

    name: str
    folder: Path

    def migrate(self, settings: Settings) -> None:
        command = (sys.executable, "-m", "madar", "migrate", "up")
        subprocess.run(
            command, cwd=self.folder, env=environment_of(settings), check=True, capture_output=True
        )


THIS = Release(name="this release", folder=ROOT)


def commit_before() -> str | None:
    """Its id; nothing where there is no history, as in a shallow clone."""
    try:
        command = ("git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", "HEAD~1^{commit}")
        found = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return found.stdout.strip() or None


def sources_of(commit: str | None, folder: Path) -> Path:
    """What the commit's wheel is made of; without one, what lies here."""
    folder.mkdir()
    if commit is None:
        shutil.copy(ROOT / "pyproject.toml", folder)
        for part in PARTS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        return folder
    archive = folder.with_suffix(".tar")
    command = ("git", "-C", str(ROOT), "archive", "--output", str(archive), commit)
    subprocess.run((*command, "pyproject.toml", *PARTS), check=True)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder


def unpacked_wheel(name: str, sources: Path, folder: Path) -> Release:
    """Built without a network, and seen to import itself."""
    wheels = folder.with_suffix(".wheels")
    subprocess.run((*BUILD, "--wheel-dir", str(wheels), str(sources)), check=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder)
    seen = subprocess.run(
        (sys.executable, "-c", WHERE),
        cwd=folder,
        env=child_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(seen.stdout.strip()) == folder.resolve(), f"{seen.stdout} is not {folder}"
    return Release(name=name, folder=folder)


def files_of(folder: Path) -> set[str]:
    """Of the product, as they lie below the folder."""
    found = (one for part in PARTS for one in (folder / part).rglob("*") if one.is_file())
    return {str(one.relative_to(folder)) for one in found if "__pycache__" not in one.parts}
