"""The private bucket behind STORAGE_PROVIDER: how it is reached, and who signs its links."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import AzureStore, S3Store

from madar.clients.signed_links import AzureSigner, S3Signer
from madar.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

TRIES = 2


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for a connection, and for an operation with all its tries."""

    connect_s: float
    total_s: float


@dataclass(frozen=True, kw_only=True)
class Bucket:
    store: S3Store | AzureStore
    signer: S3Signer | AzureSigner


def open_bucket(settings: Settings, patience: Patience) -> Bucket | None:
    """Without a word to the network. None: pictures are kept on local disk."""
    if settings.storage_provider == "local":
        return None
    if settings.storage_provider == "azure":
        return _azure(settings, patience)
    return _s3(settings, patience)


def _s3(settings: Settings, patience: Patience) -> Bucket:
    """S3, or what speaks its protocol: R2, and Google's with its interoperability keys."""
    region = settings.aws_region or "auto"
    default = {"gcs": "https://storage.googleapis.com"}
    endpoint = settings.aws_endpoint_url.rstrip("/") or default.get(
        settings.storage_provider, f"https://s3.{region}.amazonaws.com"
    )
    secret = str(settings.aws_secret_access_key)
    # Some, such as Tigris, are to be had only where the bucket's name begins the host's.
    is_in_host = (urlsplit(endpoint).hostname or "").startswith(f"{settings.aws_bucket_name}.")
    store = S3Store(
        settings.aws_bucket_name,
        endpoint=endpoint,
        region=region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=secret,
        virtual_hosted_style_request=is_in_host,
        disable_bulk_delete=True,  # Google's has none
        client_options=_client(endpoint, patience),
        retry_config=_retries(patience),
    )
    signer = S3Signer(
        endpoint=endpoint,
        region=region,
        bucket="" if is_in_host else settings.aws_bucket_name,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=secret,
    )
    return Bucket(store=store, signer=signer)


def _azure(settings: Settings, patience: Patience) -> Bucket:
    """The names of the settings are Amazon's: account, its key, and the container."""
    account, key = settings.aws_access_key_id, str(settings.aws_secret_access_key)
    endpoint = settings.aws_endpoint_url.rstrip("/") or f"https://{account}.blob.core.windows.net"
    store = AzureStore(
        settings.aws_bucket_name,
        account_name=account,
        account_key=key,
        endpoint=endpoint,
        client_options=_client(endpoint, patience),
        retry_config=_retries(patience),
    )
    signer = AzureSigner(
        endpoint=endpoint, account=account, account_key=key, container=settings.aws_bucket_name
    )
    return Bucket(store=store, signer=signer)


def _client(endpoint: str, patience: Patience) -> "ClientConfig":
    return {
        # Settings let http through outside production only.
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=patience.connect_s),
        "timeout": timedelta(seconds=patience.total_s / TRIES),
    }


def _retries(patience: Patience) -> "RetryConfig":
    """The library's own would go on for three minutes."""
    return {"max_retries": TRIES - 1, "retry_timeout": timedelta(seconds=patience.total_s)}
