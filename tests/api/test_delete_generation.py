"""DELETE /api/generations/{id}."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobs import maintenance
from madar.clients.storage import Storage
from tests.api.looking import finish, is_arabic, problem_in, without_id
from tests.conftest import Start
from tests.faults.odd_fal import RUNS, holds, misbehaving, sends
from tests.imaging.pictures import ball, png
from tests.product import Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing


@pytest.fixture
def _purges_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)


def delete(person: Person, generation_id: object) -> int:
    return person.http.delete(f"/api/generations/{generation_id}").status_code


def objects(product: Product) -> list[Path]:
    return [path for path in product.settings.storage_dir.glob("*/*") if path.is_file()]


def nothing_waits(product: Product) -> bool | None:
    return product.rows("SELECT id FROM purges") == [] or None


def test_it_is_gone_for_its_owner_at_once(product: Product, amal: Person) -> None:
    gone, kept = amal.create(textPrompt="a red rocket")["id"], amal.create()["id"]
    finish(product, gone)
    with product.socket(Authorization=f"Bearer {amal.token}") as socket:

        def joined(generation_id: object) -> Any:
            socket.send(json.dumps({"type": "join:generation", "generationId": generation_id}))
            answer = json.loads(socket.recv(timeout=15))
            return {name: answer[name] for name in answer if name != "generationId"}

        answer = amal.http.delete(f"/api/generations/{gone}")
        in_socket, never_there = joined(gone), joined(str(uuid4()))

    assert (answer.status_code, answer.content) == (204, b"")
    assert in_socket == never_there
    assert in_socket["code"] == "not_found"
    for path in ("", "/download"):
        problem_in(amal.get(f"/api/generations/{gone}{path}"), 404, "not_found")
    like = amal.http.patch(f"/api/generations/{gone}", json={"isLiked": True})
    problem_in(like, 404, "not_found")
    for query in ({}, {"search": "rocket"}, {"style": "voxel-3d"}, {"sort": "oldest"}):
        page = amal.get("/api/generations", params=query).json()
        assert [one["id"] for one in page["generations"]] == [kept]
        assert page["pagination"]["total"] == 1
    assert amal.get("/api/user/stats").json()["totalGenerations"] == 1
    assert [one["id"] for one in amal.get("/api/user/export").json()["generations"]] == [kept]


def test_a_second_time_there_is_nothing_to_delete(amal: Person) -> None:
    created = amal.create()["id"]

    assert delete(amal, created) == 204
    again = amal.http.delete(f"/api/generations/{created}")
    never = amal.http.delete(f"/api/generations/{uuid4()}")

    assert without_id(again) == without_id(never)
    problem_in(again, 404, "not_found")


def test_its_objects_are_gone_within_a_minute(product: Product, amal: Person) -> None:
    gone, kept = amal.create()["id"], amal.create()["id"]
    finish(product, gone)
    finish(product, kept)
    image = amal.status(gone)["result"]["imageUrl"]

    delete(amal, gone)
    with product.working():
        eventually(lambda: nothing_waits(product))

    assert len(objects(product)) == 3
    with product.anonymous() as http:
        problem_in(http.get(image), 404, "not_found")


def test_one_that_waits_is_never_submitted_and_its_quota_is_free(start: Start) -> None:
    product = start(quota_generations="1/1d")
    amal = product.sign_in()
    waiting = amal.create(textPrompt="never drawn")["id"]
    refused = amal.post("/api/generations", json={"style": "voxel-3d", "textPrompt": "x"})
    problem_in(refused, 429, "quota_exceeded")

    delete(amal, waiting)
    second = amal.create(textPrompt="drawn")["id"]
    with product.working():
        amal.finished(second)

    prompts = [one["input"].get("prompt", "") for one in product.submissions()]
    assert prompts
    assert not any("never drawn" in prompt for prompt in prompts)


@pytest.mark.usefixtures("_purges_soon")
def test_what_comes_late_is_thrown_away(start: Start) -> None:
    with misbehaving() as fal:
        product = start(fal_queue_url=fal.url, fal_api_url=fal.url, fal_media_hosts="localhost")
        amal = product.sign_in()
        held = holds(sends(png(ball()), content_type="image/png"))
        fal.once("file", held)
        created = amal.create()["id"]

        with product.working():
            assert held.asked.wait(20)
            assert delete(amal, created) == 204
            held.let_go()
            another = amal.finished(amal.create()["id"])

        assert another["status"] == "completed"
        problem_in(amal.get(f"/api/generations/{created}"), 404, "not_found")
        assert len(objects(product)) == 3
        row = product.rows("SELECT state, master_key FROM generations WHERE id = %s", created)[0]
        assert row == {"state": "finalizing", "master_key": None}


@pytest.mark.usefixtures("_purges_soon")
def test_what_is_stored_after_the_deletion_is_removed_again(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst order: deleted, purged, and only then does the worker write its files."""
    created = amal.create()["id"]
    put, stored = Storage.put, threading.Event()

    def delete_and_purge() -> None:
        if delete(amal, created) == 204:
            eventually(lambda: nothing_waits(product))

    async def put_late(storage: Storage, key: str, content: bytes) -> None:
        await asyncio.to_thread(delete_and_purge)
        await put(storage, key, content)
        stored.set()

    monkeypatch.setattr(Storage, "put", put_late)

    with product.working():
        assert stored.wait(30)
        eventually(lambda: nothing_waits(product) if not objects(product) else None)

    problem_in(amal.get(f"/api/generations/{created}"), 404, "not_found")
    assert amal.get("/api/generations").json()["pagination"]["total"] == 0


def test_a_worker_that_died_while_storing_leaves_nothing_behind(
    product: Product, amal: Person
) -> None:
    """Its row names the files, so the deletion knows them though it was never completed."""
    created = amal.create()["id"]
    finish(product, created)
    product.execute(
        "UPDATE generations SET state = 'finalizing', fal_progress = 95, completed_at = NULL,"
        " deadline_at = now() + interval '1 day'"
    )

    assert delete(amal, created) == 204
    with product.working():
        eventually(lambda: nothing_waits(product))

    assert objects(product) == []


def test_one_under_way_at_fal_does_not_come_back(start: Start) -> None:
    with misbehaving() as fal:
        product = start(fal_queue_url=fal.url, fal_api_url=fal.url, fal_media_hosts="localhost")
        amal = product.sign_in()
        fal.always("status", RUNS)
        created = amal.create()["id"]

        with product.working():
            eventually(lambda: fal.times("status") > 0 or None)
            assert delete(amal, created) == 204
            fal.heal("status")
            amal.finished(amal.create()["id"])

        row = product.rows("SELECT state FROM generations WHERE id = %s", created)[0]
        assert row["state"] in {"queued", "processing"}
        assert amal.get("/api/generations").json()["pagination"]["total"] == 1


def test_what_is_not_yours_stays(product: Product, amal: Person, badr: Person) -> None:
    created = amal.create()["id"]
    finish(product, created)

    answers = [badr.http.delete(f"/api/generations/{one}") for one in (created, uuid4(), "1")]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])
    assert amal.status(created)["status"] == "completed"
    assert len(objects(product)) == 3


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.http.delete(f"/api/generations/{uuid4()}", headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])
