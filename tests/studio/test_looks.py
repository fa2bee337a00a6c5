"""Every screen, in both languages, light and dark: for everybody, at any width, in one language."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.product import Person
from tests.studio import site as pictures
from tests.studio.conftest import Visiting
from tests.studio.site import LANTERN, Site
from tests.studio.visit import Language, Theme, Visit
from tests.studio.words import say

# Names of people, programs and formats, and what is written in code everywhere.
NAMES = (
    *("Madar", "Google", "API", "PNG", "JPEG", "WebP", "HEIC", "curl", "fetch", "TypeScript"),
    *("iPhone", "Chrome", "HeadlessChrome", "Linux", "python", "httpx"),
    *("JSON", "GET", "ms", "ws", "Ctrl", "Esc"),
)
NARROW = 320


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_every_screen_is_for_everybody(
    visiting: Visiting, amal: Person, site: Site, language: Language, theme: Theme
) -> None:
    amal.http.patch("/api/user/profile", json={"displayName": "أمل"})
    faults: list[str] = []
    stranger = visiting(language=language, theme=theme)
    expect(stranger.page.get_by_role("heading", level=1)).to_be_visible()
    faults += look_at(stranger, "sign-in")
    visit = visiting(amal, language=language, theme=theme)
    for screen in screens(visit, amal, site):
        faults += look_at(visit, screen)

    assert not faults, "\n".join(faults)
    visit.check_calm()


def test_a_finger_hits_everything(visiting: Visiting, amal: Person, site: Site) -> None:
    pictures.add_pictures(amal, site, ["صاروخ أحمر"])
    visit = visiting(amal, width=390, height=800, has_touch=True, is_mobile=True)
    expect(visit.page.locator("[data-id] img.shown")).to_have_count(1)
    assert not (found := visit.small_targets(44)), "\n".join(found)
    visit.open("/studio/account")
    expect(visit.page.locator("dl.facts")).to_be_visible()
    assert not (found := visit.small_targets(44)), "\n".join(found)


def look_at(visit: Visit, screen: str) -> list[str]:
    """What is wrong with the screen as it stands; in the other theme only colours are others."""
    found = [*visit.violations()]
    with visit.in_other_theme():
        found += [f"in the other theme: {one}" for one in visit.violations(["color-contrast"])]
    found += [f"under 32 px: {one}" for one in visit.small_targets(32)]
    if visit.language == "ar":
        found += [f"English: {word}" for word in sorted(visit.english_words(NAMES))]
    visit.shoot(f"look-{screen}")
    found += _narrow(visit, screen)
    return [f"{screen}: {one}" for one in found]


def _narrow(visit: Visit, screen: str) -> list[str]:
    """A phone; and 1280 pixels at 400 %, which are as wide and 256 high."""
    visit.page.set_viewport_size({"width": NARROW, "height": 256})
    sideways_px = visit.sideways_px()
    visit.page.set_viewport_size({"width": NARROW, "height": 640})
    visit.shoot(f"narrow-{screen}")
    visit.page.set_viewport_size({"width": 1280, "height": 900})
    return [f"{sideways_px} px to the side at {NARROW}"] if sideways_px else []


def screens(visit: Visit, amal: Person, site: Site) -> Iterator[str]:
    """One after the other; each is there when its name comes out."""
    page, language = visit.page, visit.language
    expect(page.locator(".slot[data-state=empty]")).to_be_visible()
    yield "create"
    yield from _stage(page, amal, site)
    yield from _form(page, visit)
    pictures.add_pictures(amal, site, ["صاروخ أحمر", LANTERN])
    visit.open("/studio/gallery")
    cards = page.locator("[data-id] a")
    expect(cards).to_have_count(3)
    yield "gallery"
    page.keyboard.press("x")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name=say("gallery.delete", language, count=1)).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "gallery-select"
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.get_by_role("searchbox").fill("زرافة")
    expect(page.locator("[data-state=no-match]")).to_be_visible()
    yield "gallery-no-match"
    page.get_by_role("button", name=say("gallery.clear", language)).click()
    cards.first.click()
    expect(page.get_by_role("dialog").locator("img.shown")).to_be_visible()
    page.keyboard.press("i")
    expect(page.get_by_role("dialog").locator("dl")).to_be_visible()
    yield "viewer"
    page.keyboard.press("Escape")
    visit.open("/studio/account")
    expect(page.locator("dl.facts")).to_be_visible()
    yield "account"
    page.keyboard.press("a")
    page.locator("aside details summary").nth(1).click()
    expect(page.locator("aside pre").first).to_be_visible()
    yield "drawer"
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+?")
    expect(page.get_by_role("dialog", name=say("keys.title", language))).to_be_visible()
    yield "shortcuts"


def _stage(page: Page, amal: Person, site: Site) -> Iterator[str]:
    """Large the newest, as lines what else goes on."""
    refused, failed, waiting, drawn = (
        amal.create(textPrompt=words)["id"] for words in ("قنبلة", "سفينة", "قطة", LANTERN)
    )
    pictures.fail(site, refused, "content_policy")
    pictures.fail(site, failed, "provider_unavailable")
    pictures.wait_in_line(site, waiting, place=3, seconds=20)
    pictures.draw(site, drawn, progress=60)
    expect(page.locator("article [role=progressbar]")).to_have_attribute("aria-valuenow", "60")
    yield "stage-drawing"
    pictures.complete(site, drawn)
    expect(page.locator("article[data-state=done] img.picture")).to_be_visible()
    yield "stage-done"
    pictures.fail(site, waiting, "timeout")
    page.context.set_offline(offline=True)
    expect(page.locator(".connection")).to_be_visible()
    yield "stage-offline"
    page.context.set_offline(offline=False)
    expect(page.locator(".connection")).to_have_count(0)


def _form(page: Page, visit: Visit) -> Iterator[str]:
    language = visit.language
    page.get_by_role("button", name=say("create.generate", language)).click()
    page.get_by_role("button", name=say("create.color.add", language)).click()
    page.get_by_label(say("create.color.hex", language)).fill("zz")
    expect(page.locator("#color-bad")).to_be_visible()
    yield "form-faults"
    page.keyboard.press("Escape")
