"""The command line beside a running product, as its operator has it."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from madar.cli import cli
from tests.product import Product

SETTINGS = (
    *("app_env", "app_url", "database_url", "storage_dir", "jwt_secret", "storage_provider"),
    *("trash_days", "quota_generations", "rate_limit_generations"),
)


def variables_of(product: Product) -> dict[str, str]:
    """The environment in which the operator's shell is."""
    told = {name: getattr(product.settings, name) for name in SETTINGS}
    told["quota_generations"] = told["rate_limit_generations"] = "1000/1d"
    return {name.upper(): str(value) for name, value in told.items()}


def run(product: Product, *words: object) -> Result:
    """There is no terminal."""
    environment: dict[str, str | None] = {**variables_of(product), "NODE_ENV": None}
    state = ("--state", str(Path(product.settings.storage_dir).parent / "state"))
    return CliRunner(env=environment).invoke(cli, [*map(str, words), *state])


def done(product: Product, *words: object) -> str:
    """What it said, where it succeeded."""
    result = run(product, *words)
    assert result.exit_code == 0, result.output
    return result.output


def told(product: Product, *words: object) -> Any:
    """What it answered for programs."""
    result = run(product, *words, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def refused_at_a_terminal(
    product: Product, monkeypatch: pytest.MonkeyPatch, *words: object
) -> None:
    """Somebody sits there, is asked, and says no."""
    master, slave = os.openpty()
    os.write(master, b"n\n")
    with open(slave) as stdin, monkeypatch.context() as patched:  # noqa: PTH123 - a descriptor
        for name, value in variables_of(product).items():
            patched.setenv(name, value)
        patched.setattr(sys, "stdin", stdin)
        with pytest.raises(click.Abort):
            cli.main([*map(str, words)], prog_name="madar", standalone_mode=False)
    os.close(master)
