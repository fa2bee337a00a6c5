"""README.md tells the truth: the settings table, the words of the tree, the curl lines."""

import os
import re
import subprocess
from pathlib import Path

from madar.api.routes import resources
from madar.local.state import State
from madar.settings import ROOT, Settings
from tests.local.processes import dev, free_port

README = (ROOT / "README.md").read_text(encoding="utf-8")
CURL = re.search(r"## First picture by curl\n\n```sh\n(.*?)```", README, re.DOTALL)


def test_the_settings_table_names_every_setting_and_no_other() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \|", README, re.MULTILINE)
    named = {name for cell, _ in rows for name in re.findall(r"`([A-Z_]+)`", cell)}

    aliases = {"NODE_ENV", "FAL_KEY"}
    assert named == {name.upper() for name in Settings.model_fields} | aliases


def test_the_defaults_in_the_table_are_the_defaults() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)`.*? \| `(.+?)` \|", README, re.MULTILINE)

    for name, told in rows:
        field = Settings.model_fields[name.lower()]
        default = field.default
        if isinstance(default, Path):
            default = default.relative_to(ROOT)
        if told.isupper():
            continue  # the default is another setting
        assert told == f"{default:g}" if isinstance(default, float) else told == str(default)


def test_the_table_of_the_api_is_the_api() -> None:
    rows = re.findall(r"^\| `(/api/\S*)` \| ([A-Z ]+) \|", README, re.MULTILINE)

    told = {path: set(methods.split()) for path, methods in rows}
    assert told == {one.path: set(one.operations) for one in resources}


def test_every_folder_of_the_tree_exists() -> None:
    tree = re.search(r"## Where things are\n\n```\n(.*?)```", README, re.DOTALL)
    assert tree

    folders = re.findall(r"^([a-z_/]+/)", tree[1], re.MULTILINE)
    assert len(folders) > 10
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_curl_lines_give_a_picture(open_folder: Path, tmp_path: Path) -> None:
    assert CURL
    lines = CURL[1].strip().splitlines()
    assert len(lines) <= 5
    state, port = State(open_folder / "state"), free_port()
    with dev(state, port=port) as running:
        running.wait_until_ready()

        _run("\n".join(lines).replace("localhost:8000", f"localhost:{port}"), tmp_path)

    assert (tmp_path / "rocket.png").read_bytes().startswith(b"\x89PNG")


def _run(script: str, folder: Path) -> None:
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "no_proxy": "*"}
    command = ["sh", "-euc", script]
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)
