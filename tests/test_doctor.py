"""`madar doctor`: whatever is broken is named with the next step, and hides nothing else."""

import contextlib
import json
import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from madar.cli import cli
from madar.commands.checks import all as checks
from madar.commands.checks import neon
from madar.commands.checks.findings import NAMES
from madar.local import postgres
from madar.local.postgres import Server
from madar.local.state import Note, State
from madar.settings import Settings
from tests.buckets import BUCKET, S3
from tests.conftest import Start
from tests.local.processes import free_port
from tests.pooler import needs_pgbouncer, pooling
from tests.product import Product
from tests.simulator.harness import eventually

NOWHERE = "http://127.0.0.1:1"
SECRET = "hunter2-and-twenty-five-other-letters"
NEEDED = {
    "DATABASE_URL": f"postgresql://madar:{SECRET}@127.0.0.1:1/madar",
    "GOOGLE_CLIENT_ID": "madar-test",
    "GOOGLE_CLIENT_SECRET": SECRET,
    "GOOGLE_ISSUER": NOWHERE,
    "GOOGLE_REDIRECT_URI": "http://localhost:8000/api/auth/google/callback",
    "FAL_API_KEY": SECRET,
    "FAL_QUEUE_URL": NOWHERE,
    "FAL_API_URL": NOWHERE,
    "JWT_SECRET": SECRET,
    "FAL_WEBHOOK_SECRET": SECRET,
}
POOLED = f"postgresql://madar:{SECRET}@ep-cold-sun-1-pooler.eu.aws.neon.tech/madar?sslmode=require"
DIRECT = POOLED.replace("-pooler", "")

Findings = dict[str, list[dict[str, str | None]]]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def run(state: State, *words: str, **variables: str | None) -> Result:
    unset = dict.fromkeys((name.upper() for name in Settings.model_fields), None)
    given = {**unset, "NODE_ENV": None, "FAL_KEY": None, **variables}
    if variables and not given["STORAGE_DIR"]:
        given["STORAGE_DIR"] = str(state.files)
    return CliRunner(env=given).invoke(cli, ["doctor", "--state", str(state.folder), *words])


def examine(state: State, *words: str, **variables: str | None) -> tuple[int, Findings]:
    """The exit code, and what was found, by name."""
    result = run(state, "--json", *words, **variables)
    assert SECRET not in result.output
    told = json.loads(result.stdout)
    found: Findings = {}
    for finding in told["findings"]:
        assert (finding["verdict"] == "ok") == (finding["nextStep"] is None)
        found.setdefault(finding["name"], []).append(finding)
    verdicts = [finding["verdict"] for finding in told["findings"]]
    assert told["problems"] == verdicts.count("problem")
    assert told["warnings"] == verdicts.count("warning")
    assert result.exit_code == (2 if told["problems"] else 0)
    return result.exit_code, found


def variables_of(settings: Settings, **changed: str) -> dict[str, str]:
    """What a product of the tests would be started with."""
    names = ("app_url", "database_url", "google_client_id", "google_client_secret",
             "google_redirect_uri", "google_issuer", "jwt_secret", "fal_api_key", "fal_queue_url",
             "fal_api_url", "fal_jwks_url", "fal_account_id", "fal_webhook_secret",
             "storage_dir")  # fmt: skip
    return {name.upper(): str(getattr(settings, name)) for name in names} | changed


@dataclass
class StandIn:
    """Answers GET with a discovery document or keys, and POST as told; its clock may be wrong."""

    url: str = ""
    ahead: timedelta = timedelta()
    answer: tuple[int, dict[str, Any]] = (400, {"error": "invalid_grant"})
    asked: list[str] = field(default_factory=list[str])

    @property
    def documents(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }


@pytest.fixture
def stand_in() -> Generator[StandIn]:
    one = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, one.documents)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self._say(*one.answer)

        def _say(self, status: int, document: dict[str, Any]) -> None:
            one.asked.append(self.path)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
            return format_datetime(datetime.now(UTC) + one.ahead, usegmt=True)

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield one
        server.shutdown()
        thread.join()


