"""Without a mouse: every key of C4, on an Arabic keyboard too, and never inside a field."""

import re
from typing import Any

from playwright.sync_api import expect

from tests.product import Person
from tests.studio import site as pictures
from tests.studio.conftest import Visiting
from tests.studio.site import LANTERN, Site
from tests.studio.visit import Visit
from tests.studio.words import say

# What these keys write on an Arabic keyboard.
ARABIC = {"KeyG": "ل", "KeyC": "ؤ", "KeyA": "ش", "KeyN": "ى", "KeyT": "ف", "KeyX": "ء"}


def press(visit: Visit, code: str) -> None:
    """The key at this place, on an Arabic keyboard."""
    session: Any = visit.page.context.new_cdp_session(visit.page)
    key = ARABIC[code]
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if kind == "keyDown" else {}
        session.send("Input.dispatchKeyEvent", {"type": kind, "code": code, "key": key, **text})


def test_a_picture_is_made_by_keys_alone(visit: Visit, site: Site) -> None:
    page = visit.page
    expect(page.locator("[name=style]").nth(2)).to_be_attached()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text(say("skip", "en"))
    page.keyboard.press("Enter")
    page.keyboard.press("3")
    expect(page.locator("[name=style]").nth(2)).to_be_checked()
    page.keyboard.press("n")
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type("gallery x 3 b")
    expect(page.locator("#prompt")).to_have_value("gallery x 3 b")
    expect(page.locator("[name=style]").nth(2)).to_be_checked()
    with page.expect_response("**/api/generations") as answer:
        page.keyboard.press("Control+Enter")
    pictures.complete(site, answer.value.json()["id"])
    expect(page.locator("article[data-state=done]")).to_be_visible()

    page.locator("#prompt").blur()
    page.keyboard.press("g")
    expect(page).to_have_url(re.compile("/studio/gallery"))
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("[data-id] a").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("gallery x 3 b")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    visit.check_calm()


def test_arrows_walk_the_styles_the_way_one_sees_them(visiting: Visiting, amal: Person) -> None:
    for language, key in (("en", "ArrowLeft"), ("ar", "ArrowRight")):
        styles = visiting(amal, language=language).page.locator("[name=style]")
        styles.nth(1).check(force=True)
        styles.nth(1).focus()
        styles.page.keyboard.press(key)
        expect(styles.first).to_be_checked()
        expect(styles.first).to_be_focused()


def test_letters_work_by_their_place_on_an_arabic_keyboard(
    visiting: Visiting, amal: Person
) -> None:
    visit = visiting(amal, language="ar")
    page = visit.page
    expect(page.locator("#prompt")).to_be_visible()
    press(visit, "KeyG")
    expect(page).to_have_url(re.compile("/studio/gallery"))
    press(visit, "KeyC")
    expect(page).to_have_url(re.compile("/studio$"))
    press(visit, "KeyT")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    press(visit, "KeyA")
    drawer = page.get_by_role("complementary", name=say("drawer.title", "ar"))
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    press(visit, "KeyN")
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type(LANTERN)
    press(visit, "KeyG")
    expect(page.locator("#prompt")).to_have_value(f"{LANTERN}{ARABIC['KeyG']}")
    expect(page).to_have_url(re.compile("/studio$"))


def test_single_letters_can_be_switched_off(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.product.url}/studio/account")
    page.get_by_label(say("account.shortcuts", "en")).uncheck()
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("g")
    page.keyboard.press("?")

    expect(page).to_have_url(re.compile("/studio/account"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(page.get_by_label(say("account.shortcuts", "en"))).not_to_be_checked()


def test_all_shortcuts_are_shown(visit: Visit) -> None:
    page = visit.page
    expect(page.locator("#prompt")).to_be_visible()
    keys = page.get_by_role("dialog", name=say("keys.title", "en"))
    for key in ("?", "؟"):
        page.evaluate(
            "key => dispatchEvent("
            "new KeyboardEvent('keydown', {key, code: 'Slash', shiftKey: true}))",
            key,
        )
        expect(keys).to_contain_text(say("keys.gallery", "en"))
        page.keyboard.press("Escape")
        expect(keys).to_have_count(0)
