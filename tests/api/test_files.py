"""GET /files/{token}."""

import time

import httpx
import pytest

from madar.clients.storage import Storage
from tests.api.looking import is_arabic, problem_in, without_id
from tests.product import Product

pytestmark = pytest.mark.standing

KEY = "aa/0123456789abcdef0123456789abcdef.png"


@pytest.fixture
def storage(product: Product) -> Storage:
    path = product.settings.storage_dir / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0123456789")
    return Storage(product.settings)


def test_a_signed_link_needs_no_session_and_keeps_its_place(
    product: Product, storage: Storage
) -> None:
    with product.anonymous() as http:
        answer = http.get(storage.sign(KEY))

    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, max-age=300, immutable"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in answer.headers


def test_a_range_is_a_part_and_a_wrong_one_is_refused(product: Product, storage: Storage) -> None:
    def ask(part: str) -> httpx.Response:
        with product.anonymous(Range=part) as http:
            return http.get(storage.sign(KEY))

    first, last, beyond = ask("bytes=0-3"), ask("bytes=-2"), ask("bytes=10-")

    assert (first.status_code, first.content) == (206, b"0123")
    assert first.headers["content-range"] == "bytes 0-3/10"
    assert (last.status_code, last.content) == (206, b"89")
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == "bytes */10"


def test_links_to_one_object_stay_equal_for_a_while(storage: Storage) -> None:
    window = int(time.time()) // 300

    links = {storage.sign(KEY) for _ in range(3)}

    assert len(links) == 1 or int(time.time()) // 300 > window


def test_forged_ended_and_lost_links_are_the_same_404(product: Product, storage: Storage) -> None:
    good = storage.sign(KEY)
    token = good.rpartition("/")[2]
    other = Storage(product.settings.model_copy(update={"jwt_secret": "another secret"}))
    links = {
        "ended": storage.sign(KEY, life_s=-600),
        "another secret": other.sign(KEY),
        "another object": good.replace(token[:8], token[:7] + "A"),
        "no signature": good.rpartition(".")[0],
        "cut": good[:-1],
        "plain key": f"{product.url}/files/{KEY}",
        "nothing": f"{product.url}/files/x",
        "NUL": f"{product.url}/files/%00",
        "letters": f"{product.url}/files/صورة",
        "gone": storage.sign("aa/ffffffffffffffffffffffffffffffff.png"),
    }

    with product.anonymous() as http:
        answers = {name: http.get(link) for name, link in links.items()}

    for name, answer in answers.items():
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers["ended"]), name


def test_a_refusal_speaks_arabic(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        answer = http.get("/files/x")

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])
