"""POST /api/generations/{id}/cancel."""

import json
from collections.abc import Generator
from uuid import uuid4

import httpx
import pytest

from madar import i18n
from tests.api.looking import finish, is_arabic, problem_in, without_id
from tests.conftest import Start
from tests.faults.odd_fal import RUNS, OddFal, misbehaving
from tests.product import ROCKET, Json, Person, Product
from tests.simulator.harness import eventually


@pytest.fixture
def odd_fal() -> Generator[OddFal]:
    with misbehaving() as fal:
        yield fal


@pytest.fixture
def odd(start: Start, odd_fal: OddFal) -> Product:
    """A Fal that takes two at once."""
    addresses = {"fal_queue_url": odd_fal.url, "fal_api_url": odd_fal.url}
    return start(**addresses, fal_media_hosts="localhost", fal_concurrency=2)


def cancel(person: Person, generation_id: object, **headers: str) -> httpx.Response:
    return person.post(f"/api/generations/{generation_id}/cancel", headers=headers)


def test_it_fails_at_once_as_cancelled(amal: Person) -> None:
    created = amal.create()["id"]
    before = amal.status(created)

    answer = cancel(amal, created)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    document: Json = answer.json()
    assert document == amal.status(created)
    assert (document["status"], document["errorCode"]) == ("failed", "cancelled")
    assert document["error"] == i18n.text("failure.cancelled", "en")
    assert document["retryable"] is True
    assert document["version"] == before["version"] + 1
    for name in ("stage", "queuePosition", "estimatedTimeSeconds", "result"):
        assert name not in document
    listed = amal.get("/api/generations", params={"status": "failed"}).json()["generations"]
    assert [one["id"] for one in listed] == [created]


def test_a_second_time_is_answered_alike(amal: Person) -> None:
    created = amal.create()["id"]

    first, second = cancel(amal, created), cancel(amal, created)

    assert first.json() == second.json()
    assert second.status_code == 200


def test_it_speaks_arabic(amal: Person) -> None:
    created, done = amal.create()["id"], amal.create()["id"]
    cancel(amal, done)

    cancelled = cancel(amal, created, **{"Accept-Language": "ar"}).json()
    absent = cancel(amal, uuid4(), **{"Accept-Language": "ar"})

    assert cancelled["error"] == i18n.text("failure.cancelled", "ar")
    assert is_arabic(cancelled["error"])
    assert is_arabic(problem_in(absent, 404, "not_found")["detail"])


def test_what_has_ended_cannot_be_cancelled(product: Product, amal: Person) -> None:
    completed, failed, reviving = (amal.create()["id"] for _ in range(3))
    finish(product, completed)
    for one, state in ((failed, "failed"), (reviving, "reviving")):
        product.execute(
            "UPDATE generations SET state = %s, error_code = 'timeout', next_action_at = NULL"
            " WHERE id = %s",
            *(state, one),
        )
    before = product.rows("SELECT * FROM generations ORDER BY id")

    for one in (completed, failed, reviving):
        problem_in(cancel(amal, one), 409, "generation_ended")
    refused = cancel(amal, completed, **{"Accept-Language": "ar"})

    assert is_arabic(problem_in(refused, 409, "generation_ended")["detail"])
    assert product.rows("SELECT * FROM generations ORDER BY id") == before


def test_what_is_not_yours_goes_on(amal: Person, badr: Person) -> None:
    created, deleted = amal.create()["id"], badr.create()["id"]
    assert badr.http.delete(f"/api/generations/{deleted}").status_code == 204

    answers = [cancel(badr, one) for one in (created, deleted, uuid4(), "1")]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])
    assert amal.status(created)["status"] == "queued"


def test_who_watches_is_told(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        socket.send(json.dumps({"type": "join:generation", "generationId": created}))
        assert json.loads(socket.recv(timeout=15))["type"] == "joined"

        version = cancel(amal, created).json()["version"]
        event = json.loads(socket.recv(timeout=15))

    assert event == {
        "type": "generation:failed",
        "generationId": created,
        "version": version,
        "status": "failed",
        "progress": 0,
        "error": i18n.text("failure.cancelled", "en"),
        "errorCode": "cancelled",
    }


def test_before_it_was_sent_it_counts_for_nothing_exactly_once(start: Start) -> None:
    product = start(quota_generations="2/1d")
    amal = product.sign_in()
    first, second = amal.create()["id"], amal.create()["id"]
    problem_in(amal.post("/api/generations", json=ROCKET), 429, "quota_exceeded")

    for _ in range(3):
        assert cancel(amal, first).status_code == 200
    third = amal.create()["id"]

    problem_in(amal.post("/api/generations", json=ROCKET), 429, "quota_exceeded")
    assert amal.http.delete(f"/api/generations/{first}").status_code == 204
    problem_in(amal.post("/api/generations", json=ROCKET), 429, "quota_exceeded")
    for one in (second, third):
        cancel(amal, one)
    assert amal.create()
    assert amal.create()
    problem_in(amal.post("/api/generations", json=ROCKET), 429, "quota_exceeded")


def test_after_it_was_sent_it_counts(start: Start, odd_fal: OddFal) -> None:
    product = start(
        quota_generations="1/1d",
        fal_queue_url=odd_fal.url,
        fal_api_url=odd_fal.url,
        fal_media_hosts="localhost",
    )
    amal = product.sign_in()
    odd_fal.always("status", RUNS)

    with product.working():
        created = amal.create()["id"]
        eventually(lambda: amal.status(created)["status"] == "processing" or None)
        assert cancel(amal, created).status_code == 200

    problem_in(amal.post("/api/generations", json=ROCKET), 429, "quota_exceeded")
    assert amal.http.delete(f"/api/generations/{created}").status_code == 204
    problem_in(amal.post("/api/generations", json=ROCKET), 429, "quota_exceeded")


def test_what_runs_at_fal_is_cancelled_there_and_the_next_one_has_its_turn(
    odd: Product, odd_fal: OddFal
) -> None:
    amal = odd.sign_in()
    odd_fal.always("status", RUNS)

    with odd.working():
        created = [amal.create()["id"] for _ in range(3)]
        eventually(lambda: odd_fal.posts() == 2 or None)
        running = odd.rows(
            "SELECT generation_id::text AS id FROM attempts WHERE sent_at > '-infinity'"
        )
        gone = running[0]["id"]
        assert cancel(amal, gone).status_code == 200
        eventually(lambda: odd_fal.posts() == 3 or None)
        eventually(lambda: odd_fal.times("cancel") == 1 or None)
        odd_fal.heal("status")
        for one in created:
            amal.finished(one)

    assert amal.status(gone)["errorCode"] == "cancelled"
    assert {amal.status(one)["status"] for one in created if one != gone} == {"completed"}
    request_id = odd.rows("SELECT request_id FROM attempts WHERE generation_id = %s", gone)[0][
        "request_id"
    ]
    cancelled = [path for kind, path in odd_fal.asked if kind == "cancel"]
    assert cancelled == [f"/fal-ai/flux-lora/requests/{request_id}/cancel"]
