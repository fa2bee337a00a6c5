"""The drawer for developers: what this tab asked and heard, to be taken along."""

import json
import os
import re
import subprocess

from playwright.sync_api import Locator, expect

from tests.product import Person
from tests.studio import site as pictures
from tests.studio.site import Site
from tests.studio.visit import Visit
from tests.studio.words import say


def rows(visit: Visit) -> Locator:
    return visit.page.locator("aside.drawer details")


def copied(visit: Visit, row: Locator, kind: str) -> str:
    row.get_by_role("button", name=say(f"drawer.copy.{kind}", "en")).click()
    expect(row.get_by_role("button", name=say("copied", "en"))).to_be_visible()
    return visit.page.evaluate("navigator.clipboard.readText()")


def test_a_call_is_copied_and_works_elsewhere(visit: Visit, amal: Person) -> None:
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#prompt").fill("it's a red rocket")
    page.keyboard.press("Control+Enter")
    expect(page.locator("article[data-state=queued]")).to_be_visible()
    page.get_by_role("button", name=say("nav.api", "en")).click()
    row = rows(visit).filter(has_text="POST").filter(has_text="/api/generations")
    expect(row).to_contain_text("201")
    row.locator("summary").click()
    expect(row.locator("pre").first).to_contain_text("it's a red rocket")
    visit.shoot("drawer")

    curl = copied(visit, row, "curl")
    # The same Idempotency-Key: the same picture, not a second one.
    ran = subprocess.run(
        ["bash", "-c", curl.replace("curl ", "curl -s ", 1)],
        env={"PATH": os.defpath, "MADAR_TOKEN": amal.token},
        capture_output=True,
        check=True,
    )
    made = json.loads(ran.stdout)["id"]
    assert [one["id"] for one in amal.get("/api/generations").json()["generations"]] == [made]

    fetch = copied(visit, row, "fetch").replace("Bearer …", f"Bearer {amal.token}")
    again = page.evaluate(f"async () => {{ {fetch}; return body; }}")
    assert again["id"] == made
    typescript = copied(visit, row, "typescript")
    assert 'import { MadarClient } from "@madar/client"' in typescript
    assert 'madar.request("POST /api/generations"' in typescript
    assert amal.token not in curl + typescript
    visit.check_calm()


def test_events_are_listed_and_links_are_masked(visit: Visit, site: Site) -> None:
    page = visit.page
    page.locator("#prompt").fill("a red rocket")
    with page.expect_response("**/api/generations") as answer:
        page.keyboard.press("Control+Enter")
    pictures.complete(site, answer.value.json()["id"])
    expect(page.locator("article[data-state=done]")).to_be_visible()
    page.get_by_role("button", name=say("nav.api", "en")).click()
    row = rows(visit).filter(has_text="generation:completed").first
    row.locator("summary").click()
    expect(row.locator("pre").first).to_contain_text("/files/•••")

    for other in rows(visit).locator("summary").all()[:8]:
        other.click()
    told = page.locator("aside.drawer").inner_text()
    assert not re.search(r"/files/\w", told)
    page.get_by_role("button", name=say("drawer.clear", "en")).click()
    expect(page.locator("aside.drawer")).to_contain_text(say("drawer.empty", "en"))
