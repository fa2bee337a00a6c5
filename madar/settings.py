"""Everything that can be set from outside, read once, and whether Madar can start with it."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from starlette.datastructures import Secret

from madar.rate import Rate, parse_rate
from madar.settings_checks import check_together
from madar.settings_faults import Fault, SettingsFault
from madar.settings_sources import (
    QUOTES,
    Found,
    Outside,
    child_environment,
    is_production_environment,
    look_outside,
    read_secret,
)

__all__ = [
    "ROOT",
    "Settings",
    "SettingsFault",
    "child_environment",
    "is_given",
    "is_production_environment",
    "is_secret",
    "load_settings",
    "near_misses",
    "source_of",
    "trusted_networks",
]

ROOT = Path(__file__).resolve().parent.parent
FRONTEND_DEV_SERVER = "http://localhost:3000"
PLATFORMS = ("none", "fly", "railway")
Provider = Literal["local", "aws-s3", "cloudflare-r2", "gcs", "azure"]
_SENTRY_DSN = re.compile(r"https?://[^@/\s]+@[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[\w.-]+)*/[0-9]+")


def _split(value: object) -> object:
    return tuple(filter(None, value.replace(",", " ").split())) if isinstance(value, str) else value


def _secret(value: object) -> object:
    return Secret(value.strip()) if isinstance(value, str) else value


def _sentry_dsn(value: object) -> object:
    if isinstance(value, str) and value.strip() and not _SENTRY_DSN.fullmatch(value.strip()):
        raise ValueError("cannot be read; copy it from the project's settings in Sentry")
    return _secret(value)


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
    raise ValueError(
        "must be none, fly, railway, or networks: 10.0.0.0/8, fd00::/8 (host bits zero)"
    )


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
SecretText = Annotated[Secret, BeforeValidator(_secret)]
SentryDsn = Annotated[Secret, BeforeValidator(_sentry_dsn)]
RateText = Annotated[Rate, BeforeValidator(_rate)]
TrustedProxy = Annotated[str, BeforeValidator(_proxy)]


class Settings(BaseModel):
    """Frozen once built. Names are the environment's, in lower case."""

    model_config = ConfigDict(
        frozen=True,
        arbitrary_types_allowed=True,
        extra="ignore",
        str_strip_whitespace=True,
        allow_inf_nan=False,
    )

    app_env: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    app_url: str = "http://localhost:8000"
    frontend_url: str = ""
    trusted_proxy: TrustedProxy = "none"
    cookie_site: Literal["same", "cross"] = "same"
    cors_origins: Words = ("https://madar-ai.vercel.app", "https://madar.ai")

    database_url: SecretText = Secret("")
    database_direct_url: SecretText = Secret("")
    neon_project_id: str = ""

    google_client_id: str = ""
    google_client_secret: SecretText = Secret("")
    google_redirect_uri: str = ""
    google_issuer: str = "https://accounts.google.com"
    jwt_secret: SecretText = Secret("")

    fal_api_key: SecretText = Secret("")
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
    sentry_dsn: SentryDsn = Secret("")
    sentry_traces_sample_rate: float = Field(default=0.1, ge=0, le=1)

    worker_concurrency: int = Field(default=4, ge=1, le=64)
    poll_min_s: float = Field(default=10, gt=0)
    lease_s: float = Field(default=30, gt=0)
    submit_unknown_after_s: float = Field(default=600, gt=0)
    attempt_deadline_s: float = Field(default=900, gt=0)
    generation_deadline_s: float = Field(default=1800, gt=0)
    reconcile_every_s: float = Field(default=15, gt=0)
    loop_silence_s: float = Field(default=30, gt=0)
    linger_s: float = Field(default=3, ge=0, le=10)
    metrics_port: int = Field(default=9091, ge=0, le=65534)

    simulator_speed: float = Field(default=1, ge=0)
    simulator_faults: Words = ()

    @property
    def is_production(self) -> bool:
        return self.app_env == "production"

    @property
    def is_pooled(self) -> bool:
        """Whether DATABASE_URL is a pooler's: why else would there be another address."""
        return self.direct_url != str(self.database_url)

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

    @property
    def secrets(self) -> list[str]:
        """Each as it may turn up in an error: whole, and the part that is secret by itself."""
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 (slow to import)

        fields = type(self).model_fields.items()
        whole = [str(getattr(self, name)) for name, field in fields if field.annotation is Secret]
        urls = (str(self.database_url), str(self.database_direct_url))
        passwords = [str(conninfo_to_dict(url).get("password") or "") for url in urls]
        key = str(self.fal_api_key).partition(":")[2]
        return [secret for secret in (*whole, *passwords, key) if secret]

    def webhook_token(self, attempt_id: UUID) -> str:
        """Only we can make it, so a webhook that carries it belongs to this attempt."""
        secret = str(self.fal_webhook_secret).encode()
        return hmac.new(secret, attempt_id.bytes, hashlib.sha256).hexdigest()


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Whatever is set outside; overrides win.

    Raises SettingsFault with every fault at once, never with a value of a secret.
    """
    outside = look_outside()
    given, faults = _gather(outside)
    settings, wrong = _build({**given, **(overrides or {})})
    faults = [fault for fault in faults if fault.setting not in (overrides or {})]
    # One fault hides others of the same setting: they would mostly be its consequences.
    for more in (wrong, list(check_together(settings))):
        told = {fault.setting for fault in faults}
        faults += [fault for fault in more if fault.setting not in told]
    if faults or settings.is_production:
        faults = [*faults, *_misspelt(outside)]
    if faults:
        raise SettingsFault(faults, settings)
    return settings


def source_of(name: str) -> Found | None:
    """Where a setting is set, and how; None: nowhere, so it has its default."""
    outside = look_outside()
    found = outside.find(name)
    if not is_secret(name) or (found and found.value):
        return found
    return outside.find_file(name) or found


def is_given(name: str) -> bool:
    """Whether somebody set it to something."""
    found = source_of(name)
    return bool(found and (found.value or found.path))


def is_secret(name: str) -> bool:
    return Settings.model_fields[name].annotation is Secret


def near_misses() -> dict[str, str]:
    """Variables that look like a setting's name written wrong, and that name."""
    return look_outside().misspelt(Settings.model_fields)


