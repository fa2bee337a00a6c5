"""One product and one Chromium for all these tests; each test has people of its own."""

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from madar.api.studio_assets import assets
from madar.local import postgres
from tests.browser import chromium, fresh, needs_chromium
from tests.product import Person
from tests.studio.site import Site, opened_site
from tests.studio.visit import AXE, Language, Theme, Visit, show_session

# A busy machine is no failure.
expect.set_options(timeout=15_000)
_numbers = itertools.count()
_here = Path(__file__).parent
Visiting = Callable[..., Visit]
Opening = Callable[[dict[str, Any]], BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of these needs Chromium and the parts of the page; without, it says so."""
    has_parts = AXE.is_file() and assets().is_complete
    needs_parts = pytest.mark.skipif(not has_parts, reason="`make parts` has not run")
    for item in items:
        if item.path.is_relative_to(_here):
            item.add_marker(needs_chromium)
            item.add_marker(needs_parts)


@pytest.fixture(scope="package")
def browser() -> Generator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def site(postgres_server: postgres.Server) -> Generator[Site]:
    """Web and stand-ins, no worker: pictures stay in the state they are put into."""
    name = f"studio_{next(_numbers)}"
    dsn = postgres_server.create_database(name, template="template_madar")
    with tempfile.TemporaryDirectory(prefix="madar-studio-") as folder:
        with opened_site(dsn=dsn, folder=Path(folder), speed=6) as site:
            yield site
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def somebody(site: Site) -> Callable[[], Person]:
    """People whom no other test knows."""
    return lambda: site.sign_in(f"person-{next(_numbers)}@madar.test")


@pytest.fixture
def amal(somebody: Callable[[], Person]) -> Person:
    return somebody()


@pytest.fixture(scope="package")
def opening(browser: Browser) -> Generator[Opening]:
    """One context for each way of looking, so that what never changes is fetched once."""
    with contextlib.ExitStack() as stack:
        known: dict[str, BrowserContext] = {}

        def context_for(wishes: dict[str, Any]) -> BrowserContext:
            key = repr(wishes)
            if key not in known:
                known[key] = stack.enter_context(fresh(browser, **wishes))
            return known[key]

        yield context_for


@pytest.fixture
def visiting(browser: Browser, opening: Opening, site: Site) -> Generator[Visiting]:
    """Open the studio as somebody, or as nobody yet; `is_first` where nothing is known by heart."""
    with contextlib.ExitStack() as stack:

        def visit(
            person: Person | None = None,
            path: str = "/studio",
            *,
            language: Language = "en",
            theme: Theme = "light",
            width: int = 1280,
            height: int = 900,
            at: Site = site,
            is_first: bool = False,
            **wishes: Any,
        ) -> Visit:
            wishes = {
                "locale": {"en": "en-GB", "ar": "ar-SA"}[language],
                "color_scheme": theme,
                "viewport": {"width": width, "height": height},
                "reduced_motion": "reduce",
                **wishes,
            }
            if is_first:
                context = stack.enter_context(fresh(browser, **wishes))
            else:
                context = opening(wishes)
                stack.enter_context(_left_clean(context))
            if person:
                show_session(context, person, at)
            visit = Visit(at, context.new_page(), language, theme)
            visit.open(path)
            return visit

        yield visit


@contextlib.contextmanager
def _left_clean(context: BrowserContext) -> Generator[None]:
    """What the page keeps, it keeps for each person; these have not been here before."""
    yield
    for page in context.pages:
        page.close()
    context.clear_cookies()
    context.clear_permissions()
    context.set_offline(offline=False)


@pytest.fixture
def visit(visiting: Visiting, amal: Person) -> Visit:
    """Amal's, in English."""
    return visiting(amal)
