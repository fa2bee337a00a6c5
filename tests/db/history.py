"""Which queries were in use before a migration came, as the history of this repository tells it."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from madar.db.migrate import MIGRATIONS
from madar.db.sql import Query, load
from madar.settings import ROOT

# The files before this one got their numbers after others that they now precede.
FIRST = "0010"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What came together: migrations, and by file and name the queries of the code before them."""

    versions: tuple[str, ...]
    queries: dict[tuple[str, str], Query]


def is_known() -> bool:
    """Not in an archive, nor in a clone of the newest commit alone."""
    try:
        return _git("rev-parse", "--is-shallow-repository").strip() == "false"
    except (OSError, subprocess.CalledProcessError):
        return False


def releases() -> Iterator[Release]:
    """The oldest first."""
    versions = [path.name[:4] for path in sorted(MIGRATIONS.glob("*.sql"))]
    for before, several in groupby((one for one in versions if one >= FIRST), _commit_before):
        yield Release(versions=tuple(several), queries=_queries_of(before))


def _commit_before(version: str) -> str:
    """What is not committed yet comes after all that is."""
    [path] = MIGRATIONS.glob(f"{version}_*.sql")
    added = _git("log", "--format=%H", "--diff-filter=A", "-1", "--", str(path)).strip()
    return f"{added}^" if added else "HEAD"


@cache
def _queries_of(commit: str) -> dict[tuple[str, str], Query]:
    archive = _git_bytes("archive", "--format=tar", commit, "sql/queries")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        return {
            (path.stem, name): query
            for path in sorted(Path(folder).rglob("*.sql"))
            for name, query in load(path).items()
        }


def _git(*words: str) -> str:
    return _git_bytes(*words).decode()


def _git_bytes(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True)
    return done.stdout
