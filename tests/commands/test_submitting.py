"""`madar submitting`: a pause that people read, and that costs nobody anything."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from websockets.sync.client import ClientConnection

from madar.actions.advance import advance_generation
from madar.actions.turns import give_turns, pause_submitting, resume_submitting
from madar.settings import Settings
from tests.commands.asking import done, refused_at_a_terminal, run, told
from tests.faults.odd_fal import RUNS, Hand, led, misbehaving, odd_settings
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

EN, AR = 'Fal has an "outage"; we go on soon.', "لدى Fal عطل، وسنتابع قريبًا."
PAUSE = ("submitting", "pause", "--reason-en", EN, "--reason-ar", AR)


def reason_in(person: Person, generation_id: str, language: str) -> str | None:
    seen = person.get(f"/api/generations/{generation_id}", headers={"Accept-Language": language})
    return seen.json().get("pauseReason")


def health(product: Product, language: str = "en") -> Json:
    with product.anonymous(**{"Accept-Language": language}) as http:
        return http.get("/api/health").json()


def next_told(socket: ClientConnection, kind: str, *, paused: bool | None = None) -> Json:
    while True:
        heard: Json = json.loads(socket.recv(timeout=20))
        if heard["type"] == kind and (paused is None or ("pauseReason" in heard) == paused):
            return heard


def test_people_read_the_reason_and_after_it_all_is_made(product: Product, amal: Person) -> None:
    before = amal.create()["id"]

    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        socket.send(json.dumps({"type": "join:generation", "generationId": before}))
        next_told(socket, "joined")
        said = done(product, *PAUSE, "--yes")
        live = next_told(socket, "generation:progress")
        with product.working():
            meanwhile = amal.create(seed=8)["id"]
            eventually(lambda: amal.status(meanwhile).get("queuePosition"))
            seen = [reason_in(amal, one, "en") for one in (before, meanwhile)]
            in_arabic = reason_in(amal, meanwhile, "ar-SA")
            listed = amal.get("/api/generations").json()["generations"]
            unwell, unwell_in_arabic = health(product), health(product, "ar")
            status = told(product, "submitting", "status")
            sent = len(product.submissions())

            resumed = done(product, "submitting", "resume")

            next_told(socket, "generation:progress", paused=False)
            ends = [amal.finished(one) for one in (before, meanwhile)]
    assert "1 picture waits" in said
    assert live["pauseReason"] == EN
    assert seen == [EN, EN]
    assert in_arabic == AR
    assert {one["pauseReason"] for one in listed} == {EN}
    assert not any("estimatedTimeSeconds" in one for one in listed)
    assert (unwell["status"], unwell["pause"]["reason"]) == ("degraded", EN)
    assert unwell_in_arabic["pause"]["reason"] == AR
    assert (status["paused"]["reasonAr"], status["waiting"], sent) == (AR, 2, 0)
    assert "2 pictures go on" in resumed
    assert [end["status"] for end in ends] == ["completed"] * 2
    assert not any("pauseReason" in end for end in ends)
    assert "pause" not in health(product)
    assert len(product.submissions()) == 4


def test_a_pause_is_asked_for_and_its_reasons_are_read(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    amal.create()

    alone = run(product, *PAUSE)
    refused_at_a_terminal(product, monkeypatch, *PAUSE)
    empty = run(product, *PAUSE[:-1], " \u200f ", "--yes")
    odd = run(product, *PAUSE[:-1], "سطر\nوسطر", "--yes")
    no_arabic = run(product, *PAUSE[:-1], EN, "--yes")
    not_paused = done(product, "submitting", "resume")
    open_gate = done(product, "submitting", "status")
    done(product, *PAUSE, "--yes")
    since = told(product, "submitting", "status")["paused"]["since"]
    changed = done(product, *PAUSE[:-1], "سبب آخر", "--yes")
    paused = told(product, "submitting", "status")["paused"]
    shown = done(product, "submitting", "status")

    exits = [result.exit_code for result in (alone, empty, odd, no_arabic)]
    assert exits == [2, 2, 2, 2]
    assert "no Arabic letters" in no_arabic.stderr
    assert "1 waiting picture are told" in alone.stderr
    assert "--yes" in alone.stderr
    assert "people are to read it" in empty.stderr
    assert "cannot be shown" in odd.stderr
    assert "Nothing was paused" in not_paused
    assert "as it comes" in open_gate
    assert "1 picture waits" in changed
    assert paused == {"since": since, "reasonEn": EN, "reasonAr": "سبب آخر"}
    assert EN in shown


def test_the_gate_that_fal_closed_is_told_too(product: Product) -> None:
    product.execute(
        "UPDATE fal_gate SET failing_since = now(), reason = 'key_refused',"
        " closed_until = now() + interval '50 seconds'"
    )

    shown = done(product, "submitting", "status")

    assert "Fal refuses the key" in shown
    assert told(product, "submitting", "status")["heldBack"]["reason"] == "key_refused"


async def times(one: Hand, generation_id: UUID) -> Json:
    rows = await one.conn.execute(
        "SELECT extract(epoch FROM deadline_at - now())::float8 AS left_s,"
        "       extract(epoch FROM next_action_at - now())::float8 AS due_s"
        "  FROM generations WHERE id = %s",
        [generation_id],
    )
    found = await rows.fetchone()
    assert found
    return found


async def pause(one: Hand) -> None:
    await pause_submitting(one.resources, reason=EN, reason_ar=AR)


def with_odd_fal(dsn: str, folder: Path, act: Any, **settings: Any) -> None:
    with misbehaving() as fal:
        given: Settings = odd_settings(dsn, fal, folder, **settings)
        fal.always("status", RUNS)
        led(given, lambda one: act(one, fal))


def test_no_deadline_of_what_waits_runs_while_it_is_paused(dsn: str, tmp_path: Path) -> None:
    """Of what was there before, and of what came in the middle."""

    async def act(one: Hand, fal: Any) -> None:
        await pause(one)
        old, new = await one.create(seed=1), await one.create(seed=2)
        await one.execute("UPDATE fal_gate SET paused_at = now() - interval '2 hours'")
        await one.execute(
            "UPDATE generations SET created_at = now() - interval '3 hours', "
            "deadline_at = now() - interval '110 minutes' WHERE id = %s",
            old,
        )
        await one.execute(
            "UPDATE attempts SET created_at = now() - interval '3 hours' WHERE generation_id = %s",
            old,
        )
        await one.execute(
            "UPDATE generations SET deadline_at = now() - interval '1 minute' WHERE id = %s", new
        )
        await one.execute(
            "UPDATE attempts SET created_at = now() - interval '1 hour' WHERE generation_id = %s",
            new,
        )

        seen = [await one.advance(generation_id) for generation_id in (old, new)]
        waiting = [await times(one, generation_id) for generation_id in (old, new)]
        await resume_submitting(one.resources)

        assert [row["state"] for row in seen] == ["queued"] * 2
        assert all(row["due_s"] > 60 for row in waiting), "not looked at again and again"
        left = [(await times(one, generation_id))["left_s"] for generation_id in (old, new)]
        assert left == [pytest.approx(600, abs=20), pytest.approx(59 * 60, abs=20)]
        assert fal.posts() == 0

    with_odd_fal(dsn, tmp_path, act)


def test_a_turn_that_nobody_has_used_is_taken_back_and_given_again(
    dsn: str, tmp_path: Path
) -> None:
    async def act(one: Hand, fal: Any) -> None:
        ids = [await one.create(seed=seed) for seed in range(3)]
        await one.advance(ids[0])
        await one.execute("UPDATE attempts SET waiting_since = now() WHERE state = 'prepared'")
        granted = await give_turns(one.resources)

        await pause(one)
        closed = await one.closed_s()
        for generation_id in ids[1:]:
            await one.make_due(generation_id)
            await one.advance(generation_id)
        sent = fal.posts()
        await resume_submitting(one.resources)

        rows = await one.conn.execute(
            "SELECT generation_id FROM attempts WHERE granted_at IS NOT NULL AND state = 'prepared'"
        )
        jobs = await one.conn.execute(
            "SELECT args->>'generation_id' AS id FROM procrastinate_jobs WHERE status = 'todo'"
        )
        again = {row["generation_id"] for row in await rows.fetchall()}
        assert (len(granted), sent) == (1, 1)
        assert closed > 10**9, "a worker of the release before sees a closed gate"
        assert len(again) == 1
        assert {str(one) for one in again} <= {row["id"] for row in await jobs.fetchall()}

    with_odd_fal(dsn, tmp_path, act, fal_concurrency=2)


def test_what_fal_answers_meanwhile_does_not_end_the_pause(dsn: str, tmp_path: Path) -> None:
    """Neither a failure nor a success of what was on its way."""

    async def act(one: Hand, fal: Any) -> None:
        first = await one.create(seed=1)
        await one.advance(first)
        second = await one.create(seed=2)
        await pause(one)
        await one.execute("UPDATE fal_gate SET failing_since = now(), reason = 'unreachable'")
        await one.execute(
            "UPDATE attempts SET state = 'sent', request_id = NULL, sent_at = now()"
            " WHERE generation_id = %s",
            first,
        )
        for each in (first, second):
            await one.make_due(each)  # which opens the gate as well
        await one.execute("UPDATE fal_gate SET closed_until = now() + interval '100 years'")
        for each in (first, second):
            await advance_generation(one.worker, each)

        granted = await give_turns(one.resources)

        assert granted == set()
        assert await one.closed_s() > 10**9, "a worker of the release before sees a closed gate"
        assert fal.posts() == 1
        await one.execute("UPDATE fal_gate SET closed_until = NULL, failing_since = NULL")
        assert await give_turns(one.resources) == set(), "as a worker of that release opens it"

    with_odd_fal(dsn, tmp_path, act, fal_concurrency=5)
