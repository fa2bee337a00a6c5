"""Settings: read once, every fault in one message, never a secret's value."""

import random
from pathlib import Path
from typing import Any

import pytest

from madar.rate import Rate
from madar.settings import (
    Settings,
    SettingsFault,
    is_production_environment,
    load_settings,
    near_misses,
    source_of,
)

SECRET = "hunter2-and-twenty-five-other-letters"
NEEDED: dict[str, str] = {
    "DATABASE_URL": f"postgresql://madar:{SECRET}@db/madar",
    "GOOGLE_CLIENT_ID": "id",
    "GOOGLE_CLIENT_SECRET": SECRET,
    "GOOGLE_REDIRECT_URI": "https://api.madar.ai/api/auth/google/callback",
    "FAL_API_KEY": SECRET,
    "JWT_SECRET": SECRET,
    "FAL_WEBHOOK_SECRET": SECRET,
}
PRODUCTION = {
    **NEEDED,
    "APP_ENV": "production",
    "APP_URL": "https://api.madar.ai",
    "FAL_ACCOUNT_ID": "user_1",
}
BUCKET_KEY = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET}
BUCKET = {
    **BUCKET_KEY,
    "STORAGE_PROVIDER": "cloudflare-r2",
    "AWS_BUCKET_NAME": "madar-pictures",
    "AWS_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com",
}


# What somebody gets wrong in one setting, and what is said of it; "" is not set at all.
BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "a word for a number": ({"PORT": "hunter2"}, "PORT must be a whole number from 1 to 65535"),
    "a number too small": ({"LEASE_S": "-1"}, "LEASE_S must be a number above 0"),
    "no number at all": ({"POLL_MIN_S": "nan"}, "POLL_MIN_S must be a number above 0"),
    "an unknown choice": ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be debug, info, warning or error"),
    "a rate": ({"RATE_LIMIT_API": "many"}, "RATE_LIMIT_API must be like 100/15m"),
    "a proxy": ({"TRUSTED_PROXY": "0.0.0.0/0"}, "TRUSTED_PROXY must be none, fly, railway"),
    "nothing": ({"GOOGLE_CLIENT_ID": ""}, "GOOGLE_CLIENT_ID is missing → make a client at"),
    "nothing for production": ({"FAL_ACCOUNT_ID": ""}, "FAL_ACCOUNT_ID is missing"),
    "no address": ({"DATABASE_URL": "hunter2"}, "DATABASE_URL cannot be read → postgresql://"),
    "plain http": ({"GOOGLE_ISSUER": "http://x"}, "GOOGLE_ISSUER must start with https://"),
    "this machine": ({"APP_URL": "https://localhost"}, "APP_URL has https://localhost, which is"),
    "weak": ({"JWT_SECRET": "hunter2"}, "JWT_SECRET is 7 bytes; 32 or more are needed → openssl"),
    "an example": ({"GOOGLE_CLIENT_SECRET": "your-hunter2"}, "GOOGLE_CLIENT_SECRET is still an"),
    "the local one": ({"FAL_API_KEY": "local:simulator"}, "FAL_API_KEY is the local stand-in's"),
    "a quoted number": ({"METRICS_PORT": "'9091'"}, "METRICS_PORT has quotation marks around it"),
    "quoted": ({"FAL_WEBHOOK_SECRET": f'"{SECRET}"'}, "FAL_WEBHOOK_SECRET has quotation marks"),
    "half": ({"UPSTASH_REDIS_REST_TOKEN": SECRET}, "UPSTASH_REDIS_REST_URL is missing"),
    "no bucket": ({"STORAGE_PROVIDER": "gcs", **BUCKET_KEY}, "AWS_BUCKET_NAME is missing, and"),
    "misspelt": ({"TRASH_DAY": "7"}, "TRASH_DAY is no setting → rename it TRASH_DAYS"),
    "no file": ({"REDIS_URL_FILE": "/no"}, "REDIS_URL_FILE names /no, which cannot be read: No"),
    "two names": (
        {"NODE_ENV": "development"},
        "APP_ENV is set, and NODE_ENV to something else → unset one of them",
    ),
    "two": ({"ANALYTICS_API_KEY": "hunter2", "ANALYTICS_API_KEY_FILE": "/no"},
            "ANALYTICS_API_KEY is set, and ANALYTICS_API_KEY_FILE too → unset one of them"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "node_env", "fal_key"):
        for spelling in (name, name.upper(), f"{name.upper()}_FILE"):
            monkeypatch.delenv(spelling, raising=False)


