"""The gallery and its viewer: find, like, choose many, delete and take it back."""

import re
import zipfile
from collections.abc import Generator
from typing import Any

import pytest
import pyvips
from playwright.sync_api import Locator, expect

from tests.product import Person
from tests.studio import site as pictures
from tests.studio.conftest import Visiting
from tests.studio.site import Site
from tests.studio.visit import Language, Visit
from tests.studio.words import say

GALLERY = "/studio/gallery"
PROMPTS = ["a red rocket", "صواريخ حمراء", "a cup of coffee", "قطة برتقالية", "a blue house"]


def cards(visit: Visit) -> Locator:
    return visit.page.locator("[data-id] a")


def prompts(visit: Visit) -> Locator:
    return visit.page.locator("[data-id] .card-prompt")


def button(visit: Visit, key: str, **params: object) -> Locator:
    words = say(key, visit.language, **params)
    return visit.page.get_by_role("button", name=words, exact=True)


@pytest.fixture
def five(visiting: Visiting, amal: Person, site: Site) -> Generator[Visit]:
    """Newest first, the blue house is the first."""
    pictures.add_pictures(amal, site, PROMPTS)
    visit = visiting(amal, GALLERY)
    expect(cards(visit)).to_have_count(5)
    yield visit
    visit.check_calm()


def test_search_goes_through_both_languages_and_is_in_the_address(five: Visit) -> None:
    page = five.page
    search = page.get_by_role("searchbox")
    search.fill("صاروخ")
    expect(prompts(five)).to_have_text([PROMPTS[1]])
    expect(page).to_have_url(re.compile("search="))
    search.fill("rockets")
    expect(prompts(five)).to_have_text([PROMPTS[0]])
    expect(page.locator("mark")).to_have_text(["rocket"])
    five.shoot("gallery-1-search")

    page.reload()
    expect(search).to_have_value("rockets")
    expect(prompts(five)).to_have_text([PROMPTS[0]])

    search.fill("giraffe")
    nothing = page.get_by_text(say("gallery.no_match", "en", search="giraffe"))
    expect(nothing).to_be_visible()
    five.shoot("gallery-2-no-match")
    button(five, "gallery.clear").click()
    expect(cards(five)).to_have_count(5)
    expect(search).to_have_value("")


def test_filters_are_in_the_address(five: Visit) -> None:
    page = five.page
    page.locator("[data-id]", has_text="coffee").get_by_role(
        "button", name=say("picture.like", "en")
    ).click()
    button(five, "gallery.liked").click()
    expect(prompts(five)).to_have_text(["a cup of coffee"])
    expect(page).to_have_url(re.compile("liked="))
    button(five, "gallery.liked").click()

    page.get_by_label(say("gallery.sort", "en")).select_option("oldest")
    expect(prompts(five).first).to_have_text(PROMPTS[0])
    page.get_by_label(say("gallery.style", "en")).select_option("neon-glow")
    expect(page.get_by_text(say("gallery.no_match_filters", "en"))).to_be_visible()
    page.go_back()


def test_what_is_deleted_comes_back_within_eight_seconds(
    visiting: Visiting, amal: Person, site: Site
) -> None:
    pictures.add_pictures(amal, site, PROMPTS)
    five = visiting(amal, GALLERY, is_first=True)  # its clock is its own
    page = five.page
    page.clock.install()
    cards(five).first.focus()
    page.keyboard.press("Delete")
    gone = page.get_by_text(say("picture.deleted", "en"))
    expect(gone).to_be_visible()
    five.shoot("gallery-3-undo")
    button(five, "picture.undo").click()
    expect(prompts(five).first).to_have_text(PROMPTS[-1])
    assert amal.get("/api/generations").json()["pagination"]["total"] == 5

    cards(five).first.focus()
    page.keyboard.press("Delete")
    expect(gone).to_be_visible()
    page.clock.fast_forward("00:09")
    expect(gone).to_have_count(0)
    expect(cards(five)).to_have_count(4)
    assert amal.get("/api/generations").json()["pagination"]["total"] == 4


def test_many_are_saved_as_one_file(visiting: Visiting, amal: Person, site: Site) -> None:
    pictures.add_pictures(amal, site, ["قطة برتقالية", "a blue house", "a blue house"])
    visit = visiting(amal, GALLERY)
    expect(cards(visit)).to_have_count(3)
    visit.page.keyboard.press("x")
    for n in range(3):
        visit.page.get_by_role("checkbox").nth(n).check()
    with visit.page.expect_download() as saved:
        button(visit, "gallery.download", count=3).click()

    assert saved.value.suggested_filename == "madar.zip"
    with zipfile.ZipFile(saved.value.path()) as pack:
        assert pack.namelist() == [
            "madar-a-blue-house-voxel-3d.png",
            "madar-a-blue-house-voxel-3d (2).png",
            "madar-قطة-برتقالية-voxel-3d.png",
        ]
        for name in pack.namelist():
            picture: Any = pyvips.Image.new_from_buffer(pack.read(name), "")
            assert picture.hasalpha()
    visit.check_calm()


