"""The `madar` command: help, exit codes, and what it says when something is missing."""

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from madar.cli import COMMANDS, cli
from madar.commands.dev import FAULTS
from madar.local.environment import secrets_of
from madar.local.postgres import Server
from madar.local.state import Note, State
from madar.simulator.faults import FAULTS as SIMULATOR_FAULTS
from tests.product import Product

HEAVY = ("starlette", "pydantic", "psycopg", "httpx", "asyncio", "rich")
ROCKET = ("generate", "a red rocket", "--style", "voxel-3d")
NOWHERE = "http://127.0.0.1:1"
EDIT = ("styles", "edit", "voxel-3d")
SECRET = "a-secret-that-nobody-may-see-0123456789"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "حالة with space")


def run(*arguments: str | Path, **variables: str | None) -> Result:
    cleared = {"APP_ENV": None, "NODE_ENV": None, "DATABASE_URL": None, "JWT_SECRET": None}
    return CliRunner(env=cleared | variables).invoke(cli, [str(word) for word in arguments])


def edited(text: str, dsn: str) -> Result:
    """What an editor that leaves just this text behind makes of the style."""
    editor = (
        f'{sys.executable} -c \'import os, sys; open(sys.argv[1], "w").write(os.environ["TEXT"])\''
    )
    return run(*EDIT, "--editor", DATABASE_URL=dsn, EDITOR=editor, VISUAL=None, TEXT=text)


def shown(dsn: str) -> dict[str, Any]:
    return json.loads(run("styles", "show", "voxel-3d", "--json", DATABASE_URL=dsn).stdout)


