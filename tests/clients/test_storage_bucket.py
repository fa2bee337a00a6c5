"""What only a bucket can do: refuse, lie, keep silent, and answer links by itself."""

import asyncio
import hashlib
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import obstore
import pytest

from madar.clients.buckets import Patience, open_bucket
from madar.clients.signed_links import AzureSigner, Grant, S3Signer
from madar.clients.storage import Link, Storage, attachment
from madar.errors import NotFound, Unavailable
from tests.buckets import S3
from tests.clients.storing import Says, bucket_settings, bucket_that, storage_settings

KEY = "aa/0123456789abcdef0123456789abcdef.png"
CONTENT = b"content"
MD5 = f'"{hashlib.md5(CONTENT).hexdigest()}"'
OTHER_MD5 = f'"{hashlib.md5(b"other").hexdigest()}"'
SHORT = Patience(connect_s=0.2, total_s=0.5)

Act = Callable[[Storage], Awaitable[object]]
ACTS: dict[str, Act] = {
    "put": lambda storage: storage.put(KEY, CONTENT),
    "read": lambda storage: storage.read(KEY),
    "check": lambda storage: storage.check(KEY),
    "delete": lambda storage: storage.delete(KEY),
    "list": lambda storage: storage.list_folder("aa"),
}


def unavailable(storage: Storage, *names: str) -> None:
    async def main(act: Act) -> None:
        with pytest.raises(Unavailable) as raised:
            await act(storage)
        assert raised.value.code == "storage_unavailable"

    for name in names or ACTS:
        asyncio.run(main(ACTS[name]))


