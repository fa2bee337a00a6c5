"""Each query has a property."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sql.recorder import ALL


def _held() -> Iterator[str]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.sql.{path.stem}")
        for name, test in vars(module).items():
            marks: list[Any] = getattr(test, "pytestmark", []) if name.startswith("test") else []
            for mark in marks:
                if mark.name == "holds":
                    yield from mark.args


def test_each_query_has_a_property() -> None:
    """That the property runs it, and that it finds something, is seen when it runs."""
    held = set(_held())

    assert held <= set(ALL), "no such query"
    missing = set(ALL) - held
    assert not missing, "write a property for each (docs/testing-sql.md)"
