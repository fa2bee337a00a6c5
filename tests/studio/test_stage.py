"""The stage: every state that a picture can be in, and every way in which it can fail."""

import re

import pytest
from playwright.sync_api import Locator, Route, WebSocketRoute, expect

from tests.product import Person
from tests.studio import site as pictures
from tests.studio.conftest import Visiting
from tests.studio.site import LANTERN, Site, newcomer
from tests.studio.visit import Language, Visit
from tests.studio.words import failure, say


def slot(visit: Visit, state: str) -> Locator:
    return visit.page.locator(f"article[data-state={state}]")


def ask(visit: Visit, prompt: str) -> str:
    """Write it and send it; the id of what is made."""
    visit.page.get_by_label(say("create.prompt", visit.language), exact=True).fill(prompt)
    with visit.page.expect_response("**/api/generations") as answer:
        visit.page.keyboard.press("Control+Enter")
    return answer.value.json()["id"]


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_picture_goes_through_all_its_states(
    visiting: Visiting, amal: Person, site: Site, language: Language
) -> None:
    visit = visiting(amal, language=language, theme="light" if language == "en" else "dark")
    page = visit.page
    expect(page.locator(".slot[data-state=empty]")).to_contain_text(say("stage.empty", language))
    page.wait_for_load_state("networkidle")
    visit.shoot("stage-1-empty")

    held: list[Route] = []
    page.route("**/api/generations", lambda route: held.append(route))  # noqa: PLW0108
    page.get_by_label(say("create.prompt", language), exact=True).fill(LANTERN)
    page.keyboard.press("Control+Enter")
    expect(slot(visit, "sending")).to_contain_text(say("stage.sending", language))
    expect(slot(visit, "sending").get_by_role("button")).to_have_text(say("cancel", language))
    visit.shoot("stage-2-sending")
    with page.expect_response("**/api/generations") as answer:
        held[0].continue_()
    made = answer.value.json()["id"]

    pictures.wait_in_line(site, made, place=3, seconds=20)
    waiting = slot(visit, "queued")
    expect(waiting).to_contain_text(
        say("stage.waiting_at", language, place=say("place.3", language))
    )
    expect(waiting).to_contain_text(say("eta.ready.20", language))
    visit.shoot("stage-3-queued")

    pictures.draw(site, made, progress=40)
    bar = slot(visit, "drawing").get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "40")
    expect(bar).to_have_attribute("aria-valuetext", re.compile(".{5}"))
    expect(slot(visit, "drawing")).to_contain_text(
        say("stage.drawing_at", language, step="14", total="28")
    )
    expect(slot(visit, "drawing")).to_contain_text(say("eta.left.5", language))
    visit.shoot("stage-4-drawing")
    pictures.draw(site, made, progress=30)
    pictures.draw(site, made, progress=60)
    expect(bar).to_have_attribute("aria-valuenow", "60")

    pictures.save(site, made)
    expect(slot(visit, "saving").get_by_role("progressbar")).to_have_attribute(
        "aria-valuenow", "95"
    )
    visit.shoot("stage-5-saving")

    pictures.complete(site, made)
    done = slot(visit, "done")
    picture = done.get_by_role("img", name=LANTERN)
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", value=True)
    expect(done.get_by_role("heading")).to_have_text(LANTERN)
    expect(page.locator("[aria-live=polite]")).to_have_text(say("stage.done", language))
    visit.shoot("stage-6-done")

    assert visit.bars()[made] == sorted(visit.bars()[made])
    assert visit.shifts() < 0.02, visit.shifted()
    visit.check_calm()