@pytest.fixture
def stopped_database(open_folder: Path) -> str:
    """The address of a PostgreSQL that was there a moment ago."""
    port = free_port()
    server = postgres.start(
        open_folder / "pg", settings={"listen_addresses": "127.0.0.1", "port": str(port)}
    )
    server.stop()
    return f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/postgres"


def test_a_stopped_database_a_bad_bucket_key_and_a_wrong_clock_are_all_named(
    state: State, s3: S3, stand_in: StandIn, stopped_database: str
) -> None:
    stand_in.ahead = timedelta(seconds=400)
    bucket = {name.upper(): value for name, value in s3.settings.items()}
    urls = {"DATABASE_URL": stopped_database, "GOOGLE_ISSUER": stand_in.url}
    s3.believe(everybody=False)
    try:
        code, found = examine(state, **{**NEEDED, **bucket, **urls})
    finally:
        s3.believe(everybody=True)

    [database], [storage], [clock] = found["database"], found["storage"], found["clock"]
    assert code == 2
    assert [one["verdict"] for one in (database, storage, clock)] == ["problem"] * 3
    assert "Connection refused" in str(database["text"])
    assert database["nextStep"] == "start it, or correct host and port in DATABASE_URL"
    assert f"aws-s3 {BUCKET}: InvalidAccessKeyId" in str(storage["text"])
    assert "correct AWS_ACCESS_KEY_ID" in str(storage["nextStep"])
    assert f"s behind {stand_in.url}" in str(clock["text"])
    assert "NTP" in str(clock["nextStep"])
    assert found["listen"][0]["verdict"] == found["connections"][0]["verdict"] == "skipped"
    assert found["google"][0]["verdict"] == found["catalogues"][0]["verdict"] == "ok"
    assert list(found) == [name for name in NAMES if name not in {"neon", "clock"}] + ["clock"]


def test_where_all_is_well_it_ends_with_0(state: State, start: Start, s3: S3) -> None:
    product = start()
    redirect = product.settings.google_redirect_uri
    bucket = {name.upper(): value for name, value in s3.settings.items()}
    variables = variables_of(product.settings, CORS_ORIGINS="http://localhost:8000", **bucket)

    code, found = examine(state, **variables)
    in_words = run(state, "clock", **variables)

    faults = [one for some in found.values() for one in some if one["verdict"] == "problem"]
    assert faults == []
    assert code == 0
    assert "migrations current" in str(found["database"][0]["text"])
    assert found["listen"][0]["text"] == "a NOTIFY of DATABASE_URL is heard at DATABASE_URL"
    assert "web and worker of a machine open up to 28" in str(found["connections"][0]["text"])
    assert f"aws-s3 {BUCKET}: write, read, signed link, delete" in str(found["storage"][0]["text"])
    assert s3.pictures() == []
    assert f"leads back to {redirect}" in str(found["google"][0]["text"])
    assert "webhooks of madar-simulator are believed" in str(found["fal"][0]["text"])
    assert found["webhook"][0]["verdict"] == "warning", "Fal could not reach this machine"
    assert found["clock"][0]["verdict"] == "ok"
    assert [line.split()[1] for line in in_words.stdout.splitlines()] == ["Clock"]
    assert in_words.stderr == "Problems: 0. Warnings: 0.\n"


def test_what_fal_and_google_refuse_is_told(state: State, product: Product) -> None:
    settings = product.settings
    listed = {"CORS_ORIGINS": "http://localhost:8000 http://localhost:9"}
    names = ("google", "fal")

    _, bad_key = examine(state, *names, **variables_of(settings, **listed, FAL_API_KEY="bad:key"))
    _, locked = examine(state, *names, **variables_of(settings, **listed, FAL_API_KEY="locked"))
    wrong = variables_of(
        settings, **listed, GOOGLE_CLIENT_SECRET="wrong", FAL_JWKS_URL=settings.app_url
    )
    _, wrong_secret = examine(state, *names, **wrong)
    elsewhere = {"GOOGLE_REDIRECT_URI": "http://localhost:9/x", "FAL_ACCOUNT_ID": ""}
    _, wrong_redirect = examine(state, *names, **variables_of(settings, **listed, **elsewhere))

    assert "No user found for Key ID" in str(bad_key["fal"][0]["text"])
    assert "copy it anew" in str(bad_key["fal"][0]["nextStep"])
    assert "billing" in str(locked["fal"][0]["nextStep"])
    assert "do not belong together" in str(wrong_secret["google"][0]["text"])
    assert "FAL_JWKS_URL" in str(wrong_secret["fal"][0]["nextStep"])
    assert "http://localhost:9/x is not allowed" in str(wrong_redirect["google"][0]["text"])
    assert wrong_redirect["fal"][0]["text"] == "FAL_ACCOUNT_ID is not set"


