"""view_count and download_count: the bytes that were served, once for each link."""

import contextlib
import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from madar.clients.storage import Storage
from tests.api.looking import finish
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing


@pytest.fixture
def generation_id(product: Product, amal: Person) -> str:
    created: str = amal.create()["id"]
    finish(product, created, picture=b"0123456789")
    return created


def counts(product: Product, generation_id: str) -> tuple[int, int]:
    """Views and downloads."""
    row = product.rows(
        "SELECT view_count, download_count FROM generations WHERE id = %s", generation_id
    )[0]
    return row["view_count"], row["download_count"]


def result_of(amal: Person, generation_id: str) -> Json:
    result: Json = amal.status(generation_id)["result"]
    return result


def fetch(product: Product, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    with product.anonymous(**headers) as http:
        return http.request(method, url)


def marked_as_counted(product: Product, amal: Person) -> None:
    """Whatever was fetched before is counted when a picture that is fetched now is."""
    marker: str = amal.create()["id"]
    finish(product, marker)
    fetch(product, result_of(amal, marker)["imageUrl"])
    eventually(lambda: counts(product, marker) == (1, 0) or None)


def test_the_full_picture_is_a_view_and_a_named_file_a_download(
    product: Product, amal: Person, generation_id: str
) -> None:
    result = result_of(amal, generation_id)

    fetch(product, result["imageUrl"])
    fetch(product, result["downloadUrl"])

    eventually(lambda: counts(product, generation_id) == (1, 1) or None)


def test_a_link_counts_once_however_often_it_is_fetched(
    product: Product, amal: Person, generation_id: str
) -> None:
    download: str = amal.get(f"/api/generations/{generation_id}/download").json()["downloadUrl"]
    image: str = result_of(amal, generation_id)["imageUrl"]
    urls = [download, image] * 20

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(partial(fetch, product), urls))
    marked_as_counted(product, amal)
    fetch(product, image)
    fetch(product, download)
    marked_as_counted(product, amal)

    assert {answer.status_code for answer in answers} == {200}
    assert counts(product, generation_id) == (1, 1)


def test_other_letters_for_the_same_signature_are_the_same_link(
    product: Product, amal: Person, generation_id: str
) -> None:
    image: str = result_of(amal, generation_id)["imageUrl"]
    spellings = [image, f"{image[:-3]}!!!!{image[-3:]}", f"{image[:-3]}~~~~{image[-3:]}"]

    answers = [fetch(product, url) for url in spellings]
    marked_as_counted(product, amal)

    assert [answer.status_code for answer in answers] == [200] * 3
    assert counts(product, generation_id) == (1, 0)


def test_another_link_counts_again(product: Product, generation_id: str) -> None:
    storage = Storage(product.settings)
    key = product.rows("SELECT master_key FROM generations")[0]["master_key"]
    links = [storage.sign(key, filename=name) for name in ("a.png", "b.png")]

    for link in links:
        fetch(product, link)

    eventually(lambda: counts(product, generation_id) == (0, 2) or None)


def test_asking_is_not_taking(product: Product, amal: Person, generation_id: str) -> None:
    result = result_of(amal, generation_id)
    for path in ("", "?page=1", f"/{generation_id}", f"/{generation_id}/download"):
        amal.get(f"/api/generations{path}")
    fetch(product, result["thumbnailUrl"])
    fetch(product, result["masterUrl"])
    for url in (result["imageUrl"], result["downloadUrl"]):
        fetch(product, url, "HEAD")
        fetch(product, url, Range="bytes=10-")
        fetch(product, url, Range="bytes=0-1,3-4")
        fetch(product, url, Range="bytes=1-")
        fetch(product, f"{url}x")
    marked_as_counted(product, amal)

    assert counts(product, generation_id) == (0, 0)


def test_a_part_that_begins_at_the_first_byte_is_a_taking(
    product: Product, amal: Person, generation_id: str
) -> None:
    result = result_of(amal, generation_id)

    fetch(product, result["imageUrl"], Range="bytes=0-")
    fetch(product, result["downloadUrl"], Range="bytes=0-3")
    fetch(product, result["downloadUrl"], Range="bytes=4-")

    eventually(lambda: counts(product, generation_id) == (1, 1) or None)


def test_who_hangs_up_in_the_middle_has_taken_nothing(product: Product, amal: Person) -> None:
    generation_id: str = amal.create()["id"]
    finish(product, generation_id, picture=bytes(40_000_000))
    url = result_of(amal, generation_id)["imageUrl"]

    with _half_read(url):
        pass
    marked_as_counted(product, amal)

    assert counts(product, generation_id) == (0, 0)


def test_deleted_and_unknown_pictures_spoil_nothing(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    gone: str = amal.create()["id"]
    finish(product, gone)
    image = result_of(amal, gone)["imageUrl"]
    stranger = "aa/ffffffffffffffffffffffffffffffff.webp"
    (product.settings.storage_dir / stranger).write_bytes(b"x")

    with conn.transaction():
        conn.execute("UPDATE generations SET deleted_at = now() WHERE id = %s", [gone])
        assert fetch(product, image).status_code == 200  # it is served before it is deleted
    assert fetch(product, image).status_code == 404
    assert fetch(product, Storage(product.settings).sign(stranger)).status_code == 200
    marked_as_counted(product, amal)

    assert counts(product, gone) == (0, 0)
    assert conn.execute("SELECT count(*) FROM file_servings").fetchone() == (1,)


def test_counting_does_not_change_what_a_reader_sees(
    product: Product, amal: Person, generation_id: str
) -> None:
    before = amal.status(generation_id)

    fetch(product, before["result"]["imageUrl"])
    eventually(lambda: counts(product, generation_id) == (1, 0) or None)

    assert amal.status(generation_id)["version"] == before["version"]


@contextlib.contextmanager
def _half_read(url: str) -> Generator[None]:
    address = urlsplit(url)
    assert address.port
    with socket.create_connection(("127.0.0.1", address.port)) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        plain.sendall(f"GET {address.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert plain.recv(1024).startswith(b"HTTP/1.1 200")
        read_bytes = 0
        while read_bytes < 1_000_000:
            read_bytes += len(plain.recv(65_536))
        yield