def test_what_failed_without_a_fault_of_theirs_is_tried_again(visit: Visit, site: Site) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = ask(visit, LANTERN)
    pictures.draw(site, made, progress=50)
    pictures.fail(site, made, "provider_unavailable")

    failed = slot(visit, "failed")
    expect(failed).to_contain_text(failure("provider_unavailable", "en"))
    failed.get_by_text(say("stage.details", "en")).click()
    expect(failed).to_contain_text("provider_unavailable")
    expect(failed).to_contain_text(made)
    failed.get_by_role("button", name=say("stage.copy_details", "en")).click()
    visit.page.wait_for_function(
        "id => navigator.clipboard.readText().then(text => text.includes(id))", arg=made
    )
    visit.shoot("stage-7-failed-ours")

    with visit.page.expect_response(f"**/api/generations/{made}/retry") as again:
        failed.get_by_role("button", name=say("retry", "en")).click()
    expect(visit.page.locator(f"article[data-id='{again.value.json()['id']}']")).to_have_attribute(
        "data-state", "queued"
    )
    visit.check_calm()


def test_a_refused_prompt_leads_back_to_the_prompt(visit: Visit, site: Site) -> None:
    made = ask(visit, LANTERN)
    pictures.fail(site, made, "content_policy")

    failed = slot(visit, "failed")
    expect(failed).to_contain_text(failure("content_policy", "en"))
    prompt = visit.page.get_by_label(say("create.prompt", "en"), exact=True)
    prompt.fill("")
    visit.shoot("stage-8-failed-theirs")
    failed.get_by_role("button", name=say("stage.edit", "en")).click()

    expect(prompt).to_be_focused()
    expect(prompt).to_have_value(LANTERN)


def test_what_never_reached_the_server_is_kept_and_sent_again(visit: Visit) -> None:
    page = visit.page
    page.route("**/api/generations", lambda route: route.abort())
    page.get_by_label(say("create.prompt", "en"), exact=True).fill(LANTERN)
    page.keyboard.press("Control+Enter")
    failed = slot(visit, "failed")
    expect(failed).to_contain_text(say("error.unreachable", "en"))
    expect(failed).to_contain_text(LANTERN)

    page.unroute("**/api/generations")
    failed.get_by_role("button", name=say("retry", "en")).click()

    expect(slot(visit, "queued")).to_be_visible()


def test_the_limit_counts_down_and_gives_the_button_back(
    visiting: Visiting, amal: Person, site: Site
) -> None:
    with site.beside(rate_limit_generations="1/1m") as strict:
        visit = visiting(amal, at=strict, is_first=True)  # its clock is its own
        page = visit.page
        page.clock.install()
        ask(visit, LANTERN)
        expect(slot(visit, "queued")).to_be_visible()
        page.keyboard.press("Control+Enter")

        limit = slot(visit, "limit")
        expect(limit).to_contain_text(say("stage.limit_rate", "en", limit=1))
        expect(limit).to_contain_text(re.compile(r"You can go on in (\d\d) seconds"))
        generate = page.locator("button.generate")
        expect(generate).to_be_disabled()
        visit.shoot("stage-9-limit")
        page.clock.fast_forward("01:00")
        expect(limit).to_contain_text(say("stage.go_on_now", "en"))
        expect(generate).to_be_enabled()
        site.execute("DELETE FROM rate_limits")
        limit.get_by_role("button", name=say("retry", "en")).click()

        expect(slot(visit, "queued")).to_be_visible()
        expect(limit).to_have_count(0)
        visit.check_calm(refused=[429])


def test_while_work_is_paused_the_reason_is_told(visit: Visit, site: Site) -> None:
    site.execute(
        "UPDATE fal_gate SET paused_at = now(), pause_reason = 'The kiln cools',"
        " pause_reason_ar = 'الفرن يبرد'"
    )
    try:
        ask(visit, LANTERN)
        expect(slot(visit, "queued")).to_contain_text("The kiln cools")
    finally:
        site.execute("UPDATE fal_gate SET paused_at = NULL, pause_reason = NULL,"
                     " pause_reason_ar = NULL")  # fmt: skip