@pytest.fixture
def dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MADAR_ENV_FILE", str(tmp_path / ".env"))
    return tmp_path / ".env"


def load(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], **overrides: Any) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(overrides)


def refused(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> str:
    with pytest.raises(SettingsFault) as fault:
        load(monkeypatch, variables)
    assert "hunter2" not in str(fault.value)
    assert fault.value.__cause__ is fault.value.__context__ is None, "those would show the values"
    assert "hunter2" not in repr(fault.value)
    return " ".join(str(fault.value).split())


@pytest.mark.parametrize("how", BROKEN)
def test_each_broken_setting_is_told_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    variables, words = BROKEN[how]

    told = refused(monkeypatch, {**PRODUCTION, **variables})

    assert told.startswith("Madar cannot start in production: 1 setting needs you.")
    assert words in told
    assert told.count(" → ") == 1


def test_any_five_broken_settings_are_told_in_one_message() -> None:
    chosen = random.Random(5)
    for _ in range(40):
        five = chosen.sample(sorted(BROKEN), 5)
        with pytest.MonkeyPatch.context() as monkeypatch:
            broken = {name: value for how in five for name, value in BROKEN[how][0].items()}
            told = refused(monkeypatch, {**PRODUCTION, **broken})

        assert "5 settings need you." in told
        assert told.count(" → ") == 5
        assert [how for how in five if BROKEN[how][1] not in told] == []


def test_one_of_the_wrong_kind_hides_nothing_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = refused(monkeypatch, {"PORT": "hunter2", "APP_ENV": "prod", "JWT_SECRET": "hunter2"})

    assert "APP_ENV must be development or production" in told
    assert "PORT must be a whole number" in told
    assert "DATABASE_URL is missing" in told
    assert "JWT_SECRET is 7 bytes" in told, "prod means production"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("GOOGLE_CLIENTID", "GOOGLE_CLIENT_ID"),
        ("DATBASE_URL", "DATABASE_URL"),
        ("DIRECT_DATABASE_URL", "DATABASE_DIRECT_URL"),
        ("database_url", "DATABASE_URL"),
        ("JWT_SECRT_FILE", "JWT_SECRET_FILE"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("FAL_KEYS", "FAL_KEY"),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    ],
)
def test_a_misspelt_name_is_recognized(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    monkeypatch.setenv(written, "hunter2")

    assert near_misses() == {written: meant}
    assert f"{written} is no setting → rename it {meant}" in refused(monkeypatch, {})


def test_other_programs_variables_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("API_URL", "PORTS", "HOSTNAME", "PGHOST", "AWS_PROFILE", "AWS_SESSION_TOKEN",
              "AWS_DEFAULT_REGION", "GOOGLE_API_KEY", "OPENAI_API_KEY", "POSTGRES_URL",
              "FLY_REGION", "RAILWAY_PUBLIC_DOMAIN", "RUST_LOG_LEVEL", "VITE_APP_URL",
              "TEST_DATABASE_URL", "NODE_OPTIONS", "DATABASE_URL_UNPOOLED")  # fmt: skip

    load(monkeypatch, {**PRODUCTION, **dict.fromkeys(others, "x")})

    assert near_misses() == {}


def test_a_name_like_that_of_a_setting_that_is_set_is_let_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(monkeypatch, {**PRODUCTION, "GOOGLE_CLIENTID": "old", "DATABASE_URL_2": "x"})


def test_on_a_laptop_a_misspelt_name_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, {**NEEDED, "TRASH_DAY": "7"})

    assert near_misses() == {"TRASH_DAY": "TRASH_DAYS"}


