"""docs/live.md tells the truth: its messages fit the contract, and its programs run."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from queue import Queue
from typing import IO

import pytest
from playwright.sync_api import Page

from madar.local.contract import EVENTS
from madar.realtime import endings
from madar.realtime.endings import Ending
from madar.settings import ROOT
from tests.api.looking import finish
from tests.api.test_events_schema import FROM_CLIENT, FROM_SERVER
from tests.browser import needs_chromium
from tests.product import Json, Person, Product

PAGE = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
WAIT_S = 30


def blocks(language: str, under: str = "") -> list[str]:
    part = PAGE[PAGE.index(under) :]
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def end(product: Product, generation_id: str) -> None:
    """Completed, and rung for whoever hears of it or of its owner."""
    finish(product, generation_id)
    product.execute(
        "SELECT pg_notify('madar_generations', id || ' ' || version || ' ' || user_id)"
        " FROM generations WHERE id = %s",
        generation_id,
    )


def test_every_message_fits_and_none_is_missing() -> None:
    messages: list[Json] = [json.loads(one) for one in blocks("json")]
    heard_from = PAGE[: PAGE.index("### What you hear")].count("```json")

    for n, message in enumerate(messages):
        (FROM_CLIENT if n < heard_from else FROM_SERVER).validate(message)
    schema: Json = json.loads(EVENTS.read_text(encoding="utf-8"))
    types = {
        one["properties"]["type"]["const"]
        for one in schema["$defs"].values()
        if "const" in one.get("properties", {}).get("type", {})
    }
    assert {message["type"] for message in messages} == types


def test_every_ending_is_in_the_table() -> None:
    rows = re.findall(r"^\| (\d{4}) \| `(\w+)` \|", PAGE, re.MULTILINE)

    known = {one for one in vars(endings).values() if isinstance(one, Ending)}
    assert {Ending(int(code), word) for code, word in rows} == known


def _pass_on(written: IO[str], lines: Queue[str]) -> None:
    for line in written:
        lines.put(line)


@pytest.fixture
def lines_of_python(
    product: Product, amal: Person, tmp_path: Path
) -> Generator[tuple["subprocess.Popen[str]", Queue[str]]]:
    [source] = blocks("python")
    program = tmp_path / "follow.py"
    program.write_text(source, encoding="utf-8")
    url = product.url.replace("http://", "ws://")
    environment = {"MADAR_URL": url, "MADAR_TOKEN": amal.token, "no_proxy": "*"}
    lines: Queue[str] = Queue()
    with subprocess.Popen(
        [sys.executable, str(program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        reader = threading.Thread(target=_pass_on, args=[process.stdout, lines])
        reader.start()
        yield process, lines
        process.kill()
        reader.join()


def test_the_python_program_follows_all_and_ends_with_the_session(
    product: Product,
    amal: Person,
    lines_of_python: tuple["subprocess.Popen[str]", Queue[str]],
) -> None:
    process, lines = lines_of_python
    created = amal.create()["id"]
    assert lines.get(timeout=WAIT_S).split()[:2] == [created, "queued"]

    end(product, created)
    assert lines.get(timeout=WAIT_S).split() == [created, "completed", "100"]
    later = amal.create()["id"]
    assert lines.get(timeout=WAIT_S).split()[:2] == [later, "queued"]
    amal.http.delete(f"/api/generations/{later}")
    assert lines.get(timeout=WAIT_S).split() == [later, "deleted"]
    amal.post("/api/auth/logout")

    assert process.wait(WAIT_S) == 1
    assert lines.get(timeout=WAIT_S).strip() == "not_signed_in"


@needs_chromium
def test_the_page_follows_by_event_stream_and_by_socket(
    product: Product, amal: Person, page: Page
) -> None:
    [source] = blocks("js", under="## In a browser")
    created = amal.create()["id"]
    page.context.add_cookies([{"name": "madar", "value": amal.cookie, "url": product.url}])
    page.goto(f"{product.url}/api/health")
    page.add_script_tag(content=source)
    page.evaluate(
        """id => {
            one = []; mine = []; api = location.origin;
            leave = followOne(api, id, message => one.push(message));
            followMine(api, message => mine.push(message));
            watched = new EventSource(`/api/generations/${id}/events`);
        }""",
        created,
    )

    def heard(name: str, *types: str) -> list[Json]:
        words = ",".join(types)
        page.wait_for_function(f"{name}.map(one => one.type).join() === '{words}'")
        return page.evaluate(name)

    [joined] = heard("one", "joined")
    [all_mine] = heard("mine", "joined")
    end(product, created)
    heard("one", "joined", "generation:completed")
    heard("mine", "joined", "generation:completed")
    # The browser comes back once with what it heard last, and is told to stop.
    page.wait_for_function("watched.readyState === EventSource.CLOSED")
    amal.post("/api/auth/logout")
    *_, over = heard("mine", "joined", "generation:completed", "error")

    assert joined["snapshot"]["id"] == created
    assert [one["id"] for one in all_mine["generations"]] == [created]
    assert over["code"] == "not_signed_in"


def test_the_page_is_found_from_the_readme() -> None:
    assert "docs/live.md" in (ROOT / "README.md").read_text(encoding="utf-8")
