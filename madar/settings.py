"""Everything that can be set from outside, read once; nothing else reads the environment."""

import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from starlette.datastructures import Secret

from madar.rate import Rate, parse_rate

ROOT = Path(__file__).resolve().parent.parent
MIN_SECRET_BYTES = 32
MIN_DIFFERENT_BYTES = 10
FRONTEND_DEV_SERVER = "http://localhost:3000"
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - refused, not bound
PLATFORMS = ("none", "fly", "railway")
Provider = Literal["local", "aws-s3", "cloudflare-r2", "gcs", "azure"]
LOCAL_VALUES = {
    "fal_api_key": "local:simulator",
    "fal_account_id": "madar-simulator",
    "google_client_id": "madar-local",
}
# Not a whole top-level domain, and not a number.
_HOST_OR_SUFFIX = re.compile(r"\.?([a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{1,62}")
_HTTPS_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")


def _split(value: object) -> object:
    return tuple(filter(None, value.replace(",", " ").split())) if isinstance(value, str) else value


def _secret(value: object) -> object:
    return Secret(value.strip()) if isinstance(value, str) else value


def _rate(value: object) -> object:
    return parse_rate(value.strip()) if isinstance(value, str) else value


def trusted_networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """The networks of `TRUSTED_PROXY`; not the whole internet. Raises ValueError."""
    networks = tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())
    if not all(network.prefixlen for network in networks):
        raise ValueError("whoever reaches this port is no proxy of ours")
    return networks


def _proxy(value: object) -> object:
    try:
        if value in PLATFORMS or trusted_networks(str(value)):
            return value
    except ValueError:
        pass
    raise ValueError("none, fly, railway, or networks: 10.0.0.0/8, fd00::/8 (host bits zero)")


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
SecretText = Annotated[Secret, BeforeValidator(_secret)]
RateText = Annotated[Rate, NoDecode, BeforeValidator(_rate)]
TrustedProxy = Annotated[str, BeforeValidator(_proxy)]


class SettingsFault(Exception):
    """Madar cannot start: each line of the message names a setting and its cure."""


