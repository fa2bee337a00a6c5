"""sql/schema.sql: what the migrations make of an empty database, as pg_dump tells it.

`python -m madar.local.schema` writes it anew after a migration; a test holds it true.
"""

import re
import subprocess
import tempfile
from pathlib import Path

from madar.db import migrate
from madar.local import postgres
from madar.settings import ROOT

SCHEMA = ROOT / "sql" / "schema.sql"

# What differs from one pg_dump to another: its versions, and a key against injection into psql.
_NOISE = re.compile(r"^(-- Dumped (from|by) .*|\\(un)?restrict .*)\n", re.MULTILINE)


def dump_schema(url: str) -> str:
    """The same text for the same schema."""
    options = ("--schema-only", "--no-owner", "--no-privileges", "--restrict-key=madar")
    done = subprocess.run(
        [postgres.binary("pg_dump"), *options, url], check=True, capture_output=True, text=True
    )
    return re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", done.stdout)).strip() + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="madar-schema-") as folder:
        server = postgres.start(Path(folder) / "pg")
        try:
            url = server.create_database("madar")
            migrate.up(url)
            SCHEMA.write_text(dump_schema(url), encoding="utf-8")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