def _gather(outside: Outside) -> tuple[dict[str, str], list[Fault]]:
    given: dict[str, str] = {}
    faults = list(outside.faults)
    for name in Settings.model_fields:
        found, fault = _look_up(outside, name)
        if found:
            given[name] = found.value
            if found.value[:1] in QUOTES and found.value[:1] == found.value[1:][-1:]:
                text = "has quotation marks around it, which count as a part of it"
                fix = "leave them out"
                faults.append(Fault(setting=name, variable=found.variable, text=text, fix=fix))
        if fault:
            faults.append(fault)
    return given, faults


def _look_up(outside: Outside, name: str) -> tuple[Found | None, Fault | None]:
    """A secret may come from a file instead."""
    found = outside.find(name)
    file = outside.find_file(name) if is_secret(name) else None
    if rivals := outside.rivals(name):
        return found, _ambiguous(name, rivals[0], f"{rivals[1]} to something else")
    if file is None:
        return found, None
    if found and found.value:
        return found, _ambiguous(name, found.variable, f"{file.variable} too")
    content = read_secret(file, name)
    return (None, content) if isinstance(content, Fault) else (content, None)


def _ambiguous(name: str, variable: str, other: str) -> Fault:
    text, fix = f"is set, and {other}", "unset one of them"
    return Fault(setting=name, variable=variable, text=text, fix=fix)


def _build(given: Mapping[str, Any]) -> tuple[Settings, list[Fault]]:
    """With the default for each value of the wrong kind, so that the rest can be looked at too."""
    try:
        return Settings(**given), []
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)
    wrong = {str(fault["loc"][0]): fault["msg"] for fault in told}
    usable = {name: value for name, value in given.items() if name not in wrong}
    if "app_env" in wrong and str(given["app_env"]).lower().startswith("prod"):
        usable["app_env"] = "production"
    return Settings(**usable), [_of_wrong_kind(name, text) for name, text in wrong.items()]


def _of_wrong_kind(name: str, said: str) -> Fault:
    field, found = Settings.model_fields[name], source_of(name)
    default = _written(field.default)
    return Fault(
        setting=name,
        variable=found.variable if found else "",
        text=_wanted(field) or said.removeprefix("Value error, "),
        fix=f"such as {default}, the default" if default else "unset it",
        kind="useless",
    )


def _wanted(field: FieldInfo) -> str:
    """In words, of a number and of a choice; empty for the others, which speak for themselves."""
    if get_origin(field.annotation) is Literal:
        choices = get_args(field.annotation)
        return f"must be {', '.join(choices[:-1])} or {choices[-1]}"
    kinds: dict[object, str] = {int: "a whole number", float: "a number"}
    kind = kinds.get(field.annotation)
    if kind is None:
        return ""
    words = {"gt": "above {:g}", "ge": "from {:g}", "le": "to {:g}"}
    limits = [
        text.format(getattr(limit, name))
        for name, text in words.items()
        for limit in field.metadata
        if hasattr(limit, name)
    ]
    return " ".join(("must be", kind, *limits))


def _written(value: object) -> str:
    """As one would write it into the environment."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _misspelt(outside: Outside) -> list[Fault]:
    return [
        Fault(
            setting=meant.lower(), variable=variable, text="is no setting", fix=f"rename it {meant}"
        )
        for variable, meant in outside.misspelt(Settings.model_fields).items()
    ]
