"""POST /api/generations/{id}/retry."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import get_args
from uuid import uuid4

import httpx
import pytest

from madar.codes import CODES
from madar.domain.failures import FailureCode
from tests.api.looking import finish, is_arabic, problem_in, without_id, written
from tests.conftest import Start
from tests.imaging.pictures import photo, png
from tests.product import ROCKET, Json, Person, Product

pytestmark = pytest.mark.standing

PICTURE = png(photo(60, 40))
WISH = (
    *("prompt", "prompt_english", "translation", "style", "aspect_ratio", "input_type"),
    *("source_upload_id", "custom_colors"),
)


def retry(person: Person, generation_id: object, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return person.post(f"/api/generations/{generation_id}/retry", headers=given)


def fail(product: Product, generation_id: object, code: str = "timeout") -> None:
    product.execute(
        "UPDATE generations SET state = 'failed', error_code = %s, next_action_at = NULL,"
        " version = version + 1 WHERE id = %s",
        *(code, generation_id),
    )


def failed(product: Product, person: Person, code: str = "timeout") -> str:
    created: str = person.create()["id"]
    fail(product, created, code)
    return created


def wish_of(product: Product, generation_id: object) -> Json:
    columns = ", ".join(WISH)
    return product.rows(f"SELECT {columns} FROM generations WHERE id = %s", generation_id)[0]


def test_the_same_is_asked_for_anew(product: Product, amal: Person) -> None:
    source = amal.post("/api/uploads/image", files={"image": ("a.png", PICTURE)}).json()["id"]
    parent = amal.create(
        inputType="image",
        sourceUploadId=source,
        style="glass-morphism",
        aspectRatio="16:9",
        customColors=["#FF5733", "#000000"],
    )
    fail(product, parent["id"])

    answer = retry(amal, parent["id"])

    assert answer.status_code == 201
    made: Json = answer.json()
    assert answer.headers["location"] == f"/api/generations/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (made["status"], made["progress"], made["parentId"]) == ("queued", 0, parent["id"])
    assert wish_of(product, made["id"]) == wish_of(product, parent["id"])
    first, second = amal.status(parent["id"]), amal.status(made["id"])
    assert second["parentId"] == parent["id"]
    assert "parentId" not in first
    assert second["seed"] != first["seed"]
    assert (first["status"], second["status"]) == ("failed", "queued")
    [attempt] = product.rows("SELECT n, state FROM attempts WHERE id = %s", made["jobId"])
    assert attempt == {"n": 1, "state": "prepared"}


def test_it_becomes_a_picture(product: Product, amal: Person) -> None:
    parent = failed(product, amal)

    with product.working():
        done = amal.finished(retry(amal, parent).json()["id"])

    assert (done["status"], done["prompt"]) == ("completed", ROCKET["textPrompt"])
    assert amal.status(parent)["status"] == "failed"


def test_what_was_cancelled_may_be_asked_for_again(amal: Person) -> None:
    parent = amal.create()["id"]
    assert amal.post(f"/api/generations/{parent}/cancel").status_code == 200

    assert retry(amal, parent).status_code == 201


@pytest.mark.alone
def test_a_translation_that_was_paid_for_is_kept_and_a_failed_one_tried_again(
    product: Product, amal: Person
) -> None:
    """Whatever became of the prompt in English: translated, not, or the style's own words."""
    arabic, unlucky = (amal.create(textPrompt=words)["id"] for words in ("صاروخ أحمر", "كوب"))
    styles_own = amal.post(
        "/api/generations", json={"style": "toy-figurine"}, headers={"Accept-Language": "ar"}
    ).json()["id"]
    product.execute(
        "UPDATE generations SET translation = 'done', prompt_english = 'a red rocket',"
        " step = 'cutout' WHERE id = %s",
        arabic,
    )
    product.execute("UPDATE generations SET translation = 'failed' WHERE id = %s", unlucky)
    product.execute(
        "UPDATE generation_styles SET default_prompt = 'other', default_prompt_ar = 'غير'"
    )
    for one in (arabic, unlucky, styles_own):
        fail(product, one)

    made = {one: retry(amal, one).json()["id"] for one in (arabic, unlucky, styles_own)}

    steps = {
        parent: product.rows("SELECT step FROM generations WHERE id = %s", one)[0]["step"]
        for parent, one in made.items()
    }
    assert steps == {arabic: "draw", unlucky: "translate", styles_own: "draw"}
    for parent in (arabic, styles_own):
        assert wish_of(product, made[parent]) == wish_of(product, parent)
    assert wish_of(product, made[unlucky])["translation"] == "pending"


@pytest.mark.parametrize("code", get_args(FailureCode))
def test_only_where_it_helps(product: Product, amal: Person, code: str) -> None:
    parent = failed(product, amal, code)

    answer = retry(amal, parent)

    assert amal.status(parent)["retryable"] == CODES[code].is_retryable
    if CODES[code].is_retryable:
        assert answer.status_code == 201
    else:
        problem_in(answer, 409, "generation_not_retryable")
        assert "retry-after" not in answer.headers


def test_what_has_not_failed_is_not_asked_for_again(product: Product, amal: Person) -> None:
    waiting, completed, reviving = (amal.create()["id"] for _ in range(3))
    finish(product, completed)
    product.execute(
        "UPDATE generations SET state = 'reviving', error_code = 'timeout' WHERE id = %s", reviving
    )

    for one in (waiting, completed, reviving):
        problem_in(retry(amal, one), 409, "generation_not_failed")
    refused = retry(amal, waiting, Accept_Language="ar")

    assert is_arabic(problem_in(refused, 409, "generation_not_failed")["detail"])
    assert written(product)["generations"] == 3


