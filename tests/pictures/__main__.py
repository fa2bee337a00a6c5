"""`python -m tests.pictures [hero] [studio]`: write docs/pictures anew; look at them afterwards."""
# ruff: noqa: T201 - it says what it wrote

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from madar.db import migrate
from madar.local import postgres
from madar.settings import ROOT
from tests.pictures import hero, studio
from tests.studio.site import Site, opened_site

FOLDER = ROOT / "docs" / "pictures"
KINDS = {"hero": hero.draw, "studio": studio.draw}


def main(wanted: list[str]) -> None:
    with _site() as site:
        for kind in wanted or KINDS:
            for path in KINDS[kind](site, FOLDER):
                print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


@contextlib.contextmanager
def _site() -> Generator[Site]:
    """At a size that people get, and at Fal's pace: a page shows work that goes on."""
    folder = Path(tempfile.mkdtemp(prefix="madar-pictures-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "pg")
    try:
        dsn = server.create_database("pictures")
        migrate.up(dsn)
        with opened_site(dsn=dsn, folder=folder, speed=4, max_side_px=1024) as site:
            yield site
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