class Html(BaseHTTPRequestHandler):
    """A server at the address that is not Madar."""

    def do_GET(self) -> None:
        self.send_response(404 if "missing" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def log_message(self, *_: Any, **__: Any) -> None: ...


@pytest.fixture
def html_url() -> Generator[str]:
    with HTTPServer(("127.0.0.1", 0), Html) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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
    here = {"source": "environment", "variable": "JWT_SECRET", "file": None}
    nowhere = {"source": "default", "variable": None, "file": None}
    assert told["JWT_SECRET"] == {"value": "set (39 characters)", **here}
    assert told["FAL_WEBHOOK_SECRET"]["source"] == "madar dev"
    assert told["LEASE_S"] == {"value": "30", **nowhere}


def test_settings_tells_where_each_comes_from_also_when_some_are_wrong(
    state: State, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("TRASH_DAYS=7\nFAL_KEY=a-key\n")
    (tmp_path / "jwt").write_text(SECRET)
    given = {"JWT_SECRET_FILE": str(tmp_path / "jwt"), "LEASE_S": "many", "TRASH_DAY": "8"}
    given["MADAR_ENV_FILE"] = str(tmp_path / ".env")

    wrong = run("settings", "--state", state.folder, **given)
    right = run("settings", "--state", state.folder, **given | {"LEASE_S": None})

    shown = " ".join(wrong.stdout.split())
    assert wrong.exit_code == 3
    assert "LEASE_S must be a number above 0" in " ".join(wrong.stderr.split())
    assert "LEASE_S many (environment)" in shown
    assert "TRASH_DAYS 7 (.env)" in shown
    assert "FAL_API_KEY set (5 characters) (.env: FAL_KEY)" in shown
    assert f"JWT_SECRET set (39 characters) (file: {tmp_path / 'jwt'})" in shown
    assert "PORT 8000 (madar dev)" in shown
    assert (right.exit_code, SECRET in wrong.output) == (0, False)


def test_settings_suggests_the_name_that_was_meant(state: State) -> None:
    result = run("settings", "--state", state.folder, GOOGLE_CLIENTID="x")

    assert result.exit_code == 0
    assert "GOOGLE_CLIENTID is no setting. Did you mean GOOGLE_CLIENT_ID?" in result.stderr


def test_production_without_settings_names_each_and_ends_with_3() -> None:
    result = run("settings", APP_ENV="production")

    assert result.exit_code == 3
    told = " ".join(result.stderr.split())
    assert "DATABASE_URL is missing" in told
    assert "JWT_SECRET is missing" in told
    assert "Traceback" not in result.output


def test_styles_are_edited_and_checked_before(dsn: str) -> None:
    good = run(*EDIT, "--title", "Voxels", "--param", "parameters.n=[1]", DATABASE_URL=dsn)
    bad = run(*EDIT, "--title", " ", "--param", "prompt=3", DATABASE_URL=dsn)
    unclear = run(*EDIT, "--param", "prompt=abc", DATABASE_URL=dsn)

    shown = json.loads(run("styles", "show", "voxel-3d", "--json", DATABASE_URL=dsn).stdout)
    assert (good.exit_code, bad.exit_code, unclear.exit_code) == (0, 1, 2)
    assert shown["title"] == "Voxels"
    assert shown["fal_model_params"]["parameters"]["n"] == [1]
    assert "title must not be empty" in bad.stderr
    assert "prompt must be a text" in bad.stderr
    assert "a text needs quotes" in unclear.stderr
    assert "Voxels" in run("styles", "list", DATABASE_URL=dsn).stdout


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("strength=-5", "strength must be a number from 0.01 to 1"),
        ("strength=1e999", "strength must be a number"),
        ("lora_scale=NaN", "lora_scale must be a number from 0 to 4"),
        ("lora_scale=true", "lora_scale must be a number"),
        ('loras=[1,"x"]', "loras must be a list of objects"),
        ('loras=[{"path":"a","scale":9}]', "loras must be a list of objects"),
        ('endpoint="../../evil"', "endpoint must be the path of a model"),
        ('image_endpoint="fal-ai/a..b"', "image_endpoint must be the path of a model"),
        (r'prompt="\u0000"', "prompt must be a text"),
        (r'prompt="\ud800"', "prompt must be a text"),
        ('prompt=" "', "prompt must be a text"),
        ("cutout=[]", "cutout must be null, or an object"),
        ('cutout={"endpoint":"fal-ai/birefnet/v2","parameters":3}', "cutout must be null"),
        ("parameters.n=Infinity", "parameters.n must be a finite number"),
        (r'parameters.n=["\u0000"]', "parameters.n.0 must not have the character 0"),
        ('parameters={"":1}', "parameters has a key that is empty"),
        (f"parameters.n={'[' * 30}{']' * 30}", "is nested too deeply"),
    ],
)
def test_a_param_no_picture_could_be_made_with_is_refused(param: str, words: str, dsn: str) -> None:
    result = run(*EDIT, "--param", param, DATABASE_URL=dsn)

    assert result.exit_code == 1
    assert words in result.stderr
    assert "fault in Madar" not in result.stderr


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("=1", "empty key"),
        ("parameters.=1", "empty key"),
        (f"prompt={'[' * 5000}", "nested too deeply"),
        (f"strength={'9' * 5000}", "4300 digits"),
    ],
)
def test_a_param_that_cannot_be_read_is_a_usage_fault(param: str, words: str, dsn: str) -> None:
    result = run(*EDIT, "--param", param, DATABASE_URL=dsn)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_style_may_go_without_a_cutout_and_use_loras(dsn: str) -> None:
    loras = 'loras=[{"path":"https://example.com/a.safetensors"}]'

    result = run(*EDIT, "--param", "cutout=null", "--param", loras, DATABASE_URL=dsn)

    assert result.exit_code == 0, result.output
    assert shown(dsn)["fal_model_params"]["cutout"] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not an object"),
        ("null", "not an object"),
        ("[" * 5000, "nested too deeply"),
        ('{"title": null}', "title must be a text"),
        (r'{"title": "\u0000"}', "title must not have control characters"),
        ('{"is_active": null}', "is_active must be true or false"),
        ('{"is_active": "no"}', "is_active must be true or false"),
        ('{"fal_model_params": null}', "fal_model_params must be an object"),
    ],
)
def test_what_the_editor_leaves_is_checked(text: str, words: str, dsn: str) -> None:
    result = edited(text, dsn)

    assert result.exit_code == 1
    assert "Nothing was changed" in result.stderr
    assert words in result.stderr
    assert shown(dsn)["is_active"] is True


