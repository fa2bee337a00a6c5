"""Settings: read once, every fault in one message, never a secret's value."""

from pathlib import Path
from typing import Any

import pytest

from madar.rate import Rate
from madar.settings import Settings, SettingsFault, load_settings, source_of

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
BUCKET = {
    "STORAGE_PROVIDER": "cloudflare-r2",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_BUCKET_NAME": "madar-pictures",
    "AWS_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com",
}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "node_env", "fal_key"):
        for spelling in (name, name.upper(), f"{name.upper()}_FILE"):
            monkeypatch.delenv(spelling, raising=False)


def load(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], **overrides: Any) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(overrides)


def refused(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> str:
    with pytest.raises(SettingsFault) as fault:
        load(monkeypatch, variables)
    told = str(fault.value)
    assert "hunter2" not in told
    assert fault.value.__cause__ is None, "the cause would show the values"
    assert fault.value.__suppress_context__
    return told


def test_with_what_is_needed_the_rest_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, NEEDED)

    assert (settings.app_env, settings.host, settings.port) == ("development", "127.0.0.1", 8000)
    assert settings.poll_min_s == 10
    assert settings.home_url == settings.app_url == "http://localhost:8000"
    assert settings.direct_url == str(settings.database_url) == NEEDED["DATABASE_URL"]


def test_everything_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, {})

    assert told.startswith("Madar cannot start:")
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
    assert source_of("jwt_secret") == "JWT_SECRET_FILE"
    assert source_of("port") == "default"


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
    assert (source_of("app_env"), source_of("fal_api_key")) == ("NODE_ENV", "FAL_KEY")


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
        assert f"{name}: must be like 100/15m" in told


def test_a_poolers_address_is_refused_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled = "postgresql://u:hunter2@ep-x-pooler.eu.aws.neon.tech/madar"
    direct = "postgresql://u:hunter2-pooler.x@ep-x.eu.aws.neon.tech/madar"

    only = refused(monkeypatch, {**NEEDED, "DATABASE_URL": pooled})
    assert "set DATABASE_DIRECT_URL to the same without -pooler in its host" in only
    both = refused(monkeypatch, {**NEEDED, "DATABASE_DIRECT_URL": pooled})
    assert "take -pooler out of its host" in both
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
def test_what_a_bucket_still_needs_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, provider: str, missing: tuple[str, ...]
) -> None:
    told = refused(monkeypatch, {**NEEDED, "STORAGE_PROVIDER": provider})

    [line] = [line for line in told.splitlines() if "STORAGE_PROVIDER" in line]
    assert line.startswith(f"  STORAGE_PROVIDER={provider} also needs AWS_BUCKET_NAME, ")
    assert line.endswith("; or STORAGE_PROVIDER=local keeps pictures in STORAGE_DIR")
    assert line.count("AWS_") == len(missing)
    assert all(name in line for name in missing)


def test_a_bucket_with_all_it_needs_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {**PRODUCTION, **BUCKET})

    assert settings.storage_provider == "cloudflare-r2"
    assert "hunter2" not in repr(settings)


def test_a_bucket_nobody_knows_is_named_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = refused(monkeypatch, {**NEEDED, **BUCKET, "STORAGE_PROVIDER": "s3"})

    assert "STORAGE_PROVIDER" in told
    assert "'aws-s3'" in told


def test_a_bucket_is_reached_by_https_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {**BUCKET, "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}

    assert load(monkeypatch, {**NEEDED, **plain}).aws_endpoint_url == "http://127.0.0.1:9000"
    told = refused(monkeypatch, {**PRODUCTION, **plain})

    assert "AWS_ENDPOINT_URL must start with https:// in production" in told


@pytest.mark.parametrize("url", ["account.r2.cloudflarestorage.com", "s3://bucket", "https://"])
def test_an_endpoint_is_an_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    told = refused(monkeypatch, {**NEEDED, **BUCKET, "AWS_ENDPOINT_URL": url})

    assert "AWS_ENDPOINT_URL must be like https://" in told


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
