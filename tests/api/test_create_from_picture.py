"""POST /api/generations as a form, and from a source picture."""

import asyncio
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from madar.actions.sources import insert_source, stored_source
from madar.clients.storage import Storage
from madar.db import uploads
from madar.db.pool import connection, transaction
from madar.errors import Unavailable
from madar.resources import open_resources
from tests.api.looking import is_arabic, places_in, problem_in, without_id, written
from tests.imaging.pictures import hollow_png, jpeg, photo, png
from tests.product import ROCKET, Json, Person, Product
from tests.simulator.harness import CUT_OUT, REDRAW

pytestmark = pytest.mark.standing

URL, UPLOADS = "/api/generations", "/api/uploads/image"
FORM: Json = {"style": "voxel-3d", "inputType": "text", "textPrompt": "a red rocket", "seed": "7"}
IMAGE: Json = {**FORM, "inputType": "image"}
PHOTO, OTHER = jpeg(photo()), png(photo(64, 48))


def as_form(person: Person, fields: Json, picture: bytes | None = None) -> httpx.Response:
    """What FormData in a browser sends; without a picture it is a form all the same."""
    parts: list[Any] = []
    for name, value in fields.items():
        several = cast("list[str]", value) if isinstance(value, list) else [str(value)]
        parts += [(name, (None, one)) for one in several]
    if picture is not None:
        parts.append(("sourceImage", ("photo.jpg", picture, "image/jpeg")))
    return person.post(URL, files=parts)


def uploaded(person: Person, picture: bytes = PHOTO) -> Json:
    answer = person.post(UPLOADS, files={"image": ("a.png", picture, "image/png")})
    assert answer.status_code == 201, answer.text
    return answer.json()


def files_of(product: Product) -> set[str]:
    """Storage keys of everything that is kept."""
    root = product.settings.storage_dir
    return {str(path.relative_to(root)) for path in root.glob("*/*.*")}


def purged(product: Product) -> set[str]:
    return {row["object_key"] for row in product.rows("SELECT object_key FROM purges")}


def test_a_form_says_the_same_as_json(product: Product, amal: Person) -> None:
    wish: Json = {**ROCKET, "aspectRatio": "16:9", "customColors": ["#FF0000", "#3e7bfa"]}
    colours = wish["customColors"]

    spelled: Json = {"aspectRatio": "16:9", **FORM}
    answers = [
        amal.post(URL, json=wish),
        as_form(amal, {**spelled, "customColors": colours}),
        as_form(amal, {**spelled, "customColors[]": colours}),
        as_form(amal, {**spelled, "customColors": '["#FF0000", "#3e7bfa"]'}),
    ]

    for answer in answers:
        assert answer.status_code == 201, answer.text
        assert answer.json().keys() == answers[0].json().keys()
    kept = product.rows(
        "SELECT DISTINCT prompt, style, aspect_ratio, input_type, custom_colors, seed"
        "  FROM generations"
    )
    assert kept == [
        {
            "prompt": "a red rocket",
            "style": "voxel-3d",
            "aspect_ratio": "16:9",
            "input_type": "text",
            "custom_colors": ["#ff0000", "#3e7bfa"],
            "seed": 7,
        }
    ]


def test_what_nobody_filled_in_is_not_there(product: Product, amal: Person) -> None:
    blank = dict.fromkeys(("textPrompt", "customColors", "sourceUploadId", "sourceImageUrl"), "")
    parts: list[Any] = [(name, (None, value)) for name, value in {**FORM, **blank}.items()]
    no_file = b'Content-Disposition: form-data; name="sourceImage"; filename=""'
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name.encode(), value[1].encode())
        for name, value in parts
    )
    body += b"--x\r\n%s\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n" % no_file
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    answer = amal.post(URL, content=body, headers=headers)

    assert answer.status_code == 201, answer.text
    assert product.rows("SELECT prompt, input_type, custom_colors FROM generations") == [
        {"prompt": "a small rocket", "input_type": "text", "custom_colors": []}
    ]


def test_a_photo_in_the_form_becomes_a_picture(product: Product, amal: Person) -> None:
    with product.working():
        answer = as_form(amal, IMAGE, PHOTO)
        assert answer.status_code == 201, answer.text
        done = amal.finished(answer.json()["id"])

    assert done["status"] == "completed", done
    [kept] = product.rows("SELECT id::text, width, height FROM uploads")
    assert (kept["width"], kept["height"]) == (300, 200)
    assert (done["inputType"], done["sourceUploadId"]) == ("image", kept["id"])
    assert [one["endpointId"] for one in product.submissions()] == [REDRAW, CUT_OUT]
    with product.anonymous() as http:
        assert http.get(done["sourceImageUrl"]).headers["content-type"] == "image/png"