def test_an_object_knows_its_type(s3: S3, tmp_path: Path) -> None:
    storage = Storage(storage_settings(tmp_path, **s3.settings))

    asyncio.run(storage.put(KEY, CONTENT))

    headers = s3.headers(KEY)
    assert headers["content-type"] == "image/png"
    assert headers["cache-control"] == "private, max-age=300, immutable"
    assert s3.pictures() == [KEY]


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT)])
def test_an_object_that_is_not_what_was_sent_is_not_stored(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    lies = Says(content=b"?" * size, e_tag=OTHER_MD5)
    with bucket_that({"PUT": Says(e_tag=MD5), "HEAD": lies, "GET": lies}) as url:
        unavailable(Storage(bucket_settings(tmp_path, url)), "put")

    assert "storage.altered" in caplog.messages


@pytest.mark.parametrize("e_tag", [OTHER_MD5, '"0x8DC"', MD5])
def test_where_the_etag_is_no_md5_the_object_is_read(tmp_path: Path, e_tag: str) -> None:
    """A bucket that encrypts with keys of its own gives others (KMS); Azure always does."""
    told = Says(content=CONTENT, e_tag=e_tag)
    with bucket_that({"PUT": Says(), "HEAD": told, "GET": told}) as url:
        asyncio.run(Storage(bucket_settings(tmp_path, url)).put(KEY, CONTENT))


def test_a_lost_bucket_is_not_a_lost_object(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else whatever is to be removed would count as removed."""
    storage = Storage(storage_settings(tmp_path, **s3.settings))
    s3.drop_bucket()

    unavailable(storage, "put", "read", "delete", "list")

    assert "storage.refused" in caplog.messages


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_in_the_log(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    says = Says(status=status, content=b"<Error><Code>AccessDenied</Code></Error>")
    with bucket_that(dict.fromkeys(("GET", "HEAD", "PUT", "DELETE"), says)) as url:
        unavailable(Storage(bucket_settings(tmp_path, url)))

    refused = [one for one in caplog.records if one.message == "storage.refused"]
    assert len(refused) >= 4
    assert {one.levelno for one in refused} == {logging.ERROR}


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    unavailable(Storage(bucket_settings(tmp_path, f"http://127.0.0.1:{port}"), SHORT))


def test_one_that_accepts_and_keeps_silent_is_not_waited_for(tmp_path: Path) -> None:
    """The library by itself would wait for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        unavailable(Storage(bucket_settings(tmp_path, f"http://127.0.0.1:{port}"), SHORT))


def test_many_that_wait_for_a_silent_one_all_end(tmp_path: Path) -> None:
    """No thread is held meanwhile: there are more of them than the library has threads."""

    async def main(storage: Storage) -> list[object]:
        waiting = (storage.put(KEY, CONTENT) for _ in range(200))
        return await asyncio.gather(*waiting, return_exceptions=True)

    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent:
        port = silent.getsockname()[1]
        storage = Storage(bucket_settings(tmp_path, f"http://127.0.0.1:{port}"), SHORT)

        ended = asyncio.run(main(storage))

    assert {type(one) for one in ended} == {Unavailable}


def test_a_failure_on_the_way_is_tried_once_more(tmp_path: Path) -> None:
    class FailsOnce(dict[str, Says]):
        failed = False

        def __getitem__(self, method: str) -> Says:
            if self.failed:
                return super().__getitem__(method)
            self.failed = True
            return Says(status=503)

    found = Says(content=CONTENT, e_tag=MD5)
    with bucket_that(FailsOnce({"GET": found})) as url:
        assert asyncio.run(Storage(bucket_settings(tmp_path, url)).read(KEY)) == CONTENT


def test_the_bucket_answers_its_links_under_the_name_and_type_of_the_link(
    s3: S3, tmp_path: Path
) -> None:
    storage = Storage(storage_settings(tmp_path, **s3.settings))
    s3.write(KEY, CONTENT)
    saved = Link(key=KEY, filename="صاروخ أحمر.png", expires_at=storage.next_expiry())
    shown = Link(key=KEY, filename=None, expires_at=storage.next_expiry())

    def ask(link: Link, **headers: str) -> httpx.Response:
        url = storage.link_into_bucket(link, method="GET")
        return httpx.get(url, headers=headers, trust_env=False, verify=False)

    as_file, part = ask(saved), ask(shown, Range="bytes=0-3")

    assert (as_file.status_code, as_file.content) == (200, CONTENT)
    assert as_file.headers["content-type"] == "image/png"
    assert as_file.headers["content-disposition"].startswith("attachment; filename=")
    assert "%D8%B5" in as_file.headers["content-disposition"]
    assert (part.status_code, part.content) == (206, b"cont")
    assert part.headers["content-disposition"] == "inline"


def test_a_link_into_the_bucket_ends_with_ours_and_within_a_quarter_of_an_hour(
    s3: S3, tmp_path: Path
) -> None:
    storage = Storage(storage_settings(tmp_path, **s3.settings))

    def life_s(link_life_s: int) -> int:
        link = Link(key=KEY, filename=None, expires_at=storage.next_expiry(link_life_s))
        url = storage.link_into_bucket(link, method="GET")
        return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])

    assert (life_s(3600), life_s(900), life_s(300)) == (900, 900, 300)
    direct = storage.direct_link(KEY, life_s=3600)
    assert direct.startswith(s3.url)
    assert "X-Amz-Expires=3600" in direct


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_amazons_own_library_signs_the_same(style: str) -> None:
    """The server of the tests believes any signature, so this is what they are compared with."""
    given = {
        "region": "eu-central-1",
        "access_key_id": "AKIA/+=EXAMPLE",
        "secret_access_key": "wJalr/XUtn+FEMI=K7MDENG",
    }
    endpoint, bucket, key = "https://s3.example.test:8443", "madar-pictures", "aa/ab c+é.png"
    amazon: Any = import_module("boto3")  # it comes with moto, and without types
    client = amazon.client(
        "s3",
        region_name=given["region"],
        aws_access_key_id=given["access_key_id"],
        aws_secret_access_key=given["secret_access_key"],
        endpoint_url=endpoint,
        config=import_module("botocore.config").Config(
            signature_version="s3v4", s3={"addressing_style": style}
        ),
    )
    disposition = "attachment; filename=\"a b+c.png\"; filename*=UTF-8''%D8%B5%D9%80~.png"
    theirs: str = client.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": bucket,
            "Key": key,
            "ResponseContentType": "image/png",
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": "private, max-age=300, immutable",
        },
        ExpiresIn=600,
    )
    asked = parse_qs(urlsplit(theirs).query)

    if style == "virtual":
        endpoint, bucket = endpoint.replace("s3.", f"{bucket}.s3."), ""
    ours = S3Signer(endpoint=endpoint, bucket=bucket, **given).link(
        Grant(
            method="GET",
            key=key,
            starts_at=_seconds(asked["X-Amz-Date"][0]),
            life_s=600,
            content_type="image/png",
            content_disposition=disposition,
            cache_control="private, max-age=300, immutable",
        )
    )

    assert parse_qs(urlsplit(ours).query) == asked
    assert urlsplit(ours)[:3] == urlsplit(theirs)[:3]