def test_the_editor_changes_what_it_should(dsn: str) -> None:
    result = edited('{"is_active": false}', dsn)

    assert result.exit_code == 0, result.output
    assert shown(dsn)["is_active"] is False


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
    assert "-- locks nothing that is there" in planned.stdout
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


def test_only_for_this_machine_is_starting_madar_advised() -> None:
    here = run(*ROCKET, "--url", NOWHERE)
    elsewhere = run(*ROCKET, "--url", "http://127.0.0.2:1")

    assert "make run" in here.stderr
    assert elsewhere.exit_code == 4
    assert "make run" not in elsewhere.stderr


@pytest.mark.parametrize("url", ["http://[::1", "nonsense", "ftp://x", "http://"])
def test_an_address_that_is_none_is_a_usage_fault(url: str) -> None:
    result = run(*ROCKET, "--url", url)

    assert result.exit_code == 2
    assert "is no address" in result.stderr


@pytest.mark.parametrize("path", ["", "/missing"])
def test_a_server_that_is_not_madar_ends_with_4(html_url: str, path: str) -> None:
    result = run(*ROCKET, "--url", f"{html_url}{path}")

    assert result.exit_code == 4
    assert "not as Madar does" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "\udcff", "--style", "voxel-3d"),
        (*ROCKET, "--token", "\udcff"),
        (*ROCKET, "--token", "a\nb"),
        (*ROCKET, "--as", "\udcff"),
        (*ROCKET, "--color", "\udcff"),
        (*ROCKET, "--lang", "fr"),
        ("styles", "show", "\udcff"),
        (*EDIT, "--title", "\udcff"),
        (*EDIT, "--param", 'prompt="\udcff"'),
    ],
)
def test_an_argument_that_cannot_be_sent_is_a_usage_fault(words: tuple[str, ...]) -> None:
    result = run(*words)

    assert result.exit_code == 2
    assert "Invalid value" in result.stderr


def test_a_place_that_cannot_be_written_is_told_before_a_picture_is_made(tmp_path: Path) -> None:
    """Nothing answers at the address, so asking there would have ended with 4."""
    missing = run(*ROCKET, "--url", NOWHERE, "-o", tmp_path / "missing" / "c.png")
    no_folder = run(*ROCKET, "--url", NOWHERE, "-o", "/dev/null/c.png")

    assert (missing.exit_code, no_folder.exit_code) == (2, 2)
    assert f"there is no folder {tmp_path / 'missing'}" in " ".join(missing.stderr.split())


def test_a_picture_that_cannot_be_written_is_named(product: Product, tmp_path: Path) -> None:
    too_long = tmp_path / ("c" * 300)
    with product.working():
        result = run(*ROCKET, "--url", product.url, "-o", too_long)

    [row] = product.rows("SELECT id::text FROM generations")
    assert result.exit_code == 1
    assert row["id"] in result.stderr
    assert "File name too long" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
@pytest.mark.parametrize("words", ["--help", "--version", "settings"])
def test_a_full_disk_is_no_fault_of_madar(words: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "madar", words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == f"Reading or writing failed: {os.strerror(errno.ENOSPC)}\n"


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"jwt_secret": 5}', "no JSON"])
def test_broken_secrets_are_made_anew(state: State, content: str) -> None:
    state.make()
    state.secrets.write_text(content)

    result = run("settings", "--json", "--state", state.folder)

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["JWT_SECRET"]["value"].startswith("set")


def test_a_secret_that_is_there_is_kept(state: State) -> None:
    state.make()
    state.secrets.write_text(json.dumps({"jwt_secret": SECRET, "google_client_secret": ""}))

    secrets = secrets_of(state)

    assert secrets["jwt_secret"] == SECRET
    assert secrets["google_client_secret"]
    assert secrets["fal_webhook_secret"]


def test_a_speed_that_is_no_number_is_a_usage_fault(state: State) -> None:
    result = run("dev", "--speed", "nan", "--state", state.folder)

    assert result.exit_code == 2
    assert "not a number" in result.stderr


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
