"""PATCH /api/generations/{id}."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.looking import finish, is_arabic, places_in, problem_in, without_id
from tests.product import Person, Product

pytestmark = pytest.mark.standing


@pytest.fixture
def picture(amal: Person) -> str:
    return amal.create()["id"]


def patch(person: Person, generation_id: object, body: Any, **headers: str) -> httpx.Response:
    return person.http.patch(f"/api/generations/{generation_id}", json=body, headers=headers)


def test_a_like_is_answered_with_the_whole_document(
    product: Product, amal: Person, picture: str
) -> None:
    finish(product, picture)

    liked = patch(amal, picture, {"isLiked": True})

    assert liked.status_code == 200
    assert liked.headers["cache-control"] == "no-store"
    assert liked.json()["isLiked"] is True
    assert liked.json() == amal.status(picture)
    assert amal.get("/api/generations", params={"liked": "true"}).json()["pagination"]["total"] == 1


def test_a_like_can_be_taken_back_and_said_twice(amal: Person, picture: str) -> None:
    wishes = (True, True, False, False, True)

    answers = [patch(amal, picture, {"isLiked": wish}) for wish in wishes]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert tuple(answer.json()["isLiked"] for answer in answers) == wishes


def test_a_like_does_not_touch_the_version(amal: Person, picture: str) -> None:
    before = amal.status(picture)

    after = patch(amal, picture, {"isLiked": True}).json()

    assert after["version"] == before["version"]


@pytest.mark.parametrize("body", [{}, {"isLiked": None}])
def test_nothing_said_changes_nothing(
    product: Product, amal: Person, picture: str, body: Any
) -> None:
    patch(amal, picture, {"isLiked": True})
    before = product.rows("SELECT * FROM generations")

    answer = patch(amal, picture, body)

    assert (answer.status_code, answer.json()["isLiked"]) == (200, True)
    assert product.rows("SELECT * FROM generations") == before


@pytest.mark.parametrize("wrong", [1, 0, "true", "false", "yes", [], {}, [True], 1.0])
def test_only_true_and_false_are_truths(amal: Person, picture: str, wrong: Any) -> None:
    body = problem_in(patch(amal, picture, {"isLiked": wrong}), 422, "not_truth")

    assert places_in(body) == [("/isLiked", "not_truth")]
    assert amal.status(picture)["isLiked"] is False


@pytest.mark.parametrize(
    "name", ["userId", "status", "is_liked", "downloadCount", "createdAt", "__proto__", "deletedAt"]
)
def test_nothing_else_can_be_set(amal: Person, picture: str, name: str) -> None:
    body = problem_in(patch(amal, picture, {"isLiked": True, name: True}), 422, "field_unknown")

    assert places_in(body) == [(f"/{name}", "field_unknown")]
    assert amal.status(picture)["isLiked"] is False


def test_a_reader_that_knows_it_all_is_answered_nonetheless(amal: Person, picture: str) -> None:
    known = patch(amal, picture, {"isLiked": True}).headers["etag"]

    for tag in (known, "*"):
        assert patch(amal, picture, {}, **{"If-None-Match": tag}).status_code == 200


def test_what_is_not_yours_is_not_there(product: Product, badr: Person, picture: str) -> None:
    answers = [patch(badr, one, {"isLiked": True}) for one in (picture, uuid4(), "1")]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])
    assert product.rows("SELECT is_liked FROM generations") == [{"is_liked": False}]


def test_a_refusal_speaks_arabic(amal: Person, picture: str) -> None:
    answer = patch(amal, picture, {"isLiked": 1}, **{"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 422, "not_truth")["errors"][0]["detail"])
