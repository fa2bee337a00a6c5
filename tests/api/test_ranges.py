"""Range on /files: one part or the whole, and never many."""

import httpx
import pytest

from madar.clients.storage import Storage
from tests.api.looking import is_arabic, problem_in
from tests.product import Product

pytestmark = pytest.mark.standing

KEY = "aa/0123456789abcdef0123456789abcdef.png"


@pytest.fixture
def url(product: Product) -> str:
    path = product.settings.storage_dir / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0123456789")
    return Storage(product.settings).sign(KEY)


def ask(product: Product, url: str, part: str, method: str = "GET", **given: str) -> httpx.Response:
    with product.anonymous(Range=part, **given) as http:
        return http.request(method, url)


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("bytes=0-3", b"0123"),
        ("bytes=4-", b"456789"),
        ("bytes=-2", b"89"),
        ("bytes=-99", b"0123456789"),
        ("bytes=9-9999999999", b"9"),
        ("Bytes=0-0", b"0"),
    ],
)
def test_one_part_is_sent(product: Product, url: str, part: str, content: bytes) -> None:
    answer = ask(product, url, part)

    assert (answer.status_code, answer.content) == (206, content)
    first = 10 - len(content) if part[6] == "-" else int(part[6])
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(content) - 1}/10"


@pytest.mark.parametrize(
    "part",
    [
        *("bytes=10-", "bytes=10-12", "bytes=-0", "bytes=3-2", "bytes=0-1,3-4", "bytes=0-0,"),
        *("bytes=" + ",".join(f"{n}-" for n in range(500)), "bytes=", "bytes=-", "bytes=a-b"),
        *(f"bytes={'9' * 5000}-", "bytes=0-1-2", "bytes=--1", "bytes=+1-2", "bytes=1_0-"),
    ],
)
def test_none_and_many_are_refused(product: Product, url: str, part: str) -> None:
    answer = ask(product, url, part)

    body = problem_in(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */10"
    assert body["params"] == {"size_bytes": 10}


def test_two_headers_are_many(product: Product, url: str) -> None:
    with product.anonymous() as http:
        answer = http.get(url, headers=[("Range", "bytes=0-1"), ("Range", "bytes=3-4")])

    problem_in(answer, 416, "range_not_satisfiable")


@pytest.mark.parametrize("part", ["items=0-3", "items=0-1,2-3", "nonsense", "="])
def test_another_unit_is_not_ours(product: Product, url: str, part: str) -> None:
    answer = ask(product, url, part)

    assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_a_part_of_another_version_is_the_whole(product: Product, url: str) -> None:
    with product.anonymous() as http:
        version = http.get(url).headers

    for ours in (version["etag"], version["last-modified"]):
        assert ask(product, url, "bytes=0-3", **{"If-Range": ours}).status_code == 206
    for part in ("bytes=0-3", "bytes=99-"):
        answer = ask(product, url, part, **{"If-Range": '"another"'})
        assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_only_get_has_parts(product: Product, url: str) -> None:
    answer = ask(product, url, "bytes=0-3", "HEAD")

    assert (answer.status_code, answer.headers["content-length"]) == (200, "10")


def test_an_empty_file_has_no_parts(product: Product, url: str) -> None:
    (product.settings.storage_dir / KEY).write_bytes(b"")

    for part in ("bytes=0-", "bytes=-1"):
        assert ask(product, url, part).headers["content-range"] == "bytes */0"
    with product.anonymous() as http:
        assert http.get(url).status_code == 200


def test_a_refusal_speaks_arabic(product: Product, url: str) -> None:
    answer = ask(product, url, "bytes=99-", **{"Accept-Language": "ar"})

    body = problem_in(answer, 416, "range_not_satisfiable")
    assert is_arabic(body["detail"])
    assert is_arabic(body["title"])
