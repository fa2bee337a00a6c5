"""In which language an answer speaks: chosen in the profile, asked for, the profile's first."""

import json

import pytest

from tests.api.looking import is_arabic
from tests.product import AMAL, Person, Product

pytestmark = pytest.mark.standing

ARABIC, ENGLISH, FRENCH = ({"Accept-Language": tag} for tag in ("ar", "en-US,en;q=0.9", "fr-FR"))
Header = dict[str, str]
NONE: Header = {}


def spoken_to(person: Person, headers: Header) -> str:
    """By a refusal and by an answer, which must not differ."""
    refusal = person.get("/api/generations/x", headers=headers)
    styles = person.get("/api/styles", headers=headers)
    assert is_arabic(refusal.json()["detail"]) == (refusal.headers["content-language"] == "ar")
    assert is_arabic(styles.text) == (styles.headers["content-language"] == "ar")
    assert refusal.headers["content-language"] == styles.headers["content-language"]
    assert "Accept-Language" in refusal.headers["vary"]
    return refusal.headers["content-language"]


def choose(person: Person, language: str) -> None:
    answer = person.http.patch("/api/user/profile", json={"language": language})
    assert answer.status_code == 200


def test_a_language_that_was_chosen_wins_over_what_a_browser_sends(product: Product) -> None:
    amal = product.sign_in(AMAL, **ENGLISH)

    for chosen in ("ar", "en"):
        choose(amal, chosen)
        for headers in (ARABIC, ENGLISH, FRENCH, NONE):
            assert spoken_to(amal, headers) == chosen


def test_without_a_choice_the_request_decides(product: Product) -> None:
    for first in (ARABIC, ENGLISH):
        amal = product.sign_in(AMAL, **first)

        assert spoken_to(amal, ARABIC) == "ar"
        assert spoken_to(amal, ENGLISH) == "en"


def test_without_a_wish_the_first_language_stays(product: Product) -> None:
    arabic = product.sign_in("huda@madar.test", **ARABIC)
    english = product.sign_in(AMAL, **ENGLISH)

    for headers in (NONE, FRENCH, {"Accept-Language": "ar;q=0, garbage;;;"}):
        assert spoken_to(arabic, headers) == "ar"
        assert spoken_to(english, headers) == "en"


def test_a_choice_outlives_the_next_sign_in(product: Product) -> None:
    choose(product.sign_in(AMAL, **ENGLISH), "ar")

    assert spoken_to(product.sign_in(AMAL, **ENGLISH), ENGLISH) == "ar"


def test_nobody_is_answered_as_they_ask_and_else_in_english(product: Product) -> None:
    with product.anonymous() as http:
        told = [
            http.get("/api/user/stats", headers=headers).headers["content-language"]
            for headers in (ARABIC, ENGLISH, FRENCH, NONE)
        ]

    assert told == ["ar", "en", "en", "en"]


def test_a_socket_speaks_as_was_chosen(product: Product, amal: Person) -> None:
    choose(amal, "ar")

    with product.socket(Authorization=f"Bearer {amal.token}", **ENGLISH) as socket:
        socket.send('{"type": "shout"}')
        assert is_arabic(json.loads(socket.recv(timeout=10))["message"])
