"""GET /api/styles."""

import pytest
from click.testing import CliRunner

from madar.cli import cli
from tests.api.looking import is_arabic
from tests.product import Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

FIVE = ["voxel-3d", "minimal-icon", "glass-morphism", "neon-glow", "toy-figurine"]


def test_everybody_may_see_the_five_styles(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/styles")
        previews = [http.get(style["previewImageUrl"]) for style in answer.json()["styles"]]

    styles = answer.json()["styles"]
    assert [style["id"] for style in styles] == FIVE
    for style in styles:
        assert style.keys() == {
            *("id", "title", "description", "previewImageUrl", "defaultPrompt", "isActive"),
        }
        assert style["isActive"] is True
        assert style["previewImageUrl"] == f"{product.url}/previews/{style['id']}.webp"
        assert not is_arabic("".join(str(text) for text in style.values()))
    assert [preview.status_code for preview in previews] == [200] * 5


def test_titles_and_prompts_come_in_the_readers_language(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "ar-EG, en;q=0.5"}) as http:
        answer = http.get("/api/styles")

    assert answer.headers["content-language"] == "ar"
    for style in answer.json()["styles"]:
        assert all(is_arabic(style[name]) for name in ("title", "description", "defaultPrompt"))


def test_caches_keep_the_languages_apart(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/styles")

    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert set(answer.headers["vary"].split(", ")) >= {"Accept-Language", "Authorization", "Cookie"}
    assert answer.headers["content-language"] == "en"


@pytest.mark.alone
def test_a_style_that_is_switched_off_is_not_offered(product: Product) -> None:
    product.execute("UPDATE generation_styles SET is_active = false WHERE id = 'neon-glow'")

    with product.anonymous() as http:
        styles = http.get("/api/styles").json()["styles"]

    assert [style["id"] for style in styles] == [name for name in FIVE if name != "neon-glow"]


@pytest.mark.alone
def test_the_operator_changes_a_style_and_every_reader_sees_it(product: Product) -> None:
    with product.anonymous() as http:
        before = http.get("/api/styles").json()["styles"][0]["title"]
        dsn = str(product.settings.database_url)
        edit = ["styles", "edit", "voxel-3d", "--title", "Little cubes"]
        edited = CliRunner().invoke(cli, edit, env={"DATABASE_URL": dsn})

        def is_new() -> bool | None:
            title = http.get("/api/styles").json()["styles"][0]["title"]
            return title == "Little cubes" or None

        assert before != "Little cubes"
        assert edited.exit_code == 0, edited.output
        assert eventually(is_new)


def test_a_person_reads_the_language_of_their_profile(amal: Person) -> None:
    asked = {"Accept-Language": "en"}
    before = amal.get("/api/styles", headers=asked)

    amal.http.patch("/api/user/profile", json={"language": "ar"})
    after = amal.get("/api/styles", headers=asked)

    assert (before.headers["content-language"], after.headers["content-language"]) == ("en", "ar")
    assert after.headers["cache-control"] == "private, max-age=3600"
    assert is_arabic(after.json()["styles"][0]["title"])


def test_what_a_reader_has_is_not_sent_again(product: Product) -> None:
    with product.anonymous() as http:
        first = http.get("/api/styles")
        again = http.get("/api/styles", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