def test_what_is_not_yours_is_not_there(product: Product, amal: Person, badr: Person) -> None:
    parent, deleted = failed(product, amal), failed(product, badr)
    assert badr.http.delete(f"/api/generations/{deleted}").status_code == 204

    answers = [retry(badr, one) for one in (parent, deleted, uuid4(), "1")]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])
    assert written(product)["generations"] == 2


def test_with_a_key_it_is_made_once(product: Product, amal: Person) -> None:
    parent, other = failed(product, amal), failed(product, amal)

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(retry, amal, parent, Idempotency_Key="k") for _ in range(8)]
        answers = [one.result() for one in sent]
    amal.http.delete(f"/api/generations/{parent}")
    later = retry(amal, parent, Idempotency_Key="k")
    mismatch = retry(amal, other, Idempotency_Key="k")
    without = [retry(amal, other), retry(amal, other)]

    assert {answer.status_code for answer in (*answers, later)} == {201}
    assert {answer.content for answer in (*answers, later)} == {answers[0].content}
    assert later.headers["idempotency-replayed"] == "true"
    assert later.headers["location"] == answers[0].headers["location"]
    assert "generations" not in later.headers["ratelimit-policy"]
    problem_in(mismatch, 422, "idempotency_mismatch")
    assert len({answer.json()["id"] for answer in without}) == 2
    assert written(product)["generations"] == 5


def test_a_key_of_a_creation_is_another(product: Product, amal: Person) -> None:
    parent = failed(product, amal)
    created = amal.post("/api/generations", json=ROCKET, headers={"Idempotency-Key": "k"})

    made = retry(amal, parent, Idempotency_Key="k")

    assert made.status_code == 201
    assert made.json()["id"] != created.json()["id"]


def test_it_counts_for_the_limit(start: Start) -> None:
    product = start(rate_limit_generations="2/1h")
    amal = product.sign_in()
    parent = failed(product, amal)

    made = retry(amal, parent)
    refused = retry(amal, parent)

    assert made.status_code == 201
    assert '"generations";r=0' in made.headers["ratelimit"]
    problem_in(refused, 429, "rate_limited")
    assert '"generations";r=0' in refused.headers["ratelimit"]


def test_it_counts_for_the_quota_and_the_failed_one_does_not(start: Start) -> None:
    product = start(quota_generations="2/1d", rate_limit_generations="100/1m")
    amal = product.sign_in()
    parent = failed(product, amal)

    made = [retry(amal, parent) for _ in range(3)]

    assert [answer.status_code for answer in made] == [201, 201, 429]
    problem_in(made[-1], 429, "quota_exceeded")
    fail(product, made[0].json()["id"])
    assert retry(amal, made[0].json()["id"]).status_code == 201
    problem_in(retry(amal, parent), 429, "quota_exceeded")


def test_a_refused_one_takes_no_turn(start: Start) -> None:
    product = start(rate_limit_generations="1/1h")
    amal = product.sign_in()
    product.execute(
        "INSERT INTO generations (id, user_id, prompt, style, input_type, seed, step, deadline_at,"
        " state, error_code, next_action_at)"
        " SELECT gen_random_uuid(), id, 'x', 'voxel-3d', 'text', 1, 'draw', now(), 'failed',"
        " 'content_policy', NULL FROM users"
    )
    hopeless = product.rows("SELECT id FROM generations")[0]["id"]

    for _ in range(3):
        problem_in(retry(amal, hopeless), 409, "generation_not_retryable")
        problem_in(retry(amal, uuid4()), 404, "not_found")

    assert amal.create()


@pytest.mark.alone
def test_a_style_that_is_not_offered_any_more_is_refused(product: Product, amal: Person) -> None:
    parent = failed(product, amal)
    product.execute("UPDATE generation_styles SET is_active = false")

    answer = retry(amal, parent, Accept_Language="ar")

    assert is_arabic(problem_in(answer, 422, "style_unknown")["detail"])
    assert written(product)["generations"] == 1


def test_the_source_stays_for_those_made_from_it(product: Product, amal: Person) -> None:
    source = amal.post("/api/uploads/image", files={"image": ("a.png", PICTURE)}).json()["id"]
    parent = amal.create(inputType="image", sourceUploadId=source)["id"]
    fail(product, parent)
    made = retry(amal, parent).json()["id"]

    amal.http.delete(f"/api/generations/{parent}")
    product.execute("DELETE FROM generations WHERE id = %s", parent)

    shown = amal.status(made)
    assert shown["sourceUploadId"] == source
    assert "parentId" not in shown


def test_who_is_nobody_is_told_first(product: Product) -> None:
    with product.anonymous() as http:
        for what in ("retry", "cancel"):
            problem_in(http.post(f"/api/generations/{uuid4()}/{what}"), 401, "not_signed_in")


def test_a_retry_is_live_from_its_beginning(product: Product, amal: Person) -> None:
    parent = failed(product, amal)
    made = retry(amal, parent).json()["id"]

    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        socket.send(json.dumps({"type": "join:generation", "generationId": made}))
        joined = json.loads(socket.recv(timeout=15))

    assert joined["snapshot"]["parentId"] == parent
