"""The two commands, called as from a shell with a product's settings in the environment."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from starlette.datastructures import Secret

from madar.cli import cli
from madar.settings import Settings
from tests.product import settings_for
from tests.simulator.harness import Fal


def run(settings: Settings, *words: str | Path) -> Result:
    """Nobody is there to answer a question."""
    given = {name: getattr(settings, name) for name in type(settings).model_fields}
    texts = {n: str(value) for n, value in given.items() if isinstance(value, (str, Secret, Path))}
    variables: dict[str, str | None] = {n.upper(): text or None for n, text in texts.items()}
    return CliRunner(env=variables).invoke(cli, [str(word) for word in words])


def plain_settings(url: str, folder: Path) -> Settings:
    """Of a place where nobody speaks with Fal."""
    with Fal("http://127.0.0.1:1") as nobody:
        return settings_for(dsn=url, fal=nobody, port=1, storage=str(folder))


def moved(settings: Settings, url: str, folder: Path) -> Settings:
    return settings.model_copy(update={"database_url": Secret(url), "storage_dir": folder})


def silent(*_: Any, **__: Any) -> None:
    """Nobody watches how far it is."""