def test_a_dotenv_file_is_read_behind_the_environment(
    monkeypatch: pytest.MonkeyPatch, dotenv: Path
) -> None:
    dotenv.write_text(
        "# a comment\nexport PORT=9000 # of the web\nHOST='::1'\nNODE_ENV=production\n"
        'REDIS_URL="a$HOME b"\nVITE_X=1\n'
    )

    settings = load(monkeypatch, {**PRODUCTION, "HOST": "0.0.0.0"})

    assert (settings.port, settings.host, str(settings.redis_url)) == (9000, "0.0.0.0", "a$HOME b")
    found = {name: source_of(name) for name in ("port", "host", "lease_s")}
    assert {name: one and one.source for name, one in found.items()} == {
        "port": ".env",
        "host": "environment",
        "lease_s": None,
    }
    assert is_production_environment()


def test_a_dotenv_file_that_cannot_be_read_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, dotenv: Path
) -> None:
    none = refused(monkeypatch, NEEDED)
    dotenv.write_text("PORT=9000\nHOST\n'hunter2 = \n")
    lines = refused(monkeypatch, NEEDED)
    dotenv.write_bytes(b"PORT=\xff")
    no_text = refused(monkeypatch, NEEDED)

    assert f"MADAR_ENV_FILE names {dotenv}, which cannot be read: No such file" in none
    assert f"{dotenv} cannot be read in line 2 → write NAME=value" in lines
    assert f"{dotenv} cannot be read in line 3" in lines
    assert "which cannot be read: it is no text" in no_text


def test_everything_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, {})

    assert told.startswith("Madar cannot start: 7 settings need you.")
    for name in NEEDED:
        assert f"{name} is missing" in told


def test_a_value_of_the_wrong_kind_is_named_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"PORT": "hunter2", "LEASE_S": "-1", "APP_ENV": "hunter2", "LOG_LEVEL": "loud"}

    told = refused(monkeypatch, {**NEEDED, **bad})

    for name in bad:
        assert name in told


def test_production_refuses_what_is_weak_or_local(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = {
        "JWT_SECRET": "hunter2",
        "FAL_WEBHOOK_SECRET": "ٱ" * 15,
        "APP_URL": "http://api.madar.ai",
        "GOOGLE_ISSUER": "http://127.0.0.1:9",
        "GOOGLE_REDIRECT_URI": "http://x.test",
        "FAL_QUEUE_URL": "http://127.0.0.1:9",
        "FAL_API_URL": "http://127.0.0.1:9",
        "FAL_JWKS_URL": "http://127.0.0.1:9",
        "UPSTASH_REDIS_REST_URL": "http://127.0.0.1:9",
        "FAL_ACCOUNT_ID": "",
        "CORS_ORIGINS": "https://madar.ai, http://localhost:3000",
    }

    told = refused(monkeypatch, {**PRODUCTION, "UPSTASH_REDIS_REST_TOKEN": SECRET, **weak})

    for name in weak:
        assert name in told, name
    assert "JWT_SECRET is 7 bytes" in told
    assert "FAL_WEBHOOK_SECRET is 30 bytes" in told


@pytest.mark.parametrize(
    "hosts",
    [
        "localhost",
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        ".media",
        "media",
        ".",
        "fal.media:443",
        "*.fal.media",
    ],
)
def test_production_fetches_from_named_hosts_only(
    monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    assert "FAL_MEDIA_HOSTS" in refused(
        monkeypatch, {**PRODUCTION, "FAL_MEDIA_HOSTS": f"fal.media {hosts}"}
    )


def test_production_fetches_from_all_below_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**PRODUCTION, "FAL_MEDIA_HOSTS": "fal.media,.cdn.fal.media"})

    assert settings.fal_media_hosts == ("fal.media", ".cdn.fal.media")


def test_production_takes_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, PRODUCTION)

    assert settings.is_production
    assert settings.google_issuer == "https://accounts.google.com"


def test_the_weak_ones_are_fine_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**NEEDED, "JWT_SECRET": "x", "CORS_ORIGINS": "http://localhost"})

    assert "http://localhost" in settings.allowed_origins


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"  {SECRET}\n")
    without = {name: value for name, value in NEEDED.items() if name != "JWT_SECRET"}

    settings = load(monkeypatch, {**without, "JWT_SECRET_FILE": str(file)})

    assert str(settings.jwt_secret) == SECRET
    found = source_of("jwt_secret")
    assert found
    assert (found.source, found.variable, found.path) == ("file", "JWT_SECRET_FILE", str(file))


