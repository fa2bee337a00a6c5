"""GET /docs and its assets."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from madar.api import reference
from madar.api.routes import resources
from tests.api.looking import is_arabic, problem_in
from tests.browser import needs_chromium
from tests.product import Product

_ASSETS = (reference.SCRIPT, reference.SHEET, reference.START)
_HAS_PARTS = (reference.PARTS / reference.SCRIPT).is_file()
needs_parts = pytest.mark.skipif(not _HAS_PARTS, reason="`make parts` has not run")


@needs_parts
@needs_chromium
def test_chromium_shows_every_operation_and_asks_no_other_host(
    product: Product, page: Page
) -> None:
    requested: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)

    page.goto(f"{product.url}/docs")
    for resource in resources:
        page.get_by_text(resource.path, exact=True).first.wait_for()
    seen = page.inner_text("body")

    assert "Madar" in seen
    for resource in resources:
        for one in resource.operations.values():
            assert one.summary in seen
    served = {url for url in requested if not url.startswith(("data:", "about:"))}
    assert {urlsplit(url).netloc for url in served} == {urlsplit(product.url).netloc}
    assert {urlsplit(url).path for url in served} >= {"/docs", "/api/openapi.json"}
    assert complaints == []


@needs_parts
def test_the_page_and_its_parts_are_served_from_here(product: Product) -> None:
    with product.anonymous() as http:
        page = http.get("/docs")
        assets = [http.get(f"/docs/assets/{name}") for name in _ASSETS]

    assert page.status_code == 200
    assert "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
    assert "<script>" not in page.text
    assert [asset.status_code for asset in assets] == [200, 200, 200]
    kinds = [asset.headers["content-type"].partition(";")[0] for asset in assets]
    assert kinds == ["text/javascript", "text/css", "text/javascript"]


@pytest.mark.parametrize("language", ["en", "ar"])
def test_without_the_parts_it_says_so(
    product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str
) -> None:
    monkeypatch.setattr(reference, "PARTS", tmp_path)

    with product.anonymous(**{"Accept-Language": language}) as http:
        page = http.get("/docs")
        gone = http.get(f"/docs/assets/{reference.SCRIPT}")

    assert page.status_code == 200
    assert "make parts" in page.text
    assert "/api/openapi.json" in page.text
    assert is_arabic(page.text) == (language == "ar")
    problem_in(gone, 404, "not_found")


def test_nothing_else_is_an_asset(product: Product) -> None:
    names = ("package.json", "..%2fpackage.json", "%00", "swagger-ui.css.map", "x", "%2e%2e")
    with product.anonymous() as http:
        for name in names:
            problem_in(http.get(f"/docs/assets/{name}"), 404, "not_found")
