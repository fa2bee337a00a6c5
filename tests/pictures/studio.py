"""The studio at work: English in light, Arabic in dark."""

import tempfile
from pathlib import Path
from typing import Any

import pyvips
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium, fresh
from tests.product import Person
from tests.studio import site as pictures
from tests.studio.site import Site
from tests.studio.visit import Language, Theme, show_session

LOOKS: dict[Language, Theme] = {"en": "light", "ar": "dark"}
# What is in the gallery, the newest last.
MADE: dict[Language, list[tuple[str, str]]] = {
    "en": [
        ("a cup of coffee", "minimal-icon"),
        ("a robot with a friendly face", "neon-glow"),
        ("a golden lantern", "toy-figurine"),
        ("a red rocket", "voxel-3d"),
    ],
    "ar": [
        ("فنجان قهوة", "minimal-icon"),
        ("روبوت بوجه ودود", "neon-glow"),
        ("فانوس ذهبي", "toy-figurine"),
        ("صاروخ أحمر", "voxel-3d"),
    ],
}
ASKED: dict[Language, tuple[str, str]] = {
    "en": ("an orange cat with a blue collar, sitting", "a blue house with a garden"),
    "ar": ("قطة برتقالية بطوق أزرق، جالسة", "بيت أزرق وله حديقة"),
}

COLORS = ["#c0394b", "#5b3df5"]
SIZE_PX = (1240, 938)
SHARPNESS = 1.5


def draw(site: Site, folder: Path) -> list[Path]:
    people: dict[Language, Person] = {language: _somebody(site, language) for language in LOOKS}
    with site.working():
        for language, person in people.items():
            _make(site, person, MADE[language])
    # Without a worker, what is asked for now stays where it is put.
    with chromium() as browser:
        return [
            _shoot(browser, site, person, language, folder) for language, person in people.items()
        ]


def _somebody(site: Site, language: Language) -> Person:
    person = site.sign_in(f"{language}@madar.test")
    name = {"en": "Layla", "ar": "ليلى"}[language]
    person.http.patch("/api/user/profile", json={"displayName": name, "language": language})
    return person


def _make(site: Site, person: Person, wishes: list[tuple[str, str]]) -> None:
    """Finished, one of them liked, and as old as in somebody's gallery."""
    made = [person.create(style=style, textPrompt=prompt)["id"] for prompt, style in wishes]
    for minutes, one in zip((1500, 61, 8, 2), made, strict=True):
        person.finished(one, deadline_s=300)
        site.execute(
            "UPDATE generations SET created_at = now() - make_interval(mins => %s) WHERE id = %s",
            minutes,
            one,
        )
    person.http.patch(f"/api/generations/{made[2]}", json={"isLiked": True})


def _ask(person: Person, prompt: str) -> str:
    return person.create(style="toy-figurine", textPrompt=prompt, customColors=COLORS)["id"]


def _shoot(browser: Browser, site: Site, person: Person, language: Language, folder: Path) -> Path:
    width, height = SIZE_PX
    with fresh(
        browser,
        color_scheme=LOOKS[language],
        device_scale_factor=SHARPNESS,
        viewport={"width": width, "height": height},
    ) as context:
        show_session(context, person, site)
        page = context.new_page()
        page.goto(f"{site.url}/studio")
        _fill(page, ASKED[language][0])
        later, now = (_ask(person, prompt) for prompt in reversed(ASKED[language]))
        pictures.wait_in_line(site, later, place=3, seconds=20)
        pictures.draw(site, now, progress=61, seconds=9)
        expect(page.locator("article [role=progressbar]")).to_be_visible()
        expect(page.locator("[data-id] img.shown")).to_have_count(4)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.activeElement.blur()")
        return _packed(page, folder / f"studio-{language}.png")


def _fill(page: Page, prompt: str) -> None:
    page.locator("[name=style][value=toy-figurine]").check(force=True)
    page.locator("#prompt").fill(prompt)
    for color in COLORS:
        page.locator(".swatch.add").click()
        page.locator("input.hex").fill(color)
        page.locator("input.hex").press("Enter")


def _packed(page: Page, path: Path) -> Path:
    with tempfile.NamedTemporaryFile(suffix=".png") as raw:
        page.screenshot(path=raw.name, animations="disabled")
        picture: Any = pyvips.Image.new_from_file(raw.name)
        picture.extract_band(0, n=3).pngsave(str(path), palette=True, Q=90, dither=0.4, effort=10)
    return path