def test_the_webhook_is_reached_where_madar_answers_and_nowhere_else(
    state: State, product: Product, stand_in: StandIn
) -> None:
    def webhook(url: str) -> dict[str, str | None]:
        """Without a key of Fal's it is the simulator that calls, and it may call this machine."""
        _, found = examine(state, "webhook", APP_URL=url)
        return found["webhook"][0]

    assert webhook(product.url)["verdict"] == "ok"
    assert "not as Madar does" in str(webhook(stand_in.url)["text"])
    assert webhook(NOWHERE)["nextStep"] == "start it: make run"


def test_settings_at_fault_hide_nothing_of_the_others(state: State, dsn: str) -> None:
    code, found = examine(
        state,
        "--production",
        **{
            **NEEDED,
            "DATABASE_URL": dsn,
            "PORT": "many",
            "JWT_SECRET": "x",
            "GOOGLE_CLIENT_ID": "",
        },
        TRASH_DAY="7",
    )

    told = {str(one["text"]).split()[0]: one["nextStep"] for one in found["settings"]}
    assert code == 2
    assert told["PORT"] == "such as 8000, the default"
    assert told["JWT_SECRET"] == "openssl rand -base64 32"
    assert told["TRASH_DAY"] == "rename it TRASH_DAYS"
    assert told["TRUSTED_PROXY"] == "name the proxy, unless there is none"
    assert found["database"][0]["verdict"] == "ok"
    assert found["storage"][0]["verdict"] == "ok"
    assert found["google"][0]["text"] == "not looked at without GOOGLE_CLIENT_ID"


def test_quick_asks_the_database_and_nobody_else(state: State, dsn: str, stand_in: StandIn) -> None:
    urls = dict.fromkeys(
        ("GOOGLE_ISSUER", "FAL_QUEUE_URL", "FAL_API_URL", "FAL_JWKS_URL", "APP_URL",
         "UPSTASH_REDIS_REST_URL", "AWS_ENDPOINT_URL"), stand_in.url)  # fmt: skip
    bucket = {"STORAGE_PROVIDER": "gcs", "AWS_BUCKET_NAME": "b", "AWS_ACCESS_KEY_ID": "k",
              "AWS_SECRET_ACCESS_KEY": SECRET, "UPSTASH_REDIS_REST_TOKEN": SECRET}  # fmt: skip
    redirect = {"GOOGLE_REDIRECT_URI": f"{stand_in.url}/api/auth/google/callback"}

    code, found = examine(
        state, "--quick", **{**NEEDED, **bucket, **urls, **redirect, "DATABASE_URL": dsn}
    )

    assert stand_in.asked == []
    assert code == 0
    assert {name for name, [one, *_] in found.items() if one["verdict"] == "skipped"} == {
        *("storage", "google", "fal", "webhook", "upstash"),
    }
    assert found["database"][0]["verdict"] == found["clock"][0]["verdict"] == "ok"