def test_an_upload_of_ones_own_is_taken_by_id_or_by_address(product: Product, amal: Person) -> None:
    upload = uploaded(amal)
    storage = Storage(product.settings)
    key = storage.key_in(upload["url"])
    assert key
    ended = storage.sign(key, life_s=-3600)
    with product.anonymous() as http:
        assert http.get(ended).status_code == 404

    sources: list[Json] = [
        {"sourceUploadId": upload["id"]},
        {"sourceImageUrl": upload["url"]},
        {"sourceImageUrl": ended},
    ]
    for source in sources:
        assert amal.create(inputType="image", **source)
        assert as_form(amal, {**IMAGE, **source}).status_code == 201

    rows = product.rows("SELECT source_upload_id::text AS id, count(*) AS n FROM generations"
                        " GROUP BY 1")  # fmt: skip
    assert rows == [{"id": upload["id"], "n": 6}]
    assert written(product)["uploads"] == 1


def test_whatever_is_no_upload_of_ones_own_is_equally_unknown(
    product: Product, amal: Person, badr: Person
) -> None:
    of_badr, gone = uploaded(badr), uploaded(amal)
    product.execute("DELETE FROM uploads WHERE id = %s", gone["id"])
    storage = Storage(product.settings)
    foreign = "https://madar.ai.evil.test/files/x.png"
    addresses = {
        "another person's": of_badr["url"],
        "a thumbnail of another's": of_badr["thumbnailUrl"],
        "a deleted one": gone["url"],
        "never there": storage.sign("aa/0123456789abcdef.png"),
        "foreign": foreign,
        "inside this machine": "http://127.0.0.1:9/a.png",
        "the cloud's own": "http://169.254.169.254/latest/meta-data",
        "a file": "file:///etc/passwd",
        "ours, with a forged end": of_badr["url"][:-4] + "AAAA",
        "ours, by another name": "http://user@" + gone["url"].removeprefix("http://"),
        "ours, and not a link": f"{product.url}/api/health",
        "ours, and more": f"{of_badr['url']}/../../x",
        "nothing": " ",
    }
    before = written(product)

    by_id = [
        amal.post(URL, json={**ROCKET, "inputType": "image", "sourceUploadId": one})
        for one in (of_badr["id"], gone["id"], str(uuid4()))
    ]
    by_address = {
        name: amal.post(URL, json={**ROCKET, "inputType": "image", "sourceImageUrl": one})
        for name, one in addresses.items()
    }

    for answers, place in ((by_id, "/sourceUploadId"), (by_address.values(), "/sourceImageUrl")):
        told = [without_id(answer) for answer in answers]
        assert all(one == told[0] for one in told)
        body = problem_in(next(iter(answers)), 422, "source_unknown")
        assert places_in(body) == [(place, "source_unknown")]
    assert written(product) == before


def test_more_than_one_source_is_refused(product: Product, amal: Person) -> None:
    upload = uploaded(amal)
    by_id, by_url = {"sourceUploadId": upload["id"]}, {"sourceImageUrl": upload["url"]}

    answers = [
        (amal.post(URL, json={**ROCKET, "inputType": "image", **by_id, **by_url}), 1),
        (as_form(amal, {**IMAGE, **by_id}, PHOTO), 1),
        (as_form(amal, {**IMAGE, **by_id, **by_url}, PHOTO), 2),
    ]

    for answer, n in answers:
        body = problem_in(answer, 422, "source_repeated")
        assert [code for _, code in places_in(body)] == ["source_repeated"] * n
    assert written(product)["generations"] == 0
    assert written(product)["uploads"] == 1


def test_a_picture_goes_with_the_input_that_needs_one(product: Product, amal: Person) -> None:
    beside_text = as_form(amal, FORM, PHOTO)
    without = as_form(amal, IMAGE)
    as_text = as_form(amal, {**IMAGE, "sourceImage": "words"})
    in_json = amal.post(URL, json={**ROCKET, "inputType": "image", "sourceImage": "words"})

    place = "/sourceImage"
    assert places_in(problem_in(beside_text, 422, "source_unexpected"))[0][0] == place
    assert places_in(problem_in(without, 422, "source_missing"))[0][0] == place
    assert places_in(problem_in(as_text, 422, "not_file"))[0][0] == place
    assert places_in(problem_in(in_json, 422, "field_unknown"))[0][0] == place
    assert written(product)["uploads"] == 0


