"""What no single setting can know by itself: what is missing, contradicts, or is weak."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from madar.settings_faults import Fault

if TYPE_CHECKING:
    from madar.settings import Settings

MIN_SECRET_BYTES = 32
MIN_DIFFERENT_BYTES = 10
NEW_SECRET = "openssl rand -base64 32"  # noqa: S105 - how to make one
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - refused, not bound
LOCAL_VALUES = {
    "fal_api_key": "local:simulator",
    "fal_account_id": "madar-simulator",
    "google_client_id": "madar-local",
}
CREDENTIALS = (
    *("jwt_secret", "fal_webhook_secret", "fal_api_key", "fal_account_id"),
    *("google_client_id", "google_client_secret"),
    *("aws_access_key_id", "aws_secret_access_key", "upstash_redis_rest_token"),
)
DATABASES = ("database_url", "database_direct_url")
_NEEDED = {
    "database_url": "postgresql://user:password@host/name",
    "google_client_id": "make a client at https://console.cloud.google.com/auth/clients",
    "google_client_secret": "it stands beside the client's id",
    "google_redirect_uri": "<APP_URL>/api/auth/google/callback, or a page of the frontend",
    "fal_api_key": "make one of admin scope at https://fal.ai/dashboard/keys",
    "jwt_secret": NEW_SECRET,
    "fal_webhook_secret": NEW_SECRET,
}
# As examples and templates have it; nobody's real secret has such a word by chance.
_PLACEHOLDER = re.compile(
    r"change.?me|replace.?(me|this|with)|\byour[-_ .]|<[^>]*>|placeholder|xxxx|\.\.\.",
    re.IGNORECASE,
)
# Not a whole top-level domain, and not a number.
_HOST_OR_SUFFIX = re.compile(r"\.?([a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{1,62}")
_HTTPS_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")


def check_together(settings: "Settings") -> Iterator[Fault]:
    """Everything, whatever else is wrong."""
    yield from _missing(settings)
    yield from _addresses(settings)
    yield from _upstash(settings)
    yield from _cookie(settings)
    yield from _bucket(settings)
    yield from _ports(settings)
    if settings.is_production:
        yield from _weak_secrets(settings)
        yield from _not_ours(settings)
        yield from _origins(settings)
        yield from _media_hosts(settings)
        yield from _plain_http(settings)
        yield from _only_in_production(settings)


def host_of(address: str) -> str | None:
    """Of a database; None where there is none in it. Raises ValueError for what is no address."""
    from psycopg import ProgrammingError  # noqa: PLC0415 (slow to import, and only used here)
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        host = conninfo_to_dict(address).get("host")
    except ProgrammingError:
        raise ValueError("no address of a database") from None  # libpq's words have the password
    return None if host is None else str(host)


def is_neons_pooler(host: str | None) -> bool:
    """It takes LISTEN and never delivers; it is known by its name."""
    return "-pooler." in (host or "")


def _missing(settings: "Settings") -> Iterator[Fault]:
    for name, fix in _NEEDED.items():
        if not str(getattr(settings, name)):
            yield Fault(setting=name, text="is missing", fix=fix, kind="useless")


def _addresses(settings: "Settings") -> Iterator[Fault]:
    hosts: dict[str, str | None] = {}
    for name in DATABASES:
        try:
            hosts[name] = host_of(str(getattr(settings, name)))
        except ValueError:
            fix = "postgresql://user:password@host/name, with %40 for an @ in the password"
            yield Fault(setting=name, text="cannot be read", fix=fix, kind="useless")
    if len(hosts) == len(DATABASES):
        yield from _deaf(settings, *hosts.values())


def _deaf(settings: "Settings", usual: str | None, direct: str | None) -> Iterator[Fault]:
    why = "Neon's pooler, behind which no NOTIFY is heard"
    if not str(settings.database_direct_url):
        if is_neons_pooler(usual):
            yield Fault(
                setting="database_direct_url",
                text=f"is missing, and DATABASE_URL leads to {why}",
                fix="set it to the same address without -pooler in its host",
            )
    elif is_neons_pooler(direct):
        is_swapped = bool(usual) and not is_neons_pooler(usual)
        fix = "exchange it with DATABASE_URL" if is_swapped else "take -pooler out of its host"
        yield Fault(setting="database_direct_url", text=f"leads to {why}", fix=fix)


def _upstash(settings: "Settings") -> Iterator[Fault]:
    url, token = settings.upstash_redis_rest_url, str(settings.upstash_redis_rest_token)
    if url and not token:
        text = "is missing, and UPSTASH_REDIS_REST_URL is set"
        fix = "copy it from the database's page at Upstash, or unset both"
        yield Fault(setting="upstash_redis_rest_token", text=text, fix=fix, kind="useless")
    elif token and not url:
        text = "is missing, and UPSTASH_REDIS_REST_TOKEN is set"
        fix = "copy it from the database's page at Upstash, or unset both"
        yield Fault(setting="upstash_redis_rest_url", text=text, fix=fix, kind="useless")
    if url and not url.startswith(("https://", "http://")):
        text = "must start with https://"
        fix = "take the REST address, not the one that starts with redis"
        yield Fault(setting="upstash_redis_rest_url", text=text, fix=fix, kind="useless")


def _cookie(settings: "Settings") -> Iterator[Fault]:
    """Browsers drop a SameSite=None cookie without Secure, and a Secure one over plain HTTP.

    They make an exception of this machine itself (Chromium 156 does).
    """
    url = urlsplit(settings.app_url)
    if settings.cookie_site == "cross" and url.scheme != "https" and url.hostname not in LOOPBACK:
        text = "may be cross only with an APP_URL of https://; browsers drop its cookie else"
        yield Fault(setting="cookie_site", text=text, fix="serve APP_URL by https, or say same")


def _ports(settings: "Settings") -> Iterator[Fault]:
    numbers = (settings.metrics_port, settings.worker_metrics_port)
    if settings.metrics_port and settings.port in numbers:
        text = "and the port above it may not be PORT"
        yield Fault(setting="metrics_port", text=text, fix="set another, or 0 for none")


def _bucket(settings: "Settings") -> Iterator[Fault]:
    provider = settings.storage_provider
    if provider == "local":
        return
    needed = ["aws_bucket_name", "aws_access_key_id", "aws_secret_access_key"]
    if provider == "aws-s3":
        needed.append("aws_region")
    if provider == "cloudflare-r2":
        needed.append("aws_endpoint_url")
    for name in needed:
        if not str(getattr(settings, name)):
            text = f"is missing, and STORAGE_PROVIDER is {provider}"
            fix = "set it, or STORAGE_PROVIDER=local to keep pictures in STORAGE_DIR"
            yield Fault(setting=name, text=text, fix=fix, kind="useless")
    url = urlsplit(settings.aws_endpoint_url)
    if settings.aws_endpoint_url and not (url.scheme in {"https", "http"} and url.hostname):
        fix = "such as https://<account>.r2.cloudflarestorage.com"
        text = "must be like https://host"
        yield Fault(setting="aws_endpoint_url", text=text, fix=fix, kind="useless")


def _weak_secrets(settings: "Settings") -> Iterator[Fault]:
    for name in ("jwt_secret", "fal_webhook_secret"):
        secret = str(getattr(settings, name)).encode()
        if secret and len(secret) < MIN_SECRET_BYTES:
            text = f"is {len(secret)} bytes; {MIN_SECRET_BYTES} or more are needed"
            yield Fault(setting=name, text=text, fix=NEW_SECRET)
        elif secret and len(set(secret)) < MIN_DIFFERENT_BYTES:
            yield Fault(setting=name, text="is easy to guess", fix=NEW_SECRET)


def _not_ours(settings: "Settings") -> Iterator[Fault]:
    for name in CREDENTIALS:
        value = str(getattr(settings, name))
        fix = NEW_SECRET if _NEEDED.get(name) == NEW_SECRET else "set your own"
        if value == LOCAL_VALUES.get(name):
            yield Fault(setting=name, text="is the local stand-in's", fix=fix)
        elif _PLACEHOLDER.search(value):
            yield Fault(setting=name, text="is still an example's", fix=fix)


def _origins(settings: "Settings") -> Iterator[Fault]:
    urls = [("cors_origins", url) for url in settings.cors_origins]
    urls += [(name, getattr(settings, name)) for name in ("app_url", "frontend_url")]
    for name, url in urls:
        origin = url.rstrip("/")
        is_public = _HTTPS_ORIGIN.fullmatch(origin) and urlsplit(origin).hostname not in LOOPBACK
        if origin and not is_public:
            text = f"has {origin}, which is no public origin"
            yield Fault(setting=name, text=text, fix="write it like https://app.example")


def _media_hosts(settings: "Settings") -> Iterator[Fault]:
    for host in settings.fal_media_hosts:
        if host in LOOPBACK:
            text, fix = "may not name this machine", f"leave {host} out"
        elif not _HOST_OR_SUFFIX.fullmatch(host):
            text = f"has {host}, which is no name of a host"
            fix = "write it like fal.media, or .fal.media for all below it"
        else:
            continue
        yield Fault(setting="fal_media_hosts", text=text, fix=fix)


def _plain_http(settings: "Settings") -> Iterator[Fault]:
    needed = ("google_issuer", "google_redirect_uri")
    for name in (*needed, "fal_queue_url", "fal_api_url", "fal_jwks_url"):
        url = str(getattr(settings, name))
        parts = urlsplit(url)
        if url and (parts.scheme != "https" or not parts.hostname):
            yield _without_https(name)
        elif parts.hostname in LOOPBACK:
            text = "leads to this machine"
            yield Fault(setting=name, text=text, fix="set the public address")
    for name in ("upstash_redis_rest_url", "aws_endpoint_url"):
        if str(getattr(settings, name)).startswith("http://"):
            yield _without_https(name)


def _without_https(name: str) -> Fault:
    text = "must start with https:// in production"
    return Fault(setting=name, text=text, fix="set the address that has a certificate")


def _only_in_production(settings: "Settings") -> Iterator[Fault]:
    if settings.simulator_faults:
        text = "has no meaning in production"
        yield Fault(setting="simulator_faults", text=text, fix="unset it")
    if not settings.fal_account_id:
        text = "is missing; webhooks are accepted for this account only"
        fix = "take the user id of the account at https://fal.ai/dashboard"
        yield Fault(setting="fal_account_id", text=text, fix=fix)
