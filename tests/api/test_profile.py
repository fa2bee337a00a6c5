"""GET and PATCH /api/user/profile."""

from typing import Any

import httpx
import pytest

from tests.api.looking import is_arabic, places_in, problem_in
from tests.api.signing_in import spoil_next_token
from tests.product import AMAL, Json, Person, Product

pytestmark = pytest.mark.standing

URL = "/api/user/profile"
ENGLISH, ARABIC = {"Accept-Language": "en"}, {"Accept-Language": "ar"}


def profile(person: Person) -> Json:
    answer = person.get(URL)
    assert answer.status_code == 200
    return answer.json()


def change(person: Person, **fields: Any) -> httpx.Response:
    return person.http.patch(URL, json=fields)


def test_a_person_sees_who_they_are(product: Product, amal: Person) -> None:
    answer = amal.get(URL)

    row = product.rows("SELECT id::text, created_at FROM users")[0]
    told = answer.json()
    assert told == {
        "id": row["id"],
        "email": AMAL,
        "displayName": "Amal",
        "avatarUrl": told["avatarUrl"],
        "language": "en",
        "createdAt": told["createdAt"],
    }
    assert isinstance(told["avatarUrl"], str)
    assert answer.headers["cache-control"] == "private, max-age=0, must-revalidate"


def test_who_knows_the_profile_is_told_so_until_it_changes(amal: Person) -> None:
    tag = amal.get(URL).headers["etag"]

    again = amal.get(URL, headers={"If-None-Match": tag})
    change(amal, displayName="Amal K.")
    later = amal.get(URL, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert (later.status_code, later.json()["displayName"]) == (200, "Amal K.")


def test_a_change_is_answered_with_the_profile_and_seen_at_once(amal: Person) -> None:
    profile(amal)

    for name in ("أمل", "Zoe\u0301", " Amal "):
        answer = change(amal, displayName=name)
        assert answer.status_code == 200
        assert answer.json() == profile(amal)

    assert profile(amal)["displayName"] == "Amal"
    assert amal.get("/api/auth/user").json()["displayName"] == "Amal"


@pytest.mark.parametrize("body", [{}, {"displayName": None, "language": None}])
def test_nothing_said_changes_nothing(product: Product, amal: Person, body: Json) -> None:
    before, rows = profile(amal), product.rows("SELECT * FROM users")

    answer = change(amal, **body)

    assert (answer.status_code, answer.json()) == (200, before)
    assert product.rows("SELECT * FROM users") == rows


def test_what_another_machine_changed_is_seen_at_once(product: Product, amal: Person) -> None:
    profile(amal)

    product.execute("UPDATE users SET display_name = 'Amal of another machine'")

    assert profile(amal)["displayName"] == "Amal of another machine"


def test_a_new_name_at_google_comes_with_the_next_sign_in(product: Product, amal: Person) -> None:
    profile(amal)
    spoil_next_token(product, name="Amal Renamed", email="amal@elsewhere.test")

    product.sign_in(AMAL)

    seen = profile(amal)
    assert (seen["displayName"], seen["email"]) == ("Amal Renamed", "amal@elsewhere.test")


def test_a_chosen_name_and_language_outlive_the_next_sign_in(
    product: Product, amal: Person
) -> None:
    change(amal, displayName="أمل", language="ar")
    spoil_next_token(product, name="Amal Renamed")

    again = product.sign_in(AMAL, **ENGLISH)

    assert (profile(again)["displayName"], profile(again)["language"]) == ("أمل", "ar")


def test_a_chosen_language_comes_before_what_the_browser_asks_for(amal: Person) -> None:
    in_english = amal.get("/api/styles", headers=ENGLISH).json()["styles"][0]["title"]
    change(amal, language="ar")

    styles = amal.get("/api/styles", headers=ENGLISH)
    refusal = amal.get("/api/generations/x", headers=ENGLISH)
    fault = amal.http.patch(URL, json={"language": "fr"}, headers=ENGLISH)

    assert styles.headers["content-language"] == "ar"
    assert is_arabic(styles.json()["styles"][0]["title"])
    assert not is_arabic(in_english)
    assert refusal.headers["content-language"] == "ar"
    assert is_arabic(problem_in(refusal, 404, "not_found")["detail"])
    assert is_arabic(problem_in(fault, 422, "language_unknown")["errors"][0]["detail"])
    change(amal, language="en")
    assert amal.get("/api/styles", headers=ARABIC).headers["content-language"] == "en"


def test_until_a_language_is_chosen_the_browser_decides(amal: Person) -> None:
    change(amal, displayName="Amal K.")

    assert is_arabic(amal.get("/api/generations/x", headers=ARABIC).json()["detail"])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("displayName", "", "name_empty"),
        ("displayName", " \u00a0", "name_empty"),
        ("displayName", "x" * 101, "name_too_long"),
        ("displayName", "Amal\u202elamA", "name_unreadable"),
        ("displayName", "Amal\0", "name_unreadable"),
        ("displayName", 7, "not_text"),
        ("displayName", ["Amal"], "not_text"),
        ("language", "fr", "language_unknown"),
        ("language", True, "not_text"),
        *((name, "x", "field_unknown") for name in ("email", "id", "isActive", "googleId")),
    ],
)
def test_what_may_not_be_is_refused_at_its_place(
    product: Product, amal: Person, field: str, value: Any, code: str
) -> None:
    before = product.rows("SELECT * FROM users")

    body = problem_in(change(amal, **{field: value}), 422, code)

    assert places_in(body) == [(f"/{field}", code)]
    assert product.rows("SELECT * FROM users") == before


def test_half_a_letter_is_refused(amal: Person) -> None:
    answer = amal.http.patch(
        URL, content=b'{"displayName": "a\\ud800"}', headers={"Content-Type": "application/json"}
    )

    assert places_in(problem_in(answer, 422, answer.json()["code"]))[0][0] == "/displayName"


def test_a_change_reaches_nobody_else(amal: Person, badr: Person) -> None:
    change(amal, displayName="Amal K.")

    assert profile(badr)["displayName"] == "Badr"