def test_what_the_decoder_refuses_is_told_at_its_field(product: Product, amal: Person) -> None:
    huge = hollow_png(6000, 5000, bits=8, has_colour=False)

    refused = {
        "upload_unreadable": [as_form(amal, IMAGE, b""), as_form(amal, IMAGE, b"<svg></svg>")],
        "upload_too_many_pixels": [as_form(amal, IMAGE, huge)],
    }
    too_large = as_form(amal, IMAGE, bytes(10 * 2**20 + 1))

    for code, answers in refused.items():
        for answer in answers:
            body = problem_in(answer, 422, code)
            assert places_in(body) == [("/sourceImage", code)]
    problem_in(too_large, 413, "upload_too_large")
    assert written(product)["uploads"] == written(product)["generations"] == 0
    assert not files_of(product)


def test_a_refused_form_leaves_nothing_behind(product: Product, amal: Person) -> None:
    unknown = as_form(amal, {**IMAGE, "style": "oil-painting"}, PHOTO)
    product.execute("INSERT INTO uploads (id, user_id, object_key, thumbnail_key, file_size, width,"
                    " height) SELECT gen_random_uuid(), u.id, 'aa/' || n || '.png',"
                    " 'aa/' || n || '.webp', 1, 1, 1 FROM users u, generate_series(1, 200) n"
                    " WHERE email = 'amal@madar.test'")  # fmt: skip
    full = as_form(amal, IMAGE, OTHER)

    problem_in(unknown, 422, "style_unknown")
    body = problem_in(full, 422, "upload_quota_exceeded")
    assert places_in(body) == [("/sourceImage", "upload_quota_exceeded")]
    assert written(product)["uploads"] == 200
    assert written(product)["generations"] == 0
    assert len(files_of(product)) == 4
    assert purged(product) == files_of(product)


def test_a_refused_turn_leaves_nothing_behind(start: Any) -> None:
    product: Product = start(rate_limit_generations="1/1d")
    amal = product.sign_in()
    amal.create()

    answer = as_form(amal, IMAGE, PHOTO)

    problem_in(answer, 429, "rate_limited")
    assert written(product)["uploads"] == 0
    assert purged(product) == files_of(product)
    assert len(files_of(product)) == 2


@pytest.mark.alone
def test_a_connection_lost_before_the_commit_leaves_nothing(product: Product, amal: Person) -> None:
    product.execute(
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    product.execute(
        "CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON uploads"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leave()"
    )

    answer = amal.post(UPLOADS, files={"image": ("a.png", PHOTO)})

    problem_in(answer, 503, "database_unavailable")
    assert written(product)["uploads"] == 0
    assert len(files_of(product)) == 2
    assert purged(product) == files_of(product)


def test_a_connection_lost_after_the_commit_takes_nothing_away(
    product: Product, amal: Person
) -> None:
    owner_id = UUID(amal.get("/api/auth/user").json()["id"])

    async def lose() -> None:
        async with (
            open_resources(product.settings) as resources,
            stored_source(resources, owner_id=owner_id, picture=PHOTO) as upload,
        ):
            async with transaction(resources.pool) as conn:
                await insert_source(conn, upload, owner_id=owner_id, pointer="/image")
            raise Unavailable("database")

    with pytest.raises(Unavailable):
        asyncio.run(lose())

    assert written(product)["uploads"] == 1
    assert not purged(product)


def test_an_upload_is_not_thrown_away_while_somebody_begins_to_use_it(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    used, unused = uploaded(amal), uploaded(amal, OTHER)
    owner_id = UUID(amal.get("/api/auth/user").json()["id"])

    async def clean() -> None:
        async with (
            open_resources(product.settings) as resources,
            transaction(resources.pool) as begun,
        ):
            found = await uploads.lock_source(
                begun, owner_id=owner_id, id=UUID(used["id"]), object_key=None
            )
            async with connection(resources.pool) as other:
                await uploads.delete_unused_uploads(other, after_s=0, n=10)
            assert found == UUID(used["id"])

    asyncio.run(clean())

    assert conn.execute("SELECT id::text FROM uploads").fetchall() == [(used["id"],)]
    assert len(purged(product)) == 2
    assert amal.create(inputType="image", sourceUploadId=used["id"])
    problem_in(as_form(amal, {**IMAGE, "sourceUploadId": unused["id"]}), 422, "source_unknown")


@pytest.mark.alone
def test_unwritable_storage_refuses_the_wish(product: Product, amal: Person) -> None:
    product.settings.storage_dir.write_text("a file where the folder should be")

    answer = as_form(amal, IMAGE, PHOTO)

    problem_in(answer, 503, "storage_unavailable")
    assert written(product)["generations"] == written(product)["uploads"] == 0


UNREADABLE: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", b"x"),
    "another boundary": ("multipart/form-data; boundary=y", b"--x\r\n\r\n--x--"),
    "nothing": ("multipart/form-data; boundary=x", b""),
    "cut short": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="style"\r\n\r\nvox',
    ),
    "no name": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data\r\n\r\nvoxel-3d\r\n--x--\r\n",
    ),
    "forty-one fields": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="style"\r\n\r\na\r\n' * 41 + b"--x--\r\n",
    ),
    "a field of two megabytes": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="style"\r\n\r\n'
        + b"a" * 2**21
        + b"\r\n--x--\r\n",
    ),
} | {
    f"a charset called {charset}": (
        f"multipart/form-data; charset={charset}; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="style"\r\n\r\nxn--a\xff\r\n--x--\r\n',
    )
    for charset in ("undefined", "idna", "punycode", "utf-7", "zlib", "utf-16")
}  # fmt: skip