def test_the_tab_tells_of_work_and_of_its_end_while_another_is_in_front(
    visit: Visit, site: Site
) -> None:
    page = visit.page
    icon = page.locator("link[rel=icon]")
    made = ask(visit, LANTERN)
    expect(icon).to_have_attribute("href", re.compile("working"))
    hide = "is => Object.defineProperty(document, 'hidden', {value: is, configurable: true})"
    page.evaluate(hide, arg=True)
    pictures.complete(site, made)
    expect(page).to_have_title(say("ready_title", "en", prompt=LANTERN))
    expect(icon).not_to_have_attribute("href", re.compile("working"))

    page.evaluate(hide, arg=False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title(say("title", "en"))


# The line to the server


def test_who_is_offline_is_told_and_catches_up_alone(visit: Visit, site: Site) -> None:
    made = ask(visit, LANTERN)
    pictures.draw(site, made, progress=40)
    expect(slot(visit, "drawing")).to_be_visible()

    visit.page.context.set_offline(offline=True)
    expect(visit.page.get_by_text(say("live.offline", "en"))).to_be_visible()
    pictures.complete(site, made)
    expect(slot(visit, "drawing")).to_be_visible()
    visit.shoot("line-1-offline")
    visit.page.context.set_offline(offline=False)

    expect(slot(visit, "done")).to_be_visible()
    expect(visit.page.get_by_text(say("live.offline", "en"))).to_have_count(0)
    assert visit.bars()[made] == sorted(visit.bars()[made])


def test_a_deployment_is_told_from_a_lost_line(visit: Visit, site: Site) -> None:
    made = ask(visit, LANTERN)
    pictures.draw(site, made, progress=40)
    expect(slot(visit, "drawing")).to_be_visible()

    site.down()
    updating = visit.page.get_by_text(say("live.updating", "en"))
    expect(updating).to_be_visible()
    visit.shoot("line-2-updating")
    pictures.complete(site, made)
    site.up()

    expect(slot(visit, "done")).to_be_visible()
    expect(updating).to_have_count(0)


def test_a_cut_socket_is_joined_again_and_the_truth_is_read(
    visiting: Visiting, amal: Person, site: Site
) -> None:
    visit = visiting(amal, "/api/health")
    is_cut = False
    lines: list[WebSocketRoute] = []

    def pass_on(line: WebSocketRoute) -> None:
        if is_cut:
            line.close(code=1013)
            return
        line.connect_to_server()
        lines.append(line)

    visit.page.route_web_socket("**/ws", pass_on)
    visit.open()
    made = ask(visit, LANTERN)
    pictures.draw(site, made, progress=40)
    expect(slot(visit, "drawing")).to_be_visible()

    is_cut = True
    lines[0].close(code=1013)
    reconnecting = visit.page.get_by_text(say("live.reconnecting", "en"))
    expect(reconnecting).to_be_visible()
    pictures.fail(site, made, "timeout")
    visit.shoot("line-3-reconnecting")
    is_cut = False
    visit.page.get_by_role("button", name=say("live.retry", "en")).click()

    expect(slot(visit, "failed")).to_contain_text(failure("timeout", "en"))
    expect(reconnecting).to_have_count(0)


def test_an_ended_session_is_told_in_its_place_and_leads_back_to_the_same_form(
    visiting: Visiting, site: Site
) -> None:
    amal = newcomer(site)
    visit = visiting(amal, is_first=True)
    prompt = visit.page.get_by_label(say("create.prompt", "en"), exact=True)
    made = ask(visit, LANTERN)
    pictures.draw(site, made, progress=40)
    expect(slot(visit, "drawing")).to_be_visible()

    amal.post("/api/auth/logout")
    ended = visit.page.get_by_text(say("live.ended", "en"))
    expect(ended).to_be_visible()
    expect(prompt).to_have_value(LANTERN)
    visit.shoot("line-4-session-ended")
    visit.page.get_by_role("button", name=say("live.signin", "en")).first.click()
    visit.page.get_by_role("button", name="Amal").click()

    expect(prompt).to_have_value(LANTERN)
    expect(ended).to_have_count(0)
