"""POST /api/uploads/image."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import psycopg
import pytest

from tests.api.looking import is_arabic, places_in, problem_in, written
from tests.hostile.outputs import faults_of_png, faults_of_webp
from tests.hostile.seeds import SECRET, seeds
from tests.product import Json, Person, Product
from tests.simulator.harness import CUT_OUT, REDRAW, decoded, eventually

pytestmark = pytest.mark.standing

URL = "/api/uploads/image"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>'


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """A small picture in each format."""
    import pyvips  # noqa: PLC0415 - only these tests need pixels

    black = cast("Any", pyvips.Image.black(40, 30, bands=3))
    picture = black.linear(1, [200, 30, 60]).cast("uchar").copy(interpretation="srgb")
    return {
        suffix: bytes(picture.write_to_buffer(f".{suffix}"))
        for suffix in ("png", "jpg", "webp", "gif")
    }


def test_until_its_row_is_there_somebody_knows_its_objects(
    product: Product, amal: Person, pictures: dict[str, bytes], conn: psycopg.Connection[Any]
) -> None:
    """Whoever dies over it, process or database: they are removed an hour later."""
    named = "SELECT object_key FROM purges WHERE due_at > now() + interval '59 minutes'"
    storage = product.settings.storage_dir
    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            conn.execute("SELECT FROM users FOR UPDATE")
            asked = pool.submit(amal.post, URL, files=form(pictures["png"]))
            keys = eventually(lambda: product.rows(named) or None)
            eventually(lambda: all((storage / one["object_key"]).exists() for one in keys) or None)
        answer = asked.result()

    assert answer.status_code == 201
    assert len(keys) == 2
    assert product.rows("SELECT object_key FROM purges") == []


def form(content: bytes, *, name: str = "image", file: str = "a.png") -> Json:
    return {name: (file, content, "image/png")}


def test_png_jpeg_and_webp_are_kept(
    product: Product, amal: Person, pictures: dict[str, bytes]
) -> None:
    for suffix in ("png", "jpg", "webp"):
        answer = amal.post(URL, files=form(pictures[suffix]))

        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert told.keys() == {"id", "url", "thumbnailUrl", "fileSize", "dimensions"}
        assert told["dimensions"] == {"width": 40, "height": 30}
        with product.anonymous() as http:
            kept, small = http.get(told["url"]), http.get(told["thumbnailUrl"])
        assert kept.headers["content-type"] == "image/png"
        assert len(kept.content) == told["fileSize"]
        assert decoded(kept.content).getpoint(5, 5)[:3] == pytest.approx([200, 30, 60], abs=4)
        assert small.headers["content-type"] == "image/webp"
    rows = product.rows("SELECT DISTINCT u.email FROM uploads JOIN users u ON u.id = user_id")
    assert rows == [{"email": "amal@madar.test"}]


def test_what_a_picture_says_about_its_owner_is_dropped(product: Product, amal: Person) -> None:
    for name in ("png texts", "png exif", "jpeg from a phone", "webp told"):
        told = amal.post(URL, files=form(seeds()[name])).json()

        with product.anonymous() as http:
            kept, small = http.get(told["url"]), http.get(told["thumbnailUrl"])
        assert SECRET in seeds()[name]
        assert faults_of_png(kept.content) == [], name
        assert faults_of_webp(small.content) == [], name
        is_turned = told["dimensions"]["height"] > told["dimensions"]["width"]
        assert is_turned == (name != "png texts"), name


def test_what_is_no_whole_picture_of_these_kinds_is_refused(
    product: Product, amal: Person, pictures: dict[str, bytes]
) -> None:
    refused = {
        "gif": pictures["gif"],
        "svg": SVG,
        "text": b"a red rocket",
        "nothing": b"",
        "truncated": pictures["png"][: len(pictures["png"]) // 2],
        "only a head": pictures["jpg"][:20],
        "html before": b"<html>" + pictures["png"],
    }

    answers = {name: amal.post(URL, files=form(content)) for name, content in refused.items()}

    for name, answer in answers.items():
        body = problem_in(answer, 422, "upload_unreadable")
        assert places_in(body) == [("/image", "upload_unreadable")], name
    assert written(product)["uploads"] == 0
    assert not list(product.settings.storage_dir.rglob("*.png"))


def test_a_picture_of_too_many_pixels_is_refused(product: Product, amal: Person) -> None:
    import pyvips  # noqa: PLC0415

    huge = cast("Any", pyvips.Image.black(6000, 5000)).write_to_buffer(".png")

    answer = amal.post(URL, files=form(bytes(huge)))

    problem_in(answer, 422, "upload_too_many_pixels")
    assert written(product)["uploads"] == 0


def test_more_than_ten_megabytes_are_refused_declared_or_not(
    product: Product, amal: Person
) -> None:
    limit = 10 * 2**20

    just = amal.post(URL, files=form(b"\0" * (limit + 1)))
    declared = amal.post(URL, files=form(b"\0" * (limit + 70_000)))
    undeclared = amal.post(URL, content=_parts(), headers=FORM)
    within = amal.post(URL, files=form(b"\0" * limit))

    problem_in(just, 413, "upload_too_large")
    problem_in(declared, 413, "upload_too_large")
    problem_in(undeclared, 413, "upload_too_large")
    problem_in(within, 422, "upload_unreadable")
    assert written(product)["uploads"] == 0


def _parts() -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    for _ in range(11):
        yield b"\0" * 2**20
    yield b"\r\n--x--\r\n"


def test_a_form_without_the_picture_is_refused(product: Product, amal: Person) -> None:
    picture = b"\x89PNG"
    headers = {"Content-Type": "multipart/form-data"}

    another = amal.post(URL, files=form(picture, name="file"))
    text = amal.post(URL, files={"image": (None, "words")})
    two = amal.post(URL, files=[("image", ("a.png", picture)), ("image", ("b.png", picture))])
    no_boundary = amal.post(URL, content=b"x", headers=headers)

    assert places_in(problem_in(another, 422, "field_missing")) == [
        ("/image", "field_missing"),
        ("/file", "field_unknown"),
    ]
    assert places_in(problem_in(text, 422, "not_file")) == [("/image", "not_file")]
    assert places_in(problem_in(two, 422, "field_repeated")) == [("/image", "field_repeated")]
    problem_in(no_boundary, 400, "form_unreadable")
    problem_in(amal.post(URL, content=picture), 415, "content_type_missing")
    problem_in(amal.post(URL, json={"image": "x"}), 415, "wrong_content_type")
    assert written(product)["uploads"] == 0


def test_nobody_uploads_without_a_session(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.post(URL, files=form(b"x"))

    problem_in(answer, 401, "not_signed_in")


def test_a_picture_becomes_a_picture(
    product: Product, amal: Person, pictures: dict[str, bytes]
) -> None:
    upload = amal.post(URL, files=form(pictures["jpg"])).json()
    wish = {"inputType": "image", "sourceUploadId": upload["id"], "textPrompt": "a red rocket"}

    with product.working():
        created = amal.create(**wish)
        done = amal.finished(created["id"])

    assert done["status"] == "completed", done
    assert (done["inputType"], done["sourceUploadId"]) == ("image", upload["id"])
    drawn, cut = product.submissions()
    assert (drawn["endpointId"], cut["endpointId"]) == (REDRAW, CUT_OUT)
    assert drawn["input"]["strength"] == 0.85
    with product.anonymous() as http:
        source = http.get(drawn["input"]["image_url"])
        assert source.content == http.get(upload["url"]).content


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.post(URL, files=form(b"x"), headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 422, "upload_unreadable")["detail"])


@pytest.mark.alone
def test_unwritable_storage_is_told_and_nothing_is_kept(
    product: Product, amal: Person, pictures: dict[str, bytes]
) -> None:
    product.settings.storage_dir.write_text("a file where the folder should be")

    answer = amal.post(URL, files=form(pictures["png"]))

    assert answer.status_code == 503
    assert answer.json()["code"] == "storage_unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert product.rows("SELECT id FROM uploads") == []
