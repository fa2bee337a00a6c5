"""From nobody to a transparent picture, with a worker and the simulator behind the page."""

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Locator, expect

from madar.imaging.decode import decode
from madar.imaging.limits import RESULT_SIDES
from tests.product import Person
from tests.studio.conftest import Visiting
from tests.studio.site import LANTERN, Site, newcomer
from tests.studio.visit import Language, Visit
from tests.studio.words import failure, say

PROMPTS: dict[Language, str] = {"en": "a red rocket", "ar": LANTERN}
# Held so long that there is time to look, at the pace of these tests some seconds.
SLOW = "[sim:slow]"
# The alpha of the four corners and the largest one, as the browser decoded them.
_ALPHAS = """async image => {
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const {data, width, height} = context.getImageData(0, 0, canvas.width, canvas.height);
  const at = (x, y) => data[(y * width + x) * 4 + 3];
  const corners = [at(0, 0), at(width - 1, 0), at(0, height - 1), at(width - 1, height - 1)];
  let most = 0;
  for (let n = 3; n < data.length; n += 4) most = Math.max(most, data[n]);
  return [corners, most];
}"""


@pytest.fixture(scope="module", autouse=True)
def _working(site: Site) -> Generator[None]:
    with site.working():
        yield


@pytest.fixture(autouse=True)
def _steady(site: Site) -> Generator[None]:
    yield
    site.fal.turn()


def slot(visit: Visit, state: str) -> Locator:
    return visit.page.locator(f"article[data-state={state}]")


def write(visit: Visit, prompt: str) -> None:
    visit.page.get_by_label(say("create.prompt", visit.language), exact=True).fill(prompt)


def generate(visit: Visit) -> None:
    visit.page.get_by_role("button", name=say("create.generate", visit.language)).click()


def check_transparent(picture: Locator) -> None:
    corners, most = picture.evaluate(_ALPHAS)
    assert corners == [0, 0, 0, 0]
    assert most > 200


@pytest.mark.parametrize("language", ["en", "ar"])
def test_two_clicks_and_a_sentence_give_a_transparent_picture(
    visiting: Visiting, site: Site, language: Language
) -> None:
    newcomer(site)
    theme = "light" if language == "en" else "dark"
    visit = visiting(language=language, theme=theme, reduced_motion="no-preference", is_first=True)
    page = visit.page
    visit.shoot("journey-1-sign-in")
    page.get_by_role("button", name=say("signin.Amal", language)).click()

    expect(page.locator("html")).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    write(visit, PROMPTS[language])
    generate(visit)
    done = slot(visit, "done")
    expect(done).to_be_visible(timeout=30_000)

    picture = done.get_by_role("img")
    expect(picture).to_have_attribute("alt", re.compile(PROMPTS[language]))
    check_transparent(picture)
    with page.expect_download() as saved:
        done.get_by_role("button", name=say("picture.download", language)).click()
    assert saved.value.suggested_filename == (
        "madar-" + PROMPTS[language].replace(" ", "-") + "-voxel-3d.png"
    )
    assert decode(saved.value.path().read_bytes(), RESULT_SIDES).hasalpha()
    visit.shoot("journey-2-done")
    [way] = visit.bars().values()
    assert way == sorted(way)
    assert len(way) > 2
    assert visit.shifts() < 0.02, visit.shifted()
    visit.asked = [url for url in visit.asked if not url.startswith(site.fal.url)]
    visit.check_calm(refused=[401])


def test_a_reload_midway_and_a_second_tab_lose_nothing(visit: Visit) -> None:
    write(visit, f"a red rocket {SLOW}")
    generate(visit)
    bar = visit.page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]\d"))
    before = visit.bars()

    visit.page.reload()
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]\d"))
    second = Visit(visit.product, visit.page.context.new_page())
    second.open()

    for tab in (visit, second):
        expect(slot(tab, "done")).to_be_visible(timeout=30_000)
    after, elsewhere = visit.bars(), second.bars()
    [(made, way)] = before.items()
    assert way == sorted(way)
    assert [*way[-1:], *after[made]] == sorted([*way[-1:], *after[made]])
    assert elsewhere.get(made, []) == sorted(elsewhere.get(made, []))
    visit.check_calm()


def test_doubled_answers_show_each_picture_once(visit: Visit, site: Site) -> None:
    site.fal.turn("duplicate")
    for prompt in ("a heart", "a star"):
        write(visit, prompt)
        visit.page.keyboard.press("Control+Enter")
        expect(slot(visit, "done").get_by_role("heading")).to_have_text(prompt, timeout=60_000)

    recent = visit.page.get_by_role("region", name=say("gallery.recent", "en"))
    expect(recent.get_by_role("img", name="a heart")).to_have_count(1)
    assert all(way == sorted(way) for way in visit.bars().values())
    visit.check_calm()


@pytest.mark.timeout(200)
def test_lost_answers_show_the_picture_once(visit: Visit, site: Site) -> None:
    """Refused, not heard, and a runner lost: it comes all the same, or after another click."""
    site.fal.turn("flaky")
    write(visit, "a moon")
    visit.page.keyboard.press("Control+Enter")
    has_ended = visit.page.locator("article:is([data-state=done], [data-state=failed])")
    expect(has_ended).to_be_visible(timeout=80_000)
    if slot(visit, "failed").count():
        slot(visit, "failed").get_by_role("button", name=say("retry", "en")).click()
    expect(slot(visit, "done").get_by_role("heading")).to_have_text("a moon", timeout=80_000)

    recent = visit.page.get_by_role("region", name=say("gallery.recent", "en"))
    expect(recent.get_by_role("img", name="a moon")).to_have_count(1)
    assert all(way == sorted(way) for way in visit.bars().values())
    visit.check_calm()


def test_the_work_goes_on_while_nobody_looks(visit: Visit, amal: Person) -> None:
    write(visit, f"a house {SLOW}")
    generate(visit)
    expect(slot(visit, "drawing")).to_be_visible()
    made: str = visit.page.locator("article[data-id]").get_attribute("data-id") or ""

    visit.page.context.set_offline(offline=True)
    expect(visit.page.get_by_text(say("live.offline", "en"))).to_be_visible()
    assert amal.finished(made)["status"] == "completed"
    visit.page.context.set_offline(offline=False)

    expect(slot(visit, "done")).to_be_visible()
    check_transparent(slot(visit, "done").get_by_role("img"))


def test_the_simulator_reaches_both_kinds_of_failure(visit: Visit) -> None:
    for marker, code, act in (
        ("[sim:nsfw]", "content_policy", "stage.edit"),
        ("[sim:opaque]", "transparency_failed", "retry"),
    ):
        write(visit, f"a planet {marker}")
        visit.page.keyboard.press("Control+Enter")
        failed = visit.page.locator("article.slot[data-state=failed]")
        expect(failed).to_contain_text(failure(code, "en"), timeout=40_000)
        expect(failed.get_by_role("button", name=say(act, "en"))).to_be_visible()