def test_a_file_for_the_other_name_of_a_secret_is_read_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    without = {name: value for name, value in NEEDED.items() if name != "FAL_API_KEY"}

    settings = load(monkeypatch, {**without, "FAL_KEY_FILE": str(file), "FAL_API_KEY": ""})

    assert str(settings.fal_api_key) == SECRET


def test_a_secret_in_a_file_that_is_of_no_use_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty, picture = tmp_path / "empty", tmp_path / "picture"
    empty.write_text("\n")
    picture.write_bytes(b"\xff\xd8")
    names = ("DATABASE_URL", "JWT_SECRET", "FAL_API_KEY", "GOOGLE_CLIENT_SECRET")
    paths = (empty, picture, tmp_path, tmp_path / "none")
    files = {f"{name}_FILE": str(path) for name, path in zip(names, paths, strict=True)}

    told = refused(monkeypatch, {**{name: NEEDED[name] for name in NEEDED.keys() - names}, **files})

    assert "4 settings need you" in told
    assert f"DATABASE_URL_FILE names {empty}, which is empty → write the secret into it" in told
    assert f"JWT_SECRET_FILE names {picture}, which cannot be read: it is no text" in told
    assert "which cannot be read: Is a directory → name the file in that folder" in told
    assert "No such file or directory → mount the secret there, or correct the path" in told


def test_a_secret_where_the_path_of_its_file_belongs_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = refused(monkeypatch, {**NEEDED, "REDIS_URL_FILE": SECRET})

    assert "REDIS_URL_FILE names what is no full path, which cannot be read" in told


def test_only_secrets_have_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("9000")

    assert load(monkeypatch, {**NEEDED, "PORT_FILE": str(file)}).port == 8000


def test_other_programs_names_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: value for name, value in PRODUCTION.items()
               if name not in {"APP_ENV", "FAL_API_KEY"}}  # fmt: skip

    settings = load(monkeypatch, {**without, "NODE_ENV": "production", "FAL_KEY": SECRET})

    assert settings.is_production
    assert str(settings.fal_api_key) == SECRET
    found = [source_of("app_env"), source_of("fal_api_key")]
    assert [one and one.variable for one in found] == ["NODE_ENV", "FAL_KEY"]


def test_overrides_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**NEEDED, "PORT": "9000"}, port=9001)

    assert settings.port == 9001


def test_lists_are_words_with_or_without_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**NEEDED, "FAL_MEDIA_HOSTS": "a.test, b.test  c.test,"})

    assert settings.fal_media_hosts == ("a.test", "b.test", "c.test")


def test_a_rate_is_how_many_in_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**NEEDED, "RATE_LIMIT_API": " 200/24h "})

    assert settings.rate_limit_api == Rate(limit=200, window_s=86400)
    assert settings.rate_limit_generations == Rate(limit=5, window_s=60)


def test_a_malformed_rate_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"RATE_LIMIT_API": "hunter2", "RATE_LIMIT_READS": "0/1m", "RATE_LIMIT_GENERATIONS": ""}

    told = refused(monkeypatch, {**NEEDED, **bad})

    for name in bad:
        assert f"{name} must be like 100/15m" in told


