"""The form: what it takes, what it refuses, and that nothing written in it is ever lost."""

import pytest
from playwright.sync_api import FilePayload, Locator, expect

from tests.imaging.pictures import photo, png
from tests.product import Person
from tests.studio.conftest import Visiting
from tests.studio.site import LANTERN, Site, newcomer
from tests.studio.visit import Language, Visit
from tests.studio.words import say

PHOTO: FilePayload = {"name": "cup.png", "mimeType": "image/png", "buffer": png(photo(64, 48))}


def prompt(visit: Visit) -> Locator:
    return visit.page.locator("#prompt")


def source(visit: Visit) -> Locator:
    return visit.page.get_by_role("group", name=say("create.source", visit.language))


def choose_file(visit: Visit, file: FilePayload) -> None:
    visit.page.locator("input[type=file]").first.set_input_files(file)


def add_color(visit: Visit, hex_value: str) -> None:
    visit.page.get_by_role("button", name=say("create.color.add", visit.language)).click()
    field = visit.page.get_by_label(say("create.color.hex", visit.language))
    field.fill(hex_value)
    field.press("Enter")


def filled(visit: Visit) -> None:
    """Something other than the first choice in every part."""
    page = visit.page
    page.locator("[name=style]").nth(3).check(force=True)
    prompt(visit).fill(LANTERN)
    page.get_by_role("radio", name="16:9").check(force=True)
    add_color(visit, "#c0394b")


def check_filled(visit: Visit) -> None:
    page = visit.page
    expect(prompt(visit)).to_have_value(LANTERN)
    expect(page.locator("[name=style]").nth(3)).to_be_checked()
    expect(page.get_by_role("radio", name="16:9")).to_be_checked()
    expect(page.locator(".swatches .swatch:not(.add)")).to_have_count(1)


def test_nothing_written_is_lost(visiting: Visiting, site: Site) -> None:
    visit = visiting(newcomer(site), is_first=True)
    page = visit.page
    filled(visit)

    page.reload()
    check_filled(visit)

    page.get_by_role("link", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    check_filled(visit)

    page.goto(f"{site.url}/studio/account")
    page.get_by_role("button", name=say("account.signout", "ar"), exact=True).click()
    page.get_by_role("button", name=say("signin.Amal", "ar")).click()
    page.get_by_role("link", name=say("nav.create", "ar")).click()
    check_filled(visit)


def test_switching_the_language_keeps_scroll_and_focus(visiting: Visiting, amal: Person) -> None:
    visit = visiting(amal, height=420)
    page = visit.page
    prompt(visit).fill(LANTERN)
    page.evaluate("scrollTo(0, 120)")
    page.get_by_role("link", name="العربية").evaluate("one => one.focus({preventScroll: true})")
    page.keyboard.press("Enter")

    expect(page.locator("html")).to_have_attribute("lang", "ar")
    assert abs(page.evaluate("scrollY") - 120) <= 2  # lines are higher in Arabic
    assert page.evaluate("document.activeElement.lang") == "en"
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "ar")


def test_the_button_says_what_is_missing_and_what_is_the_same_again(visit: Visit) -> None:
    page = visit.page
    generate = page.get_by_role("button", name=say("create.generate", "en"))
    generate.click()
    expect(page.get_by_role("alert")).to_have_text(say("create.prompt_missing", "en"))
    expect(prompt(visit)).to_be_focused()
    expect(prompt(visit)).to_have_attribute("aria-invalid", "true")

    left = page.locator("#prompt-left")
    prompt(visit).fill("x" * 799)
    expect(left).to_have_count(0)
    prompt(visit).fill("x" * 990)
    expect(left).to_have_text(say("create.left", "en", count=10))
    prompt(visit).fill("x" * 1001)
    expect(left).to_have_text(say("create.over", "en", count=1))

    prompt(visit).fill(LANTERN)
    generate.click()
    page.get_by_role("button", name=say("create.again", "en")).click()
    expect(page.locator("[data-state=queued]")).to_have_count(2)


# The source image