def test_each_unreadable_form_is_refused(product: Product, amal: Person) -> None:
    answers = {
        name: amal.post(URL, content=body, headers={"Content-Type": content_type})
        for name, (content_type, body) in UNREADABLE.items()
    }

    for name, answer in answers.items():
        assert answer.status_code in {400, 422}, (name, answer.text)
        problem_in(answer, answer.status_code, answer.json()["code"])
    refused = {name for name, answer in answers.items() if answer.status_code == 400}
    assert set(UNREADABLE) - refused <= {"nothing", "another boundary", "cut short"}
    assert written(product)["generations"] == 0


def test_strange_fields_are_told_at_their_place(amal: Person) -> None:
    twice = as_form(amal, {**FORM, "textPrompt": ["a", "b"]})
    two_files = amal.post(
        URL,
        files=[
            *((name, (None, value)) for name, value in IMAGE.items()),
            ("sourceImage", ("a.png", PHOTO)),
            ("sourceImage", ("b.png", PHOTO)),
        ],
    )
    unknown = as_form(amal, {**FORM, "userId": str(uuid4())})
    not_hex = as_form(amal, {**FORM, "customColors": ["#ff0000", "red"]})
    no_list = as_form(amal, {**FORM, "customColors": "[1, {}]"})

    assert places_in(problem_in(twice, 422, "field_repeated"))[0][0] == "/textPrompt"
    assert places_in(problem_in(two_files, 422, "field_repeated"))[0][0] == "/sourceImage"
    assert places_in(problem_in(unknown, 422, "field_unknown"))[0][0] == "/userId"
    assert places_in(problem_in(not_hex, 422, "color_not_hex")) == [
        ("/customColors/1", "color_not_hex")
    ]
    assert places_in(problem_in(no_list, 422, "not_text"))[0] == ("/customColors/0", "not_text")


def test_a_form_from_another_site_is_refused(product: Product, amal: Person) -> None:
    """It needs no preflight, so the cookie alone must not do."""
    parts: Any = {name: (None, value) for name, value in FORM.items()}
    with product.anonymous(Cookie=f"madar={amal.cookie}") as http:
        evil = http.post(URL, files=parts, headers={"Origin": "https://evil.test"})
        nowhere = http.post(URL, files=parts)
        own = http.post(URL, files=parts, headers={"Origin": product.url})

    problem_in(evil, 403, "origin_refused")
    problem_in(nowhere, 403, "origin_refused")
    assert own.status_code == 201
    assert written(product)["generations"] == 1


def test_a_form_is_for_somebody_signed_in(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.post(URL, files={"style": (None, "voxel-3d")})

    problem_in(answer, 401, "not_signed_in")


@pytest.mark.parametrize("code", ["source_unknown", "source_repeated", "upload_unreadable"])
def test_a_refusal_speaks_arabic(amal: Person, code: str) -> None:
    amal.http.headers["Accept-Language"] = "ar"
    source: Json = {"sourceUploadId": str(uuid4())}
    answers = {
        "source_unknown": lambda: as_form(amal, {**IMAGE, **source}),
        "source_repeated": lambda: as_form(amal, {**IMAGE, **source}, PHOTO),
        "upload_unreadable": lambda: as_form(amal, IMAGE, b"x"),
    }

    body = problem_in(answers[code](), 422, code)

    assert is_arabic(body["errors"][0]["detail"])
