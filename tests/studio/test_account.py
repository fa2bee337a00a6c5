"""The account: name, language, numbers, sessions, export, and the way out."""

import json
import re

from playwright.sync_api import Locator, expect

from tests.product import Person
from tests.studio import site as pictures
from tests.studio.conftest import Visiting
from tests.studio.site import Site
from tests.studio.visit import Visit
from tests.studio.words import say

ACCOUNT = "/studio/account"


def button(visit: Visit, key: str) -> Locator:
    return visit.page.get_by_role("button", name=say(key, visit.language), exact=True)


def test_everything_about_an_account_is_there(visiting: Visiting, amal: Person, site: Site) -> None:
    pictures.add_pictures(amal, site, ["a red rocket", "a star"])
    email = amal.get("/api/auth/user").json()["email"]
    other = site.sign_in(email)
    visit = visiting(amal, ACCOUNT)
    page = visit.page
    expect(page.locator(".numbers li").first).to_contain_text("2")

    page.get_by_label(say("account.name", "en")).fill("Amal bint Said")
    button(visit, "account.save").click()
    expect(page.get_by_text(say("account.saved", "en"))).to_be_visible()
    assert amal.get("/api/user/profile").json()["displayName"] == "Amal bint Said"

    expect(page.locator(".sessions li")).to_have_count(2)
    button(visit, "account.session.end").click()
    expect(page.locator(".sessions li")).to_have_count(1)
    assert other.get("/api/auth/user").status_code == 401

    with page.expect_download() as saved:
        page.get_by_role("link", name=say("account.export", "en")).click()
    kept = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert "a red rocket" in json.dumps(kept)

    page.get_by_role("radio", name="العربية").check(force=True)
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.get_by_role("heading", level=1)).to_have_text(say("account.title", "ar"))
    assert amal.get("/api/user/profile").json()["language"] == "ar"
    visit.check_calm()


def test_an_account_is_deleted_once_its_address_is_written(
    visiting: Visiting, amal: Person
) -> None:
    who = amal.get("/api/auth/user").json()
    visit = visiting(amal, ACCOUNT)
    page = visit.page
    button(visit, "account.delete").click()
    expect(button(visit, "account.delete")).to_be_disabled()
    page.get_by_label(say("account.delete_confirm", "en")).fill(who["email"])
    button(visit, "account.delete").click()

    expect(page).to_have_url(re.compile("/studio$"))
    expect(page.locator("main.sign-in")).to_be_visible()
    kept: list[str] = page.evaluate("Object.keys(localStorage)")
    assert [name for name in kept if who["id"] in name] == []
