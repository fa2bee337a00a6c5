"""The `madar` command: help, exit codes, and what it says when something is missing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from madar.cli import COMMANDS, cli
from madar.commands.dev import FAULTS
from madar.local.postgres import Server
from madar.local.state import Note, State
from madar.simulator.faults import FAULTS as SIMULATOR_FAULTS
from tests.local.processes import free_port

HEAVY = ("starlette", "pydantic", "psycopg", "httpx", "asyncio", "rich")
SECRET = "a-secret-that-nobody-may-see-0123456789"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "حالة with space")


def run(*arguments: str | Path, **variables: str | None) -> Result:
    cleared = {"APP_ENV": None, "NODE_ENV": None, "DATABASE_URL": None, "JWT_SECRET": None}
    return CliRunner(env=cleared | variables).invoke(cli, [str(word) for word in arguments])


def all_commands() -> Iterator[tuple[str, ...]]:
    context = click.Context(cli)
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.list_commands(context))


@pytest.mark.parametrize("words", [(), *all_commands()], ids=" ".join)
def test_help_of_each_command_has_an_example(words: tuple[str, ...]) -> None:
    result = run(*words, "--help")

    assert result.exit_code == 0
    assert f"Example: {' '.join(('madar', *words))}" in " ".join(result.output.split()) or (
        words[:1] == ("serve",) and "madar serve" in result.output
    )


def test_help_imports_nothing_heavy() -> None:
    modules = {place.partition(":")[0] for _, place in COMMANDS.values()}
    code = f"import sys, madar.cli, {', '.join(sorted(modules))}; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    assert not set(HEAVY) & set(loaded)


def test_version_names_program_and_python() -> None:
    assert run("--version").output.startswith("madar ")


def test_an_unknown_command_suggests_the_nearest() -> None:
    result = run("genrate")

    assert result.exit_code == 2
    assert "Did you mean: madar generate" in result.output


def test_an_unknown_fault_is_a_usage_fault() -> None:
    result = run("dev", "--faults", "flaky,tired")

    assert result.exit_code == 2
    assert "“tired” is not one of slow, flaky" in result.output


def test_faults_are_those_the_simulator_knows() -> None:
    assert set(FAULTS) == SIMULATOR_FAULTS


def test_dev_is_not_for_production(state: State) -> None:
    result = run("dev", "--state", state.folder, APP_ENV="production")

    assert result.exit_code == 3
    assert "madar serve" in result.stderr


def test_settings_never_shows_a_secret(state: State) -> None:
    plain = run("settings", "--state", state.folder, JWT_SECRET=SECRET)
    told = json.loads(run("settings", "--json", "--state", state.folder, JWT_SECRET=SECRET).stdout)

    assert SECRET not in plain.output
    assert not state.folder.exists()  # looking changes nothing
    assert told["JWT_SECRET"] == {"value": "set (39 characters)", "source": "JWT_SECRET"}
    assert told["FAL_WEBHOOK_SECRET"]["source"] == "madar dev"
    assert told["LEASE_S"] == {"value": "30.0", "source": "default"}


def test_production_without_settings_names_each_and_ends_with_3() -> None:
    result = run("settings", APP_ENV="production")

    assert result.exit_code == 3
    assert "DATABASE_URL is missing" in result.stderr
    assert "JWT_SECRET is missing" in result.stderr
    assert "Traceback" not in result.output


def test_doctor_goes_on_when_the_database_is_stopped(state: State) -> None:
    state.postgres.mkdir(parents=True)
    state.write_note(Note(pid=1, port=free_port(), simulator_port=free_port()))

    result = run("doctor", "--json", "--state", state.folder)

    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.exit_code == 2
    assert findings["Database"]["text"] == "the local PostgreSQL is stopped"
    assert findings["Storage"]["verdict"] == "ok"
    assert findings["Fal"]["verdict"] == "problem"
    assert findings["Arabic"]["verdict"] == "ok"
    assert all(found["next_step"] for found in findings.values() if found["verdict"] != "ok")


def test_styles_are_edited_and_checked_before(dsn: str) -> None:
    edit = ("styles", "edit", "voxel-3d")

    good = run(*edit, "--title", "Voxels", "--param", "parameters.n=[1]", DATABASE_URL=dsn)
    bad = run(*edit, "--title", " ", "--param", "prompt=3", DATABASE_URL=dsn)
    unclear = run(*edit, "--param", "prompt=abc", DATABASE_URL=dsn)

    shown = json.loads(run("styles", "show", "voxel-3d", "--json", DATABASE_URL=dsn).stdout)
    assert (good.exit_code, bad.exit_code, unclear.exit_code) == (0, 1, 2)
    assert shown["title"] == "Voxels"
    assert shown["fal_model_params"]["parameters"]["n"] == [1]
    assert "title must not be empty" in bad.stderr
    assert "prompt must be a text" in bad.stderr
    assert "a text needs quotes" in unclear.stderr
    assert "Voxels" in run("styles", "list", DATABASE_URL=dsn).stdout


def test_an_unknown_style_says_where_the_list_is(dsn: str) -> None:
    result = run("styles", "show", "voxel", DATABASE_URL=dsn)

    assert result.exit_code == 1
    assert "madar styles list" in result.stderr


def test_migrations_are_planned_applied_and_listed(postgres_server: Server) -> None:
    url = postgres_server.create_database("test_cli_migrate")

    planned = run("migrate", "plan", DATABASE_URL=url)
    applied = run("migrate", "up", DATABASE_URL=url)
    listed = json.loads(run("migrate", "status", "--json", DATABASE_URL=url).stdout)

    assert "CREATE TABLE generations" in planned.stdout
    assert "-- locks: ALTER TABLE procrastinate_jobs" in planned.stdout
    assert "0002 core" in applied.stdout
    assert all(row["appliedAt"] for row in listed)
    assert run("migrate", "plan", DATABASE_URL=url).stdout == ""


def test_a_database_that_does_not_answer_ends_with_4(state: State) -> None:
    result = run(
        "migrate", "status", "--state", state.folder, DATABASE_URL="postgresql://127.0.0.1:1/x"
    )

    assert result.exit_code == 4
    assert "madar doctor" in result.stderr


def test_without_a_database_migrate_says_how_to_get_one(state: State) -> None:
    result = run("migrate", "status", "--state", state.folder)

    assert result.exit_code == 3
    assert "madar dev" in result.stderr


def test_generate_says_when_nothing_answers() -> None:
    result = run("generate", "a red rocket", "--style", "voxel-3d", "--url", "http://127.0.0.1:1")

    assert result.exit_code == 4
    assert "Nothing answers at http://127.0.0.1:1" in result.stderr


def test_reset_asks_and_removes_only_what_is_ours(state: State) -> None:
    state.files.mkdir(parents=True)
    (state.files / "picture.png").write_bytes(bytes(2_000))
    (state.folder / "letter.txt").write_text("not ours")

    refused = CliRunner().invoke(cli, ["reset", "--state", str(state.folder)], input="n\n")
    assert refused.exit_code == 1
    assert "2 KB" in refused.output
    assert state.files.exists()

    assert run("reset", "--yes", "--state", state.folder).exit_code == 0
    assert not state.files.exists()
    assert (state.folder / "letter.txt").exists()


def test_reset_refuses_while_madar_runs(state: State) -> None:
    state.make()
    state.write_note(Note(pid=4121, port=8000, simulator_port=8900))
    with state.owned():
        result = run("reset", "--yes", "--state", state.folder)

    assert result.exit_code == 1
    assert "kill 4121" in result.stderr
    assert state.read_note()