def test_many_are_chosen_and_deleted_after_one_question(five: Visit) -> None:
    page = five.page
    page.keyboard.press("x")
    for n in range(2):
        page.get_by_role("checkbox").nth(n).check()
    five.shoot("gallery-4-select")
    button(five, "gallery.delete", count=2).click()
    expect(page.get_by_role("dialog")).to_contain_text(say("gallery.delete_ask", "en", count=2))
    page.keyboard.press("Escape")
    expect(cards(five)).to_have_count(5)
    button(five, "gallery.delete", count=2).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 2").click()

    expect(page.get_by_text(say("picture.deleted", "en"))).to_have_count(2)
    expect(cards(five)).to_have_count(3)


def test_more_is_shown_when_asked_for(visiting: Visiting, amal: Person, site: Site) -> None:
    pictures.add_pictures(amal, site, [f"a red rocket {n}" for n in range(26)])
    visit = visiting(amal, GALLERY)
    expect(cards(visit)).to_have_count(24)
    expect(
        visit.page.get_by_text(say("gallery.count", "en", shown="24", total="26"))
    ).to_be_visible()
    button(visit, "gallery.more").click()

    expect(cards(visit)).to_have_count(26)
    expect(button(visit, "gallery.more")).to_have_count(0)
    pictures.add_pictures(amal, site, ["one more"])
    expect(cards(visit)).to_have_count(27)


def test_an_empty_gallery_leads_to_the_form(visiting: Visiting, amal: Person) -> None:
    visit = visiting(amal, GALLERY)
    expect(visit.page.get_by_text(say("gallery.empty", "en"))).to_be_visible()
    visit.shoot("gallery-5-empty")
    visit.page.get_by_role("link", name=say("gallery.create", "en")).click()
    expect(visit.page).to_have_url(re.compile("/studio$"))


def test_when_it_cannot_be_read_the_old_page_stays(five: Visit) -> None:
    five.page.route("**/api/generations?*", lambda route: route.abort())
    five.page.get_by_role("searchbox").fill("rocket")
    expect(five.page.get_by_text(say("gallery.error", "en"))).to_be_visible()
    expect(cards(five)).to_have_count(5)
    five.shoot("gallery-6-error")
    five.page.unroute("**/api/generations?*")
    button(five, "retry").click()
    expect(cards(five)).to_have_count(1)


@pytest.mark.parametrize(("language", "onward"), [("en", "ArrowRight"), ("ar", "ArrowLeft")])
def test_the_viewer_walks_where_one_sees_it_go(
    visiting: Visiting, amal: Person, site: Site, language: Language, onward: str
) -> None:
    pictures.add_pictures(amal, site, PROMPTS[:3])
    theme = "light" if language == "en" else "dark"
    visit = visiting(amal, GALLERY, language=language, theme=theme)
    page = visit.page
    cards(visit).first.click()
    viewer = page.get_by_role("dialog")
    expect(viewer).to_contain_text(PROMPTS[2])
    page.keyboard.press(onward)
    expect(viewer).to_contain_text(PROMPTS[1])

    boards: list[str | None] = []
    for _ in range(4):
        page.keyboard.press("b")
        boards.append(page.locator("html").get_attribute("data-board"))
    assert boards == ["white", "black", "own", "checker"]
    page.keyboard.press("i")
    details = viewer.locator("dl")
    expect(details).to_contain_text(say("viewer.seed", language))
    visit.shoot("viewer-1-details")
    page.keyboard.press("l")
    like = viewer.get_by_role("button", name=say("picture.like", language))
    expect(like).to_have_attribute("aria-pressed", "true")
    with page.expect_download():
        page.keyboard.press("d")

    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(cards(visit).nth(1)).to_be_focused()
    visit.check_calm()


def test_a_link_opens_the_picture_and_going_back_closes_it(five: Visit) -> None:
    page = five.page
    cards(five).first.click()
    expect(page).to_have_url(re.compile("picture="))
    page.reload()
    expect(page.get_by_role("dialog")).to_contain_text(PROMPTS[-1])
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cards(five)).to_have_count(5)


def test_what_was_liked_elsewhere_is_seen_after_a_reload_and_deleted_at_once(
    five: Visit, amal: Person
) -> None:
    first = amal.get("/api/generations").json()["generations"][0]["id"]
    cards(five).first.get_by_role("img").evaluate("one => one.decode()")  # or it would be missed
    amal.http.delete(f"/api/generations/{first}")

    expect(cards(five)).to_have_count(4)
