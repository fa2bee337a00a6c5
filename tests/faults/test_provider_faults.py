"""Fal's bad days, through the whole pipeline, by the simulator's dial and markers."""

import socket
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.product import Person, Product
from tests.simulator.harness import Fal, eventually, serving


def _ends_as(product: Product, amal: Person, marker: str) -> tuple[str, str | None]:
    with product.working():
        done = amal.finished(amal.create(textPrompt=f"a red cup [sim:{marker}]")["id"])
    return done["status"], done.get("errorCode")


@pytest.mark.parametrize("marker", ["slow", "flaky", "duplicate", "lost", "no-webhooks"])
def test_a_bad_day_that_passes_costs_nothing(product: Product, amal: Person, marker: str) -> None:
    assert _ends_as(product, amal, marker) == ("completed", None)


@pytest.mark.parametrize(
    ("marker", "code"),
    [
        ("refuse", "content_policy"),
        ("nsfw", "content_policy"),
        ("opaque", "transparency_failed"),
    ],
)
def test_a_refusal_names_its_reason(product: Product, amal: Person, marker: str, code: str) -> None:
    assert _ends_as(product, amal, marker) == ("failed", code)


def test_an_opaque_cutout_is_tried_exactly_twice(product: Product, amal: Person) -> None:
    _ends_as(product, amal, "opaque")

    steps = product.rows("SELECT step FROM attempts ORDER BY n")
    assert [row["step"] for row in steps] == ["draw", "cutout", "cutout"]


def test_a_lost_answer_is_looked_up_not_sent_again(product: Product, amal: Person) -> None:
    _ends_as(product, amal, "lost no-webhooks")

    draws = [one for one in product.submissions() if one["endpointId"] == "fal-ai/flux-lora"]
    assert len(draws) == 1


def test_a_failure_is_told_in_the_readers_language(product: Product, amal: Person) -> None:
    with product.working():
        made = amal.create(textPrompt="a cup [sim:refuse]")
        amal.finished(made["id"])

    arabic = amal.get(f"/api/generations/{made['id']}", headers={"Accept-Language": "ar"}).json()
    assert arabic["errorCode"] == "content_policy"
    assert "مرشّح الأمان" in arabic["error"]


def test_while_fal_is_away_everything_waits(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with serving(tmp_path / "elsewhere") as issuer:
        product = start(fal=issuer, fal_queue_url=f"http://127.0.0.1:{port}")
        amal = product.sign_in()
        with product.working():
            made = amal.create()
            tried = "SELECT state FROM attempts WHERE polls > 1 AND state = 'prepared'"
            eventually(lambda: product.rows(tried) or None)

            assert amal.status(made["id"])["status"] == "queued"
            assert amal.get("/api/styles").status_code == 200


def test_a_dial_on_down_heals(product: Product, amal: Person, fal: Fal) -> None:
    fal.turn("down")
    with product.working():
        made = amal.create()
        sent = "SELECT 1 FROM attempts WHERE state = 'unknown'"
        eventually(lambda: product.rows(sent) or None)
        assert amal.status(made["id"])["status"] == "queued"

        fal.turn()

        assert amal.finished(made["id"])["status"] == "completed"


def test_unwritable_storage_delays_and_loses_nothing(product: Product, amal: Person) -> None:
    folder = product.settings.storage_dir
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    with product.working():
        made = amal.create()
        waiting = "SELECT 1 FROM generations g JOIN attempts a ON a.generation_id = g.id"
        stuck = f"{waiting} WHERE g.state = 'finalizing' AND a.polls > 0 AND a.step = 'cutout'"
        eventually(lambda: product.rows(stuck) or None)
        assert amal.status(made["id"])["status"] == "processing"

        folder.unlink()

        assert amal.finished(made["id"])["status"] == "completed"