def test_azures_emulator_let_this_link_in() -> None:
    """Azurite 3.35 did, and refused the same with one letter changed. The key is the emulator's."""
    signer = AzureSigner(
        endpoint="http://127.0.0.1:10123/devstoreaccount1",
        account="devstoreaccount1",
        account_key="Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
        "KBHBeksoGMGw==",
        container="pics",
    )

    link = signer.link(
        Grant(
            method="GET",
            key=KEY,
            starts_at=_seconds("20261124T193000Z"),
            life_s=900,
            content_type="image/png",
            content_disposition=attachment("صاروخ أحمر.png"),
            cache_control="private, max-age=300, immutable",
        )
    )

    assert parse_qs(urlsplit(link).query)["sig"] == ["vxT1MNuQzRvzaPffcUmoU6MM+dSpUmZtcHp1eDQVZLk="]


@pytest.mark.parametrize(
    ("provider", "region", "place"),
    [
        ("aws-s3", "eu-central-1", "https://s3.eu-central-1.amazonaws.com/madar-pictures/"),
        ("gcs", "", "https://storage.googleapis.com/madar-pictures/"),
        ("azure", "", "https://madartest.blob.core.windows.net/madar-pictures/"),
    ],
)
def test_each_provider_has_its_own_place(
    tmp_path: Path, provider: str, region: str, place: str
) -> None:
    given = {
        "storage_provider": provider,
        "aws_region": region,
        "aws_access_key_id": "madartest",
        "aws_secret_access_key": "bm8gc2VjcmV0",
    }

    link = Storage(bucket_settings(tmp_path, "", **given)).direct_link(KEY, life_s=3600)

    assert link.startswith(f"{place}{KEY}?")
    assert ("sig=" in link) == (provider == "azure")


def test_a_bucket_may_be_named_by_the_host_of_its_address(tmp_path: Path) -> None:
    """As Tigris wants it; where the library would go, our own links go too."""
    given = {
        "storage_provider": "aws-s3",
        "aws_region": "auto",
        "aws_access_key_id": "madartest",
        "aws_secret_access_key": "no secret",
        "aws_endpoint_url": "https://madar-pictures.fly.storage.tigris.dev",
    }
    settings = bucket_settings(tmp_path, "", **given)
    bucket = open_bucket(settings, SHORT)
    assert bucket

    link = Storage(settings).direct_link(KEY, life_s=3600)
    theirs = obstore.sign(bucket.store, "GET", KEY, timedelta(hours=1))

    assert link.startswith(f"{given['aws_endpoint_url']}/{KEY}?")
    assert urlsplit(link)[:3] == urlsplit(theirs)[:3]


def _seconds(time: str) -> int:
    return int(datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())


def test_a_lost_object_is_not_found(s3: S3, tmp_path: Path) -> None:
    storage = Storage(storage_settings(tmp_path, **s3.settings))

    with pytest.raises(NotFound):
        asyncio.run(storage.check(KEY))
