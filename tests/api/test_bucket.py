"""The product with its pictures in a bucket: the same to everybody who asks."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from jobs import maintenance
from madar.clients.storage import Storage
from tests.api.looking import problem_in
from tests.api.test_counts import counts
from tests.api.test_create_from_picture import PHOTO, UPLOADS, uploaded
from tests.buckets import S3
from tests.conftest import Start
from tests.product import Json, Person, Product
from tests.simulator.harness import CUT_OUT, REDRAW, decoded, eventually

STUCK = (
    "SELECT 1 FROM generations g JOIN attempts a ON a.generation_id = g.id"
    " WHERE g.state = 'finalizing' AND a.step = 'cutout' AND a.polls > 0"
)


@pytest.fixture(autouse=True)
def _purges_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)


@pytest.fixture
def product(start: Start, s3: S3) -> Product:
    return start(**s3.settings)


@pytest.fixture
def done(product: Product, amal: Person) -> Json:
    with product.working():
        return amal.finished(amal.create()["id"])


def followed(url: str, **headers: str) -> httpx.Response:
    with httpx.Client(headers=headers, follow_redirects=True, trust_env=False, verify=False) as it:
        return it.get(url)


def test_a_sentence_becomes_a_picture_that_is_saved_under_its_name(
    product: Product, amal: Person, done: Json, s3: S3, tmp_path: Path
) -> None:
    link = amal.get(f"/api/generations/{done['id']}/download").json()["downloadUrl"]

    sent_on, saved = httpx.get(link, trust_env=False, verify=False), followed(link)

    assert done["status"] == "completed"
    assert link.startswith(product.url)
    assert (sent_on.status_code, sent_on.content) == (307, b"")
    assert sent_on.headers["location"].startswith(s3.url)
    assert sent_on.headers["cache-control"].startswith("private, max-age=")
    assert saved.headers["content-type"] == "image/png"
    assert saved.headers["content-disposition"].startswith('attachment; filename="')
    assert decoded(saved.content).bands == 4
    assert len(s3.pictures()) == 3
    assert not (tmp_path / "files").exists()


def test_all_links_of_a_picture_lead_to_it(done: Json) -> None:
    types = {
        name: followed(done["result"][name]).headers["content-type"]
        for name in ("imageUrl", "thumbnailUrl", "masterUrl", "downloadUrl")
    }

    assert types == {
        "imageUrl": "image/webp",
        "thumbnailUrl": "image/webp",
        "masterUrl": "image/png",
        "downloadUrl": "image/png",
    }
    part = followed(done["result"]["masterUrl"], Range="bytes=0-7")
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")


def test_asking_for_the_head_leads_to_the_head(product: Product, done: Json) -> None:
    with product.anonymous() as http:
        answer = http.head(done["result"]["imageUrl"])
        there = httpx.head(answer.headers["location"], trust_env=False, verify=False)

    assert (answer.status_code, there.status_code) == (307, 200)
    assert there.headers["content-type"] == "image/webp"


def test_sending_on_is_counted_once(product: Product, done: Json) -> None:
    for name in ("imageUrl", "imageUrl", "downloadUrl", "thumbnailUrl"):
        followed(done["result"][name])
    with product.anonymous(Range="bytes=5-") as http:
        http.get(done["result"]["masterUrl"])

    eventually(lambda: counts(product, done["id"]) == (1, 1) or None)


def test_what_is_deleted_is_404_and_leaves_the_bucket(
    product: Product, amal: Person, done: Json, s3: S3
) -> None:
    links = [done["result"][name] for name in ("imageUrl", "downloadUrl")]
    before = [followed(link).status_code for link in links]

    gone = amal.http.delete("/api/user")
    with product.working():
        eventually(lambda: s3.pictures() == [] or None)

    assert (before, gone.status_code) == ([200, 200], 202)
    for link in links:
        problem_in(followed(link), 404, "not_found")


def test_an_ended_link_is_refused_before_the_bucket(product: Product, done: Json, s3: S3) -> None:
    storage = Storage(product.settings)
    key = storage.key_in(done["result"]["imageUrl"])
    assert key in s3.pictures()

    with product.anonymous() as http:
        problem_in(http.get(storage.sign(key, life_s=-600)), 404, "not_found")


def test_fal_is_given_an_address_that_leads_nowhere_else(
    product: Product, amal: Person, s3: S3
) -> None:
    upload = uploaded(amal)
    with product.working():
        done = amal.finished(amal.create(inputType="image", sourceUploadId=upload["id"])["id"])

    assert done["status"] == "completed", done
    assert [one["endpointId"] for one in product.submissions()] == [REDRAW, CUT_OUT]
    [sent] = product.rows("SELECT arguments FROM attempts WHERE step = 'draw'")
    source: str = sent["arguments"]["image_url"]
    assert source.startswith(s3.url)
    assert "X-Amz-Expires=3600" in source
    key = urlsplit(source).path.split("/", 2)[2]
    assert key in s3.pictures()
    assert followed(upload["url"]).content == s3.content(key)


def test_a_lost_bucket_delays_and_loses_nothing(product: Product, amal: Person, s3: S3) -> None:
    s3.drop_bucket()
    with product.working():
        made = [amal.create(seed=seed)["id"] for seed in (1, 2)]
        eventually(lambda: len(product.rows(STUCK)) == 2 or None)
        refused = amal.post(UPLOADS, files={"image": ("a.png", PHOTO, "image/png")})
        seen = [amal.status(each)["status"] for each in made]
        listed = amal.get("/api/generations")

        s3.clear()
        ended = [amal.finished(each)["status"] for each in made]

    problem_in(refused, 503, "storage_unavailable")
    assert (seen, listed.status_code) == (["processing"] * 2, 200)
    assert ended == ["completed"] * 2
    assert len(s3.pictures()) == 6


def test_a_silent_bucket_delays_and_loses_nothing(product: Product, amal: Person, s3: S3) -> None:
    done = {"id": amal.create()["id"]}
    s3.pause()
    with product.working():
        finalizing = "SELECT 1 FROM generations WHERE state = 'finalizing'"
        eventually(lambda: product.rows(finalizing) or None)
        refused = amal.post(UPLOADS, files={"image": ("a.png", PHOTO, "image/png")})
        listed = amal.get("/api/generations")

        s3.go_on()
        ended = amal.finished(done["id"])

    problem_in(refused, 503, "storage_unavailable")
    assert listed.status_code == 200
    assert ended["status"] == "completed"
    assert product.rows("SELECT id FROM uploads") == []
