"""GET /api/generations/{id}."""

from uuid import UUID, uuid4

import pytest

from tests.api.looking import is_arabic, problem_in, without_id
from tests.product import Json, Person, Product

pytestmark = pytest.mark.standing

WAITING = {
    *("id", "status", "progress", "stage", "version", "prompt", "style", "aspectRatio"),
    *("inputType", "customColors", "seed", "isLiked", "createdAt"),
}


def test_a_waiting_generation_has_what_was_asked_for(amal: Person) -> None:
    created = amal.create(textPrompt="a teal cup", aspectRatio="4:3", customColors=["#008080"])

    answer = amal.get(f"/api/generations/{created['id']}")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    seen = answer.json()
    assert seen.keys() == WAITING
    assert seen["createdAt"].endswith("+00:00")
    assert {name: seen[name] for name in WAITING - {"createdAt"}} == {
        "id": created["id"],
        "status": "queued",
        "progress": 0,
        "stage": "queued",
        "version": 1,
        "prompt": "a teal cup",
        "style": "voxel-3d",
        "aspectRatio": "4:3",
        "inputType": "text",
        "customColors": ["#008080"],
        "seed": "7",
        "isLiked": False,
    }


def test_a_completed_generation_has_links_that_work(product: Product, amal: Person) -> None:
    with product.working():
        created = amal.create()
        seen = amal.finished(created["id"])

    assert seen.keys() == WAITING - {"stage"} | {"result", "completedAt"}
    result: Json = seen["result"]
    assert result.keys() == {
        *("imageUrl", "thumbnailUrl", "downloadUrl", "masterUrl", "dimensions", "fileSize"),
        "transparency",
    }
    assert result["dimensions"].keys() == {"width", "height"}
    assert result["transparency"].keys() == {
        *("cornerAlpha", "coverage", "opaqueShare", "softShare", "frameShare", "hazeShare"),
    }
    with product.anonymous() as http:
        files = {name: http.get(result[name]) for name in result if name.endswith("Url")}
    assert {name: answer.headers["content-type"] for name, answer in files.items()} == {
        "imageUrl": "image/webp",
        "thumbnailUrl": "image/webp",
        "downloadUrl": "image/png",
        "masterUrl": "image/png",
    }
    assert len(files["masterUrl"].content) == result["fileSize"]


def test_a_failed_generation_says_why_in_the_readers_language(
    product: Product, amal: Person
) -> None:
    created = amal.create(textPrompt="a red rocket [sim:refuse]")
    with product.working():
        seen = amal.finished(created["id"])

    in_arabic = amal.get(
        f"/api/generations/{created['id']}", headers={"Accept-Language": "ar-SA"}
    ).json()

    assert seen.keys() == WAITING - {"stage"} | {"error", "errorCode", "retryable"}
    assert (seen["status"], seen["errorCode"]) == ("failed", "content_policy")
    assert seen["error"].startswith("This prompt was refused")
    assert is_arabic(in_arabic["error"])
    assert in_arabic["errorCode"] == "content_policy"


@pytest.mark.alone
def test_times_are_utc_whatever_the_servers_clock_shows(product: Product, amal: Person) -> None:
    [row] = product.rows("SELECT current_database() AS name")
    product.execute(f"ALTER DATABASE {row['name']} SET timezone = 'Asia/Riyadh'")
    product.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip

    created = amal.create()

    assert amal.status(created["id"])["createdAt"].endswith("+00:00")


def test_what_is_not_yours_is_not_there(amal: Person, badr: Person) -> None:
    mine = amal.create()["id"]
    absent = {
        "a stranger's": mine,
        "nobody's": str(uuid4()),
        "malformed": "1",
        "upper case": mine.upper() if mine.upper() != mine else "X",
        "without dashes": UUID(mine).hex,
        "with braces": "{" + mine + "}",
        "NUL": "%00",
        "letters": "صاروخ",
    }

    answers = {name: badr.get(f"/api/generations/{one}") for name, one in absent.items()}

    for answer in answers.values():
        problem_in(answer, 404, "not_found")
    bodies = [without_id(answer) for answer in answers.values()]
    assert all(body == bodies[0] for body in bodies)
    headers = [
        {name for name in answer.headers if name not in {"date", "x-request-id"}}
        for answer in answers.values()
    ]
    assert all(one == headers[0] for one in headers)
    assert amal.get(f"/api/generations/{mine.upper()}").status_code == 404


def test_a_deleted_generation_is_not_there(product: Product, amal: Person) -> None:
    created = amal.create()
    product.execute("UPDATE generations SET deleted_at = now()")

    answer = amal.get(f"/api/generations/{created['id']}")

    problem_in(answer, 404, "not_found")


def test_nobody_looks_without_a_session(product: Product, amal: Person) -> None:
    created = amal.create()

    with product.anonymous() as http:
        answer = http.get(f"/api/generations/{created['id']}")

    problem_in(answer, 401, "not_signed_in")


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.get(f"/api/generations/{uuid4()}", headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])
