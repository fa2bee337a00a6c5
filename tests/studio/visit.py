"""A person at the studio: a page, what it asked for, and what must never happen in it."""

import contextlib
import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

from madar.settings import ROOT
from tests.product import Person, Product

Language = Literal["en", "ar"]
Theme = Literal["light", "dark"]

SHOTS = ROOT / "build" / "studio"
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# Chromium says of each answer from 400 on that it failed; which those are is looked at by itself.
_REFUSED = "Failed to load resource"
# Addresses and colours, wherever they stand.
_CODE = re.compile(r"\S+@\S+|#[0-9a-f]{3,6}\b")
# Before any script of the page: shifts of its layout, each bar's way, broken policies.
_WATCH = """
window.watched = {shifts: [], bars: [], policies: []};
new PerformanceObserver(list => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) watched.shifts.push({
    value: one.value,
    what: one.sources.map(source => {
      const element = source.node?.nodeType === 1 ? source.node : source.node?.parentElement;
      return element ? element.outerHTML.slice(0, 120) : "?";
    }),
  });
}).observe({type: "layout-shift", buffered: true});
document.addEventListener("securitypolicyviolation",
  event => watched.policies.push(`${event.violatedDirective} ${event.blockedURI}`));
const noteBars = () => {
  for (const bar of document.querySelectorAll("[role=progressbar]")) {
    const slot = bar.closest("[data-id]")?.dataset.id ?? "";
    const at = bar.getAttribute("aria-valuenow");
    const last = watched.bars.findLast(one => one[0] === slot);
    if (at !== null && (!last || last[1] !== Number(at))) watched.bars.push([slot, Number(at)]);
  }
};
new MutationObserver(noteBars).observe(document, {
  subtree: true, childList: true, attributes: true, attributeFilter: ["aria-valuenow"],
});
"""
_ENGLISH = """() => {
  const own = element => element.closest(
    "[lang=en], code, kbd, pre, script, style, [translate=no], svg, textarea, input");
  const shown = element => element.checkVisibility({visibilityProperty: true});
  const found = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walk.nextNode();) {
    const element = node.parentElement;
    if (element && !own(element) && shown(element)) found.push(node.data);
  }
  const names = ["aria-label", "aria-valuetext", "aria-description", "placeholder", "title", "alt"];
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("[lang=en], [translate=no]")) continue;
    found.push(...names.map(name => element.getAttribute(name) ?? ""));
  }
  return found;
}"""

# A card's box is small, but the whole card takes the click that is meant for it.
_TARGETS = """least => [...document.querySelectorAll(
    "button, [role=button], summary, select, input:not([type=file], .check), textarea, nav a")]
  .map(one => one.matches("[type=radio], [type=checkbox]") ? one.closest("label") ?? one : one)
  .filter(one => one.checkVisibility() && !one.closest("[inert]"))
  .map(one => [one.getBoundingClientRect(), one])
  .filter(([box]) => box.width && Math.min(box.width, box.height) < least - 0.5)
  .map(([box, one]) =>
    `${Math.round(box.width)}×${Math.round(box.height)} ${one.outerHTML.slice(0, 90)}`)"""


@dataclass
class Visit:
    """Somebody's tab."""

    product: Product
    page: Page
    language: Language = "en"
    theme: Theme = "light"
    asked: list[str] = field(default_factory=list[str])
    refused: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    complaints: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.page.add_init_script(_WATCH)
        self.page.on("request", self._on_request)
        self.page.on("response", self._on_response)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{error}"))

    def open(self, path: str = "/studio") -> None:
        self.page.goto(f"{self.product.url}{path}")

    def shoot(self, name: str) -> Path:
        """A picture for people to look at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}-{self.language}-{self.theme}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path

    # What must never happen

    def shifts(self) -> float:
        return sum(one["value"] for one in self._watched("shifts"))

    def shifted(self) -> list[Any]:
        return self._watched("shifts")

    def bars(self) -> dict[str, list[int]]:
        """What each picture's bar showed, one after the other."""
        ways: dict[str, list[int]] = {}
        for slot, at in self._watched("bars"):
            ways.setdefault(slot, []).append(at)
        return ways

    def check_calm(self, *, refused: Iterable[int] = ()) -> None:
        """No fault of a script, no broken policy, nothing asked of anybody else."""
        assert self.complaints == []
        assert self._watched("policies") == []
        assert {status for status, _ in self.refused} <= set(refused), self.refused
        served = {url for url in self.asked if not url.startswith(("data:", "blob:"))}
        assert {urlsplit(url).netloc for url in served} == {urlsplit(self.product.url).netloc}

    @contextlib.contextmanager
    def in_other_theme(self) -> Generator[None]:
        """As with somebody whose device is darker, or lighter."""
        other: Theme = "light" if self.theme == "dark" else "dark"
        self.page.emulate_media(color_scheme=other)
        assert self.page.evaluate(f"matchMedia('(prefers-color-scheme: {other})').matches")
        yield
        self.page.emulate_media(color_scheme=self.theme)

    def violations(self, rules: Sequence[str] = _RULES) -> list[str]:
        """What axe-core finds, a line for each element; by tags or names of its rules."""
        if self.page.evaluate("typeof axe === 'undefined'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        script = "rules => axe.run({runOnly: rules, resultTypes: ['violations']})"
        found = self.page.evaluate(script, list(rules))
        return [
            f"{one['id']}: {node['html'][:160]} ({node['failureSummary']})"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def english_words(self, names: Iterable[str]) -> set[str]:
        """In what is shown and said, apart from these names, code and what is marked as English."""
        texts: list[str] = self.page.evaluate(_ENGLISH)
        prose = [_CODE.sub("", text) for text in texts]
        words = {word for text in prose for word in re.findall(r"[A-Za-z]{2,}", text)}
        return words - set(names)

    def small_targets(self, least_px: int) -> list[str]:
        """What a finger or an unsteady hand would miss."""
        return self.page.evaluate(_TARGETS, least_px)

    def sideways_px(self) -> int:
        """How far the page can be scrolled to a side, wherever that would hide something."""
        return self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def _watched(self, name: str) -> Any:
        return self.page.evaluate(f"watched.{name}")

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append((response.status, response.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        is_bad = message.type in {"error", "warning"}
        if is_bad and not message.text.startswith(_REFUSED):
            self.complaints.append(message.text)


def show_session(context: BrowserContext, person: Person, product: Product) -> None:
    """As after the sign-in, which has tests of its own."""
    context.add_cookies([{"name": "madar", "value": person.cookie, "url": product.url}])