class Settings(BaseSettings):
    """Frozen once built. Names are the environment's, in lower case."""

    model_config = SettingsConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    app_env: Literal["development", "production"] = Field(
        default="development", validation_alias=AliasChoices("app_env", "node_env")
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    app_url: str = "http://localhost:8000"
    frontend_url: str = ""
    trusted_proxy: TrustedProxy = "none"
    cookie_site: Literal["same", "cross"] = "same"
    cors_origins: Words = ("https://madar-ai.vercel.app", "https://madar.ai")

    database_url: SecretText = Secret("")
    database_direct_url: SecretText = Secret("")

    google_client_id: str = ""
    google_client_secret: SecretText = Secret("")
    google_redirect_uri: str = ""
    google_issuer: str = "https://accounts.google.com"
    jwt_secret: SecretText = Secret("")

    fal_api_key: SecretText = Field(
        default=Secret(""), validation_alias=AliasChoices("fal_api_key", "fal_key")
    )
    fal_queue_url: str = "https://queue.fal.run"
    fal_api_url: str = "https://api.fal.ai"
    fal_jwks_url: str = "https://rest.fal.ai/.well-known/jwks.json"
    fal_media_hosts: Words = ("fal.media", "v3.fal.media", "v3b.fal.media")
    fal_account_id: str = ""
    fal_concurrency: int = Field(default=2, ge=1, le=1000)
    fal_webhook_secret: SecretText = Secret("")
    translate_model: str = "google/gemini-2.5-flash"

    storage_provider: Provider = "local"
    storage_dir: Path = ROOT / ".madar" / "files"
    aws_access_key_id: str = ""
    aws_secret_access_key: SecretText = Secret("")
    aws_region: str = ""
    aws_bucket_name: str = ""
    aws_endpoint_url: str = ""
    cdn_url: str = ""
    rate_limit_api: RateText = parse_rate("100/15m")
    rate_limit_reads: RateText = parse_rate("3000/15m")
    rate_limit_sign_in: RateText = parse_rate("20/1m")
    rate_limit_generations: RateText = parse_rate("5/1m")
    quota_generations: RateText = parse_rate("200/1d")
    trash_days: float = Field(default=30, ge=0, le=3650)
    upstash_redis_rest_url: str = ""
    upstash_redis_rest_token: SecretText = Secret("")
    redis_url: SecretText = Secret("")
    analytics_api_key: SecretText = Secret("")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    worker_concurrency: int = Field(default=4, ge=1, le=64)
    poll_min_s: float = Field(default=10, gt=0)
    lease_s: float = Field(default=30, gt=0)
    submit_unknown_after_s: float = Field(default=600, gt=0)
    attempt_deadline_s: float = Field(default=900, gt=0)
    generation_deadline_s: float = Field(default=1800, gt=0)
    reconcile_every_s: float = Field(default=15, gt=0)
    loop_silence_s: float = Field(default=30, gt=0)
    metrics_port: int = Field(default=9091, ge=0, le=65534)

    simulator_speed: float = Field(default=1, ge=0)
    simulator_faults: Words = ()

    @property
    def is_production(self) -> bool:
        return self.app_env == "production"

    @property
    def direct_url(self) -> str:
        """For LISTEN and the queue, which a transaction pooler would silence."""
        return str(self.database_direct_url) or str(self.database_url)

    @property
    def unheard_fault(self) -> str:
        """What is wrong when LISTEN there is answered, and then nothing is heard."""
        if str(self.database_direct_url):
            return (
                "DATABASE_DIRECT_URL leads to a pooler that shares connections, or to another "
                "database than DATABASE_URL: no NOTIFY is heard; give the server's own address"
            )
        return (
            "DATABASE_URL leads to a pooler that shares connections, where no NOTIFY is heard; "
            "set DATABASE_DIRECT_URL to the server's own address"
        )

    @property
    def worker_metrics_port(self) -> int:
        """Beside the web process on one machine; 0 is nowhere."""
        return self.metrics_port and self.metrics_port + 1

    @property
    def home_url(self) -> str:
        """Where a browser goes after sign-in."""
        return self.frontend_url or self.app_url

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Origins whose pages may use the session cookie."""
        own = {self.app_url, self.frontend_url, *self.cors_origins} - {""}
        if not self.is_production:
            own.add(FRONTEND_DEV_SERVER)
        return frozenset(url.rstrip("/") for url in own)

    def webhook_token(self, attempt_id: UUID) -> str:
        """Only we can make it, so a webhook that carries it belongs to this attempt."""
        secret = str(self.fal_webhook_secret).encode()
        return hmac.new(secret, attempt_id.bytes, hashlib.sha256).hexdigest()

    @model_validator(mode="after")
    def _refuse_weak(self) -> Self:
        faults = [*_missing(self), *_unreadable(self), *_incomplete(self), *_insecure(self)]
        faults += [*_without_bucket(self), *_deaf(self)]
        if self.is_production:
            faults += _weak(self)
        if faults:
            raise ValueError("\n".join(faults))
        return self


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read environment, then overrides.

    Raises SettingsFault with every fault at once, never with a value.
    """
    given: dict[str, Any] = {**_from_files(), **(overrides or {})}
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = [_describe(fault["loc"], fault["msg"]) for fault in error.errors()]
        raise SettingsFault("Madar cannot start:\n" + "\n".join(lines)) from None


def source_of(name: str) -> str:
    """Where a setting comes from: the variable's name, or `default`."""
    known = {"app_env": ("APP_ENV", "NODE_ENV"), "fal_api_key": ("FAL_API_KEY", "FAL_KEY")}
    for variable in known.get(name, (name.upper(),)):
        for spelling in (variable, f"{variable}_FILE"):
            if os.environ.get(spelling):
                return spelling
    return "default"


def is_production_environment() -> bool:
    """Before any settings are built; what is only for a laptop refuses to be imported there."""
    return (os.environ.get("APP_ENV") or os.environ.get("NODE_ENV")) == "production"


def child_environment() -> dict[str, str]:
    """What programs started by `madar dev` inherit; settings reach them beside it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _from_files() -> dict[str, str]:
    """`NAME_FILE` holds the path of a file with the secret, as container platforms mount them."""
    twins: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        path = os.environ.get(f"{name.upper()}_FILE")
        if field.annotation is Secret and path:
            try:
                twins[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as error:
                fault = f"  {name.upper()}_FILE: {path} cannot be read ({type(error).__name__})"
                raise SettingsFault(f"Madar cannot start:\n{fault}") from error
    return twins


def _missing(settings: Settings) -> list[str]:
    needed = {
        "DATABASE_URL": str(settings.database_url),
        "GOOGLE_CLIENT_ID": settings.google_client_id,
        "GOOGLE_CLIENT_SECRET": str(settings.google_client_secret),
        "GOOGLE_REDIRECT_URI": settings.google_redirect_uri,
        "FAL_API_KEY": str(settings.fal_api_key),
        "JWT_SECRET": str(settings.jwt_secret),
        "FAL_WEBHOOK_SECRET": str(settings.fal_webhook_secret),
    }
    return [
        f"{name} is missing; set it (on a laptop, make run sets everything)"
        for name, value in needed.items()
        if not value
    ]


def _unreadable(settings: Settings) -> list[str]:
    """A mistyped address is named here, without its password; drivers would print it whole."""
    from psycopg import ProgrammingError  # noqa: PLC0415 (slow to import, and only used here)
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    faults: list[str] = []
    for name in ("database_url", "database_direct_url"):
        try:
            conninfo_to_dict(str(getattr(settings, name)))
        except ProgrammingError:
            faults.append(f"{name.upper()} cannot be read; postgresql://user:password@host/name")
    return faults


def _deaf(settings: Settings) -> list[str]:
    """Neon's pooler takes LISTEN and never delivers; it is known by its host's name."""
    from psycopg import ProgrammingError  # noqa: PLC0415 (slow to import, and only used here)
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        host = conninfo_to_dict(settings.direct_url).get("host")
    except ProgrammingError:  # which is a fault by itself
        return []
    if "-pooler." not in str(host):
        return []
    why = "is the address of Neon's pooler, behind which no NOTIFY is heard"
    if str(settings.database_direct_url):
        return [f"DATABASE_DIRECT_URL {why}; take -pooler out of its host"]
    return [f"DATABASE_URL {why}; set DATABASE_DIRECT_URL to the same without -pooler in its host"]


def _incomplete(settings: Settings) -> list[str]:
    url, token = settings.upstash_redis_rest_url, str(settings.upstash_redis_rest_token)
    if bool(url) != bool(token):
        return ["UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN go together; one is missing"]
    if url and not url.startswith(("https://", "http://")):
        return ["UPSTASH_REDIS_REST_URL must start with https://; it is not the redis:// address"]
    return []


def _without_bucket(settings: Settings) -> list[str]:
    """One line for all that is missing: with a part of it no picture can be kept."""
    provider = settings.storage_provider
    if provider == "local":
        return []
    needed = {
        "AWS_BUCKET_NAME": settings.aws_bucket_name,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": str(settings.aws_secret_access_key),
    }
    if provider == "aws-s3":
        needed["AWS_REGION"] = settings.aws_region
    if provider == "cloudflare-r2":
        needed["AWS_ENDPOINT_URL"] = settings.aws_endpoint_url
    faults: list[str] = []
    if missing := [name for name, value in needed.items() if not value]:
        other = "or STORAGE_PROVIDER=local keeps pictures in STORAGE_DIR"
        faults.append(f"STORAGE_PROVIDER={provider} also needs {', '.join(missing)}; {other}")
    url = urlsplit(settings.aws_endpoint_url)
    if settings.aws_endpoint_url and not (url.scheme in {"https", "http"} and url.hostname):
        faults.append("AWS_ENDPOINT_URL must be like https://<account>.r2.cloudflarestorage.com")
    return faults


def _insecure(settings: Settings) -> list[str]:
    """Browsers drop a SameSite=None cookie without Secure, and a Secure one over plain HTTP.

    They make an exception of this machine itself (Chromium 156 does).
    """
    url = urlsplit(settings.app_url)
    if settings.cookie_site == "cross" and url.scheme != "https" and url.hostname not in LOOPBACK:
        return ["COOKIE_SITE=cross needs an APP_URL with https://; browsers drop its cookie else"]
    return []


def _weak(settings: Settings) -> list[str]:
    faults: list[str] = []
    for name in ("jwt_secret", "fal_webhook_secret"):
        secret = str(getattr(settings, name)).encode()
        if len(secret) < MIN_SECRET_BYTES:
            faults.append(
                f"{name.upper()} is {len(secret)} bytes; {MIN_SECRET_BYTES} or more are needed: "
                "openssl rand -base64 32"
            )
        elif len(set(secret)) < MIN_DIFFERENT_BYTES:
            faults.append(f"{name.upper()} is easy to guess: openssl rand -base64 32")
    faults += [
        f"{name.upper()} is the local stand-in's; set your own"
        for name, value in LOCAL_VALUES.items()
        if str(getattr(settings, name)) == value
    ]
    faults += [
        f"CORS_ORIGINS and FRONTEND_URL must be like https://app.example, not {origin}"
        for origin in sorted(settings.allowed_origins)
        if not _HTTPS_ORIGIN.fullmatch(origin) or urlsplit(origin).hostname in LOOPBACK
    ]
    if any(host in LOOPBACK for host in settings.fal_media_hosts):
        faults.append("FAL_MEDIA_HOSTS may not name this machine")
    faults += [
        f"FAL_MEDIA_HOSTS must be like fal.media, or .fal.media for all below it, not {host}"
        for host in settings.fal_media_hosts
        if host not in LOOPBACK and not _HOST_OR_SUFFIX.fullmatch(host)
    ]
    if settings.simulator_faults:
        faults.append("SIMULATOR_FAULTS has no meaning in production; remove it")
    urls = ("app_url", "google_issuer", "google_redirect_uri")
    faults += [
        f"{name.upper()} must start with https:// in production"
        for name in (*urls, "fal_queue_url", "fal_api_url", "fal_jwks_url")
        if not str(getattr(settings, name)).startswith("https://")
    ]
    faults += [
        f"{name.upper()} must start with https:// in production"
        for name in ("upstash_redis_rest_url", "aws_endpoint_url")
        if str(getattr(settings, name)).startswith("http://")
    ]
    if not settings.fal_account_id:
        faults.append("FAL_ACCOUNT_ID is missing; webhooks are accepted for this account only")
    return faults


def _describe(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if not location:
        return "\n".join(f"  {line}" for line in text.splitlines())
    return f"  {str(location[0]).upper()}: {text}"