def test_a_chosen_picture_becomes_the_source(visit: Visit) -> None:
    choose_file(visit, PHOTO)
    expect(source(visit)).to_contain_text("cup.png")
    expect(source(visit)).to_contain_text(say("create.source.ready", "en"))
    with visit.page.expect_request("**/api/generations") as sent:
        visit.page.get_by_role("button", name=say("create.generate", "en")).click()
    body = sent.value.post_data or ""
    assert '"inputType":"image"' in body
    assert '"sourceUploadId":"' in body

    visit.page.reload()
    expect(source(visit)).to_contain_text("cup.png")
    source(visit).get_by_role("button", name=say("create.source.remove", "en")).click()
    expect(source(visit)).to_contain_text(say("create.source.kinds", "en"))


_GIVE = """([way, name, type, bytes, size]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes), new Uint8Array(size)], name, {type}));
  const given = {bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data};
  const kind = way === "paste" ? ClipboardEvent : DragEvent;
  document.body.dispatchEvent(new kind(way, given));
}"""


def give(
    visit: Visit, way: str, name: str, kind: str, content: bytes = b"", *, blank_bytes: int = 0
) -> None:
    """A file that somebody drops or pastes; the page's own script could not be told apart."""
    visit.page.evaluate(_GIVE, [way, name, kind, list(content), blank_bytes])


def test_a_picture_is_dropped_or_pasted_anywhere(visit: Visit) -> None:
    photo_of_a_cup = ("cup.png", "image/png", PHOTO["buffer"])
    overlay = visit.page.get_by_text(say("create.source.overlay", "en"))
    expect(prompt(visit)).to_be_visible()
    give(visit, "dragenter", *photo_of_a_cup)
    expect(overlay).to_be_visible()
    visit.shoot("form-drop")
    give(visit, "drop", *photo_of_a_cup)
    expect(overlay).to_have_count(0)
    expect(source(visit)).to_contain_text(say("create.source.ready", "en"))

    source(visit).get_by_role("button", name=say("create.source.remove", "en")).click()
    give(visit, "paste", *photo_of_a_cup)
    expect(source(visit)).to_contain_text(say("create.source.ready", "en"))


def test_what_cannot_be_a_source_is_refused_before_it_is_sent(visit: Visit) -> None:
    expect(prompt(visit)).to_be_visible()
    refused = [
        ("a.heic", "image/heic", 1, "HEIC"),
        ("a.gif", "image/gif", 1, "PNG, JPEG"),
        ("a.png", "image/png", 11 * 2**20, "10 MB"),
    ]
    for name, kind, size, words in refused:
        give(visit, "drop", name, kind, blank_bytes=size)
        expect(source(visit).get_by_role("alert")).to_contain_text(words)

    assert not any("/api/uploads" in url for url in visit.asked)


# Colours


def hexes(visit: Visit) -> list[str]:
    return visit.page.locator(".swatches .swatch:not(.add)").evaluate_all(
        """all => all.map(one => "#" + getComputedStyle(one).backgroundColor.match(/\\d+/g)
          .slice(0, 3).map(part => Number(part).toString(16).padStart(2, "0")).join(""))"""
    )


def test_colours_are_written_as_people_write_them(visit: Visit) -> None:
    for written in ("#abc", "c0394b", "  #00Ff00 "):
        add_color(visit, written)
    assert hexes(visit) == ["#aabbcc", "#c0394b", "#00ff00"]
    for _ in range(2):
        add_color(visit, "#123456")
    expect(visit.page.get_by_role("button", name=say("create.color.add", "en"))).to_have_count(0)

    visit.page.locator(".swatches .swatch").first.focus()
    visit.page.keyboard.press("Delete")
    assert hexes(visit) == ["#c0394b", "#00ff00", "#123456", "#123456"]


@pytest.mark.parametrize(("language", "onward"), [("en", "ArrowRight"), ("ar", "ArrowLeft")])
def test_arrows_move_a_colour_where_one_sees_it_go(
    visiting: Visiting, amal: Person, language: Language, onward: str
) -> None:
    visit = visiting(amal, language=language)
    for written in ("#111111", "#222222"):
        add_color(visit, written)
    visit.page.locator(".swatches .swatch").first.focus()
    visit.page.keyboard.press(onward)

    assert hexes(visit) == ["#222222", "#111111"]