def test_a_poolers_address_is_refused_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled = "postgresql://u:hunter2@ep-x-pooler.eu.aws.neon.tech/madar"
    direct = "postgresql://u:hunter2-pooler.x@ep-x.eu.aws.neon.tech/madar"

    only = refused(monkeypatch, {**NEEDED, "DATABASE_URL": pooled})
    assert "DATABASE_DIRECT_URL is missing, and DATABASE_URL leads to Neon's pooler" in only
    assert "set it to the same address without -pooler in its host" in only
    both = {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": pooled}
    assert "take -pooler out of its host" in refused(monkeypatch, {**NEEDED, **both})
    swapped = {"DATABASE_URL": direct, "DATABASE_DIRECT_URL": pooled}
    assert "exchange it with DATABASE_URL" in refused(monkeypatch, {**NEEDED, **swapped})
    urls = {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": direct}
    assert load(monkeypatch, {**NEEDED, **urls}).direct_url == direct


@pytest.mark.parametrize(
    "given",
    [
        {"UPSTASH_REDIS_REST_URL": "https://x.upstash.io"},
        {"UPSTASH_REDIS_REST_TOKEN": SECRET},
        {"UPSTASH_REDIS_REST_URL": "rediss://x.upstash.io", "UPSTASH_REDIS_REST_TOKEN": SECRET},
    ],
)
def test_half_of_upstash_is_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    assert "UPSTASH_REDIS_REST_URL" in refused(monkeypatch, {**NEEDED, **given})


@pytest.mark.parametrize(
    ("provider", "missing"),
    [
        ("aws-s3", ("NAME", "KEY_ID", "ACCESS_KEY", "REGION")),
        ("cloudflare-r2", ("NAME", "KEY_ID", "ACCESS_KEY", "ENDPOINT_URL")),
        ("gcs", ("NAME", "KEY_ID", "ACCESS_KEY")),
        ("azure", ("NAME", "KEY_ID", "ACCESS_KEY")),
    ],
)
def test_what_a_bucket_still_needs_is_told_line_by_line(
    monkeypatch: pytest.MonkeyPatch, provider: str, missing: tuple[str, ...]
) -> None:
    told = refused(monkeypatch, {**NEEDED, "STORAGE_PROVIDER": provider})

    assert told.count(f" is missing, and STORAGE_PROVIDER is {provider}") == len(missing)
    assert all(f"{name} is missing" in told for name in missing)
    assert "or STORAGE_PROVIDER=local to keep pictures in STORAGE_DIR" in told


def test_a_bucket_with_all_it_needs_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**PRODUCTION, **BUCKET})

    assert settings.storage_provider == "cloudflare-r2"
    assert "hunter2" not in repr(settings)


def test_a_bucket_nobody_knows_is_named_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = refused(monkeypatch, {**NEEDED, **BUCKET, "STORAGE_PROVIDER": "s3"})

    assert "STORAGE_PROVIDER" in told
    assert "aws-s3, cloudflare-r2, gcs or azure" in told


def test_a_bucket_is_reached_by_https_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {**BUCKET, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}

    assert load(monkeypatch, {**NEEDED, **plain}).aws_endpoint_url == "http://127.0.0.1:9000"
    told = refused(monkeypatch, {**PRODUCTION, **plain})

    assert "AWS_ENDPOINT_URL must start with https:// in production" in told


@pytest.mark.parametrize("url", ["account.r2.cloudflarestorage.com", "s3://bucket", "https://"])
def test_an_endpoint_is_an_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    told = refused(monkeypatch, {**NEEDED, **BUCKET, "AWS_ENDPOINT_URL": url})

    assert "AWS_ENDPOINT_URL must be like https://" in told


@pytest.mark.parametrize("port", ["9091", "9092"])
def test_numbers_do_not_take_the_port_of_the_api(
    monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    told = refused(monkeypatch, {**NEEDED, "PORT": port})

    assert "METRICS_PORT and the port above it may not be PORT" in told


@pytest.mark.parametrize("dsn", [SECRET, f"https://{SECRET}", f"https://{SECRET}@sentry.io/a"])
def test_a_sentry_address_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    told = refused(monkeypatch, {**NEEDED, "SENTRY_DSN": dsn})

    assert "SENTRY_DSN cannot be read" in told
    assert SECRET not in told


def test_all_that_is_secret_is_known_also_by_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = "https://key@o1.ingest.sentry.io/12"
    given = {"SENTRY_DSN": dsn, "FAL_API_KEY": "an-id:the-secret-part"}
    settings = load(monkeypatch, {**NEEDED, **given})

    assert {SECRET, dsn, "the-secret-part", NEEDED["DATABASE_URL"]} <= set(settings.secrets)


def test_a_secret_never_prints_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, NEEDED)

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in f"{settings.model_dump()}"


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, NEEDED)

    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_webhook_token_belongs_to_one_attempt_and_one_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from uuid import UUID  # noqa: PLC0415

    settings = load(monkeypatch, NEEDED)
    other = load(monkeypatch, {**NEEDED, "FAL_WEBHOOK_SECRET": "x"})
    first, second = UUID(int=1), UUID(int=2)

    tokens = {settings.webhook_token(first), settings.webhook_token(second),
              other.webhook_token(first)}  # fmt: skip

    assert len(tokens) == 3
    assert settings.webhook_token(first) == settings.webhook_token(UUID(int=1))