def test_another_databases_direct_address_is_not_heard(
    state: State, dsn: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from madar.commands.checks import database  # noqa: PLC0415

    monkeypatch.setattr(database, "HEARD_WITHIN_S", 0.3)
    other = postgres_server.create_database("test_doctor_other")
    urls = {"DATABASE_URL": dsn, "DATABASE_DIRECT_URL": other}

    _, found = examine(state, "listen", **{**NEEDED, **urls})

    [listen] = found["listen"]
    assert listen["verdict"] == "problem"
    assert "to another database than DATABASE_URL" in str(listen["text"])
    assert listen["nextStep"] == "give the server's own address"


def test_a_database_of_another_release_is_named(
    state: State, dsn: str, postgres_server: Server, conn: psycopg.Connection[Any]
) -> None:
    empty = postgres_server.create_database("test_doctor_empty")
    conn.execute("INSERT INTO schema_migrations (version, sha256, ms) VALUES ('9999', 'x', 1)")

    _, new = examine(state, "database", **{**NEEDED, "DATABASE_URL": empty})
    _, newer = examine(state, "database", **{**NEEDED, "DATABASE_URL": dsn})

    assert "migrations pending" in str(new["database"][0]["text"])
    assert new["database"][0]["nextStep"] == "madar migrate up"
    assert "9999" in str(newer["database"][0]["text"])


@pytest.mark.parametrize(
    ("usual", "direct", "verdict", "words"),
    [
        (POOLED, DIRECT, "ok", "ep-cold-sun-1, pooled and direct, database madar"),
        (DIRECT, "", "ok", "ep-cold-sun-1, direct"),
        (DIRECT, POOLED, "problem", "exchange DATABASE_URL and DATABASE_DIRECT_URL"),
        (POOLED, "", "problem", "set DATABASE_DIRECT_URL to the same address without -pooler"),
        (POOLED, POOLED, "problem", "take -pooler out of the host in DATABASE_DIRECT_URL"),
        (POOLED, DIRECT.replace("sun-1", "moon-2"), "problem", "two computes: ep-cold-sun-1 and"),
        (POOLED, DIRECT.replace("/madar?", "/other?"), "problem", "two databases: madar and other"),
        (POOLED, DIRECT.partition("?")[0], "warning", "add sslmode=require"),
    ],
)
def test_neons_two_addresses_are_told_apart(
    usual: str, direct: str, verdict: str, words: str
) -> None:
    [finding] = neon.judge(usual, direct, "")

    assert finding.verdict == verdict
    assert words in f"{finding.text} {finding.next_step}"
    assert SECRET not in f"{finding}"


@needs_pgbouncer
def test_behind_a_pooler_sessions_have_no_limits_until_the_role_has_them(
    state: State, dsn: str, open_folder: Path
) -> None:
    def session() -> dict[str, str | None]:
        return examine(state, "database", **variables)[1]["database"][-1]

    with pooling(dsn, open_folder, server_lifetime="1") as pooler:
        variables = {**NEEDED, "DATABASE_URL": pooler, "DATABASE_DIRECT_URL": dsn}
        before = session()
        migrated = CliRunner(env=variables).invoke(cli, ["migrate", "up"])
        after = eventually(lambda: one if (one := session())["verdict"] == "ok" else None)
        swapped = {**NEEDED, "DATABASE_URL": dsn, "DATABASE_DIRECT_URL": pooler}
        listens = examine(state, "listen", **swapped)[1]["listen"][0]

    assert before["verdict"] == "warning"
    assert "statement_timeout 0" in str(before["text"])
    assert str(before["nextStep"]).startswith("madar migrate up")
    assert migrated.exit_code == 0, migrated.output
    assert "migrations current" in str(after["text"])
    assert "unsupported startup parameter" in str(listens["text"])
    assert "the server's own address" in str(listens["nextStep"])


def test_neons_project_is_shown_only_where_neon_is() -> None:
    [at_neon] = neon.judge(POOLED, DIRECT, "old-hill-5")
    [elsewhere] = neon.judge("postgresql://db/madar", "", "old-hill-5")

    assert "project old-hill-5" in at_neon.text
    assert elsewhere.verdict == "warning"
    assert neon.judge("postgresql://db/madar", "", "") == []


def test_no_secret_is_told_whatever_somebody_says(state: State, stand_in: StandIn) -> None:
    variables = {**NEEDED, "UPSTASH_REDIS_REST_URL": stand_in.url}
    stand_in.answer = (401, {"error": f"who is {SECRET}"})

    _, found = examine(state, "upstash", **variables, UPSTASH_REDIS_REST_TOKEN=SECRET)

    assert "who is <" in str(found["upstash"][0]["text"])


def test_nor_the_part_of_an_address_that_is_secret_by_itself(
    state: State, stand_in: StandIn
) -> None:
    password = "of-this-database-alone"
    with_password = f"postgresql://madar:{password}@127.0.0.1/madar"
    variables = {**NEEDED, "DATABASE_URL": with_password, "UPSTASH_REDIS_REST_URL": stand_in.url}
    stand_in.answer = (401, {"error": f"who is {password}"})

    _, found = examine(state, "upstash", **variables, UPSTASH_REDIS_REST_TOKEN="another-one")

    assert "who is [hidden]" in str(found["upstash"][0]["text"])


def test_upstash_takes_the_token_or_is_named(state: State, stand_in: StandIn) -> None:
    variables = {**NEEDED, "UPSTASH_REDIS_REST_URL": stand_in.url, "UPSTASH_REDIS_REST_TOKEN": "t"}

    stand_in.answer = (200, {"result": "UE9ORw=="})  # PONG in Base64, as it is asked to answer
    _, well = examine(state, "upstash", **variables)
    stand_in.answer = (401, {"error": "WRONGPASS invalid or missing auth token"})
    _, refused = examine(state, "upstash", **variables)

    assert well["upstash"][0]["verdict"] == "ok"
    assert "WRONGPASS" in str(refused["upstash"][0]["text"])
    assert "UPSTASH_REDIS_REST_TOKEN" in str(refused["upstash"][0]["nextStep"])


def test_who_says_nothing_is_not_waited_for(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "WITHIN_S", 0.3)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        urls = {"GOOGLE_ISSUER": f"http://{address}", "DATABASE_URL": f"postgresql://{address}/x"}

        _, found = examine(state, "google", "database", **{**NEEDED, **urls})

    assert found["google"][0]["text"] == "no answer within 0.3 s"
    assert found["database"][0]["text"] == "no answer within 0.3 s"


@pytest.mark.parametrize(
    ("redirect", "words"),
    [
        ("http://localhost:8000/api/auth/callback", "its path must be /api/auth/google/callback"),
        ("https://stranger.test/signed-in", "whose origin is not listed"),
        ("localhost:8000/x", "write it like https://host/path"),
    ],
)
def test_a_redirect_address_nobody_would_see_is_named(
    state: State, redirect: str, words: str
) -> None:
    _, found = examine(state, "google", "--quick", **{**NEEDED, "GOOGLE_REDIRECT_URI": redirect})

    assert found["google"][0]["verdict"] == "problem"
    assert words in f"{found['google'][0]['text']} {found['google'][0]['nextStep']}"


def test_on_a_laptop_that_is_switched_off_it_says_how_to_start(state: State) -> None:
    state.postgres.mkdir(parents=True)
    state.write_note(Note(pid=1, port=free_port(), simulator_port=free_port()))

    code, found = examine(state)

    assert code == 2
    assert found["database"][0]["text"] == "the local PostgreSQL is stopped"
    assert found["fal"][0]["nextStep"] == "start it: make run"
    assert found["storage"][0]["verdict"] == found["catalogues"][0]["verdict"] == "ok"


def test_a_bucket_that_is_gone_and_settings_without_effect_are_named(state: State, s3: S3) -> None:
    bucket = {**NEEDED, **{name.upper(): value for name, value in s3.settings.items()}}
    s3.drop_bucket()
    _, gone = examine(state, "storage", **bucket)
    local = {**bucket, "STORAGE_PROVIDER": "local", "CDN_URL": "https://cdn.test"}
    _, unused = examine(state, "unused", **local)

    assert "NoSuchBucket" in str(gone["storage"][0]["text"])
    assert gone["storage"][0]["nextStep"] == "make the bucket, or correct AWS_BUCKET_NAME"
    assert "CDN_URL" in str(unused["unused"][0]["text"])
    assert "AWS_BUCKET_NAME" in str(unused["unused"][0]["text"])


def test_an_unknown_check_is_a_usage_fault(state: State) -> None:
    result = run(state, "databse")

    assert result.exit_code == 2
    assert "There is no check “databse”, only: python, settings, database" in result.stderr
