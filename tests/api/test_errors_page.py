"""GET /docs/errors and /docs/errors/{code}."""

import hashlib
import re
from base64 import b64encode
from html import unescape

import pytest

from madar import i18n
from madar.codes import CODES, document_of, words_of
from tests.api.looking import is_arabic, problem_in
from tests.product import Product

pytestmark = pytest.mark.standing

DIRECTIONS = {"en": "ltr", "ar": "rtl"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,application/json;q=0.5"


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_page_explains_every_code(product: Product, language: i18n.Language) -> None:
    with product.anonymous(**{"Accept-Language": language, "Accept": BROWSER}) as http:
        page = http.get("/docs/errors")

    assert page.status_code == 200
    assert page.headers["content-language"] == language
    assert {"Accept", "Accept-Language"} <= set(re.split(r", *", page.headers["vary"]))
    assert f'lang="{language}" dir="{DIRECTIONS[language]}"' in page.text
    told = unescape(page.text)
    for code in CODES:
        assert page.text.count(f'<dt id="{code}">') == 1
        assert all(words in told for words in words_of(code, language).values()), code


def test_the_page_needs_nothing_but_itself(product: Product) -> None:
    with product.anonymous() as http:
        page = http.get("/docs/errors")

    styles = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert f"style-src 'sha256-{digest}'" in policy
    assert not re.findall(r'<script|style="|(?:src|href)="(?!/docs/errors)', page.text)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_each_code_has_a_page_of_its_own(product: Product, language: i18n.Language) -> None:
    with product.anonymous(**{"Accept-Language": language}) as http:
        for code in CODES:
            page = http.get(f"/docs/errors/{code}")

            assert page.status_code == 200
            assert page.text.count("<dt ") == 1
            told = unescape(page.text)
            assert all(words in told for words in words_of(code, language).values()), code


def test_whether_a_retry_helps_is_told(product: Product) -> None:
    with product.anonymous() as http:
        helps = http.get("/docs/errors/too_busy").text
        useless = http.get("/docs/errors/prompt_empty").text

    assert i18n.text("errors.retry_helps", "en") in helps
    assert i18n.text("errors.retry_useless", "en") in useless


def test_programs_get_all_of_it_in_both_languages(product: Product) -> None:
    with product.anonymous(Accept="application/json") as http:
        everything = http.get("/docs/errors")
        one = http.get("/docs/errors/internal")

    assert everything.headers["content-type"] == "application/json"
    assert everything.json() == {"codes": [document_of(code) for code in CODES]}
    assert one.json() == document_of("internal")
    assert set(one.json()["ar"]) == {"problem", "failure", "cause", "cure"}
    assert all(is_arabic(words) for words in one.json()["ar"].values())


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_code_that_is_none_is_not_found(product: Product, accept: str) -> None:
    with product.anonymous(**{"Accept": accept, "Accept-Language": "ar"}) as http:
        for code in ("nothing", "NOT_JSON", "not_json%00", "%3Cb%3E", "x" * 3000):
            body = problem_in(http.get(f"/docs/errors/{code}"), 404, "not_found")
            assert is_arabic(body["detail"])
