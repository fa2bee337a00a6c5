"""A real Chromium, driven by Playwright; where there is none, tests that need one are skipped."""

import contextlib
import shutil
from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, _PROGRAMS)), None)
needs_chromium = pytest.mark.skipif(
    PROGRAM is None,
    reason="there is no Chromium here (apt install chromium-headless-shell)",
)
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--mute-audio"),
    # Every such name is this machine.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--test-third-party-cookie-phaseout",
)


@contextlib.contextmanager
def chromium() -> Generator[Browser]:
    """While it is open, `asyncio.run` of this thread is refused: Playwright's own loop is in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=_FLAGS)
        with contextlib.closing(browser):
            yield browser


@contextlib.contextmanager
def fresh(browser: Browser, **wishes: Any) -> Generator[BrowserContext]:
    """Somebody's first visit: without cookies, cache and memory. Certificates may be our own."""
    with contextlib.closing(browser.new_context(ignore_https_errors=True, **wishes)) as context:
        context.set_default_timeout(20_000)
        yield context
