"""GET /api/user/export."""

import time
from typing import Any

import pytest

from tests.api.looking import finish, is_arabic, problem_in
from tests.imaging.pictures import photo, png
from tests.product import AMAL, Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

URL = "/api/user/export"


def export(person: Person, **headers: str) -> Json:
    answer = person.get(URL, headers=headers)
    assert answer.status_code == 200
    return answer.json()


def upload(person: Person) -> Json:
    answer = person.post("/api/uploads/image", files={"image": ("a.png", png(photo()))})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_everything_is_in_it(product: Product, amal: Person) -> None:
    source, finished, waiting = upload(amal), amal.create()["id"], amal.create()["id"]
    finish(product, finished)
    amal.http.patch(f"/api/generations/{finished}", json={"isLiked": True})
    eventually(lambda: product.rows("SELECT id FROM api_usage WHERE status_code = 201") or None)

    told = export(amal)

    assert told.keys() == {"user", "generations", "trash", "uploads", "sessions", "requests"}
    profile = amal.get("/api/user/profile").json()
    assert told["user"] == {**profile, "updatedAt": told["user"]["updatedAt"]}
    assert told["generations"] == [amal.status(finished), amal.status(waiting)]
    kept = told["uploads"][0]
    assert kept == {**source, "createdAt": kept["createdAt"]}
    listed = amal.get("/api/auth/sessions").json()["sessions"]
    assert [one["id"] for one in told["sessions"]] == [one["id"] for one in listed]
    assert told["requests"][0]["ipAddress"] == "127.0.0.1"
    assert told["requests"][0]["count"] > 0


def test_its_links_work(product: Product, amal: Person) -> None:
    source, created = upload(amal), amal.create()["id"]
    finish(product, created, picture=b"the picture")

    told = export(amal)

    result = told["generations"][0]["result"]
    with product.anonymous() as http:
        for name in ("imageUrl", "thumbnailUrl", "downloadUrl", "masterUrl"):
            assert http.get(result[name]).content == b"the picture"
        kept = http.get(told["uploads"][0]["url"])
        assert len(kept.content) == source["fileSize"]
        assert http.get(told["uploads"][0]["thumbnailUrl"]).status_code == 200


def test_no_key_token_or_hash_is_in_it(product: Product, amal: Person) -> None:
    upload(amal)
    finish(product, amal.create()["id"])
    amal.post("/api/generations", json={"style": "voxel-3d"}, headers={"Idempotency-Key": "k-1"})

    text = amal.get(URL).text

    secrets = [amal.token, amal.cookie, "k-1"]
    for column, table in (
        *(("master_key", "generations"), ("result_image_key", "generations")),
        *(("object_key", "uploads"), ("google_id", "users"), ("fal_job_id", "generations")),
    ):
        secrets += [row[column] for row in product.rows(f"SELECT {column} FROM {table}")]
    hashes = product.rows("SELECT encode(session_token, 'hex') AS hash FROM user_sessions")
    secrets += [row["hash"] for row in hashes]
    for secret in filter(None, secrets):
        assert f'"{secret}"' not in text
        assert secret not in text or secret == "k-1"


def test_it_is_a_file_that_nobody_keeps(amal: Person) -> None:
    for headers in ({}, {"If-None-Match": "*"}):
        answer = amal.get(URL, headers=headers)

        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == 'attachment; filename="madar.json"'
        assert answer.headers["cache-control"] == "no-store"


def test_a_failure_is_told_in_words(product: Product, amal: Person) -> None:
    amal.create()
    product.execute(
        "UPDATE generations SET state = 'failed', error_code = 'timeout', next_action_at = NULL"
    )

    english, arabic = (export(amal, **{"Accept-Language": one}) for one in ("en", "ar"))

    assert english["generations"][0]["error"] not in {"", "timeout"}
    assert is_arabic(arabic["generations"][0]["error"])


def test_words_that_look_like_ours_stay_as_they_are(amal: Person) -> None:
    prompt = 'a "imageUrl":"aa/bb.png" and "error":"timeout" \\'
    amal.create(textPrompt=prompt)

    assert export(amal)["generations"][0]["prompt"] == prompt


def test_nothing_of_others_is_in_it(product: Product, amal: Person, badr: Person) -> None:
    upload(badr)
    finish(product, badr.create(textPrompt="a secret of Badr's")["id"])

    answer = amal.get(URL)

    assert "badr" not in answer.text.lower()
    told = answer.json()
    assert (told["generations"], told["uploads"], len(told["sessions"])) == ([], [], 1)


def test_two_thousand_pictures_are_no_trouble(
    product: Product, amal: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(product, pictures=2000)
    began = time.perf_counter()

    told = export(amal)

    took_ms = round((time.perf_counter() - began) * 1000)
    with capsys.disabled():
        print(f"\n[export of 2,000 pictures: {took_ms} ms]")  # noqa: T201
    assert len(told["generations"]) == 2000
    assert all(one["result"]["imageUrl"].startswith(product.url) for one in told["generations"])


def fill(product: Product, *, pictures: int, email: str = AMAL) -> None:
    """Completed pictures, as rows."""
    product.execute(
        "INSERT INTO generations (user_id, prompt, style, input_type, seed, step, state,"
        " fal_progress, next_action_at, deadline_at, master_key, result_image_key, thumbnail_key,"
        " file_size_bytes, image_dimensions, transparency, completed_at)"
        " SELECT u.id, 'a red rocket number ' || n, 'voxel-3d', 'text', n, 'finalize',"
        " 'completed', 100, NULL, now(), key || '1.png', key || '2.webp', key || '3.webp',"
        ' 1000000, \'{"width": 1024, "height": 1024}\', \'{"clear": 0.5}\', now()'
        "  FROM users u, generate_series(1, %s) n,"
        "       LATERAL (SELECT 'ab/' || md5(n::text) AS key) k WHERE u.email = %s",
        pictures,
        email,
    )


def test_nobody_exports_without_a_session(product: Product) -> None:
    with product.anonymous() as http:
        answer: Any = http.get(URL)

    problem_in(answer, 401, "not_signed_in")
