"""What is deleted here is cancelled at Fal, and leaves no copy there."""

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from jobs import maintenance
from madar.actions import fal_purging
from madar.actions.fal_purging import CLAIM_S, purge_at_fal
from madar.actions.webhooks import record_delivery
from madar.clients.fal import Fal
from madar.db.sql import QUERIES, load
from madar.settings import Settings
from tests.conftest import Start
from tests.faults.odd_fal import (
    DROPS,
    RUNS,
    Answer,
    Hand,
    OddFal,
    holds,
    led,
    misbehaving,
    odd_settings,
    says,
    sends,
)
from tests.product import Json, Person, Product
from tests.simulator.harness import CUT_OUT, DRAW, eventually, serving

pytestmark = pytest.mark.standing

NEVER_SEEN = says({"items": []})
ENDED = says({"status": "COMPLETED", "logs": []})


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)
    monkeypatch.setattr(fal_purging, "RETRY_BASE_S", 0.1)
    monkeypatch.setattr(fal_purging, "LOOK_UP_SLACK_S", 0)


@pytest.fixture
def odd() -> Generator[OddFal]:
    with misbehaving() as odd:
        yield odd


@pytest.fixture
def settings(dsn: str, odd: OddFal, tmp_path: Path) -> Settings:
    return odd_settings(dsn, odd, tmp_path, lease_s=60)


def left(product: Product) -> list[Json]:
    return product.rows("SELECT * FROM fal_purges ORDER BY id")


async def rows_of(hand: Hand) -> list[Json]:
    cursor = await hand.conn.execute(
        "SELECT *, extract(epoch FROM due_at - now())::float8 AS due_in_s"
        " FROM fal_purges ORDER BY id"
    )
    return await cursor.fetchall()


async def delete(hand: Hand, generation_id: UUID) -> None:
    """As the edge does it, in one transaction."""
    owner = (await hand.seen(generation_id))["user_id"]
    async with hand.conn.transaction():
        await run(hand, "generations", "delete_generation", owner, generation_id, 0)
        await run(hand, "fal_purges", "insert_fal_purges_of_generations", [generation_id], False)


async def run(hand: Hand, aggregate: str, name: str, *given: object) -> None:
    query = load(QUERIES / f"{aggregate}.sql")[name]
    cursor = psycopg.AsyncRawCursor(hand.conn)
    await cursor.execute(query.sql, given)


async def purge(hand: Hand) -> list[Json]:
    """A round, as if the time of all had come; what is left afterwards."""
    await hand.execute("UPDATE fal_purges SET due_at = now()")
    await purge_at_fal(hand.resources)
    return await rows_of(hand)


async def sent(hand: Hand, **wishes: Any) -> UUID:
    """A generation whose drawing Fal has taken."""
    generation_id = await hand.create(**wishes)
    await hand.until_step(generation_id, "draw")
    return generation_id


def paths(odd: OddFal, kind: str) -> list[str]:
    return [path for asked, path in odd.asked if asked == kind]


def removal_of(request_id: str) -> str:
    return f"/v1/models/requests/{request_id}/payloads"


def test_no_copy_of_a_deleted_picture_stays_at_fal(product: Product, amal: Person) -> None:
    gone, kept = amal.create(textPrompt="gone")["id"], amal.create(textPrompt="kept")["id"]
    with product.working():
        for one in (gone, kept):
            assert amal.finished(one)["status"] == "completed"
        requests = product.rows(
            "SELECT request_id, generation_id::text FROM attempts WHERE request_id IS NOT NULL"
        )
        assert len(requests) == 4

        amal.http.delete(f"/api/generations/{gone}")
        eventually(lambda: not left(product) or None)

    has_copies = {
        one["request_id"]: one["json_input"] is not None and one["json_output"] is not None
        for endpoint in (DRAW, CUT_OUT)
        for one in product.fal.history(endpoint, expand="payloads", limit=100)["items"]
    }
    for row in requests:
        assert has_copies[row["request_id"]] == (row["generation_id"] == kept)


def test_files_of_a_deleted_picture_are_gone_at_fal(product: Product, amal: Person) -> None:
    gone = amal.create()["id"]
    with product.working():
        amal.finished(gone)
        results = product.rows("SELECT result FROM attempts WHERE result IS NOT NULL")
        urls = [
            picture["url"]
            for row in results
            for picture in (*row["result"].get("images", ()), row["result"].get("image"))
            if picture
        ]
        assert [httpx.get(url, trust_env=False, verify=False).status_code for url in urls] == [
            200,
            200,
        ]

        amal.http.delete(f"/api/generations/{gone}")
        eventually(lambda: not left(product) or None)

    assert [httpx.get(url, trust_env=False, verify=False).status_code for url in urls] == [404, 404]


def test_what_was_never_sent_is_nothing_to_fal(product: Product, amal: Person) -> None:
    gone = amal.create(textPrompt="never drawn")["id"]

    amal.http.delete(f"/api/generations/{gone}")
    assert left(product) == []
    assert product.rows("SELECT state FROM attempts") == [{"state": "failed"}]
    with product.working():
        amal.finished(amal.create()["id"])

    assert not any("never" in str(one["input"]) for one in product.submissions())


def test_the_trash_keeps_them_until_it_is_emptied(start: Start) -> None:
    product = start(trash_days=30)
    amal = product.sign_in()
    gone = amal.create()["id"]
    with product.working():
        amal.finished(gone)
        amal.http.delete(f"/api/generations/{gone}")
        assert left(product) == []
        assert all(one["input"] for one in product.submissions())

        amal.http.delete("/api/trash")
        eventually(lambda: not left(product) or None)

    assert len(product.submissions()) == 2
    assert not any(one["input"] for one in product.submissions())


def test_an_account_leaves_nothing_at_fal(start: Start) -> None:
    product = start(trash_days=30)
    amal, badr = product.sign_in(), product.sign_in("badr@madar.test")
    done, trashed, theirs = (one.create()["id"] for one in (amal, amal, badr))
    with product.working():
        for person, one in ((amal, done), (amal, trashed), (badr, theirs)):
            person.finished(one)
        amal.http.delete(f"/api/generations/{trashed}")

        assert amal.http.delete("/api/user").status_code == 202
        eventually(lambda: not left(product) or None)

    assert sorted(one["input"] is None for one in product.submissions()) == [False] * 2 + [True] * 4


def test_one_that_runs_is_cancelled_and_its_copies_removed_when_it_has_ended(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent(hand)
        odd.always("status", RUNS)

        await delete(hand, generation_id)
        first = await purge(hand)
        second = await purge(hand)
        assert [(row["is_cancelled"], row["tries"]) for row in (*first, *second)] == [
            (True, 1),
            (True, 2),
        ]
        assert (odd.times("cancel"), odd.times("removal")) == (1, 0)
        odd.heal("status")

        assert await purge(hand) == []
        assert odd.times("cancel") == 1
        assert paths(odd, "removal") == [removal_of("request-1")]
        assert (await hand.seen(generation_id))["state"] == "queued"

    led(settings, act)


TOO_LATE = {
    "taken out of the queue": says({"status": "OK"}),
    "asked to stop": says({"status": "CANCELLATION_REQUESTED"}, 202),
    "too late": says({"status": "ALREADY_COMPLETED"}, 400),
    "not known": says({"status": "NOT_FOUND"}, 404),
}


@pytest.mark.parametrize("answer", TOO_LATE.values(), ids=TOO_LATE.keys())
def test_whatever_fal_says_to_a_cancel_is_fine(
    settings: Settings, odd: OddFal, answer: Answer
) -> None:
    async def act(hand: Hand) -> None:
        odd.always("cancel", answer)
        await delete(hand, await sent(hand))

        assert await purge(hand) == []
        assert (odd.times("cancel"), odd.times("removal")) == (1, 1)

    led(settings, act)


GONE = {
    "removed": says({"cdn_delete_results": [{"link": "https://x/y.png", "exception": None}]}),
    "removed, without a word": sends(b"", 204),
    "not known": says({"detail": "Request not found"}, 404),
    "not known any more": says({}, 410),
}
NOT_YET = {
    "still in progress": says({"detail": "Request is still in progress"}, 409),
    "a file stays": says({"cdn_delete_results": [{"link": "x", "exception": "no"}]}),
    "a refused key": says({"detail": "unauthorized"}, 401),
    "too often": says({}, 429),
    "an error": says({}, 500),
    "elsewhere": says({}, 307, location="/elsewhere"),
    "no answer": DROPS,
}


@pytest.mark.parametrize("answer", GONE.values(), ids=GONE.keys())
def test_gone_is_gone(settings: Settings, odd: OddFal, answer: Answer) -> None:
    async def act(hand: Hand) -> None:
        odd.always("removal", answer)
        await delete(hand, await sent(hand))

        assert await purge(hand) == []

    led(settings, act)


@pytest.mark.parametrize("answer", NOT_YET.values(), ids=NOT_YET.keys())
def test_anything_else_is_asked_again_later(
    settings: Settings, odd: OddFal, answer: Answer
) -> None:
    async def act(hand: Hand) -> None:
        odd.always("removal", answer)
        await delete(hand, await sent(hand))

        row = (await purge(hand))[0]
        assert (row["tries"], row["due_at"] > row["created_at"]) == (1, True)
        odd.heal("removal")

        assert await purge(hand) == []

    led(settings, act)


@pytest.mark.parametrize("kind", ["cancel", "status"])
@pytest.mark.parametrize("answer", [DROPS, says({}, 503), says({}, 401)])
def test_while_fal_is_away_nothing_is_given_up(
    settings: Settings, odd: OddFal, kind: Any, answer: Answer
) -> None:
    async def act(hand: Hand) -> None:
        odd.always(kind, answer)
        await delete(hand, await sent(hand))
        await hand.execute("UPDATE fal_purges SET created_at = now() - interval '6 days'")

        for _ in range(3):
            await purge(hand)
        odd.heal(kind)

        assert (await rows_of(hand))[0]["tries"] == 3
        assert await purge(hand) == []
        assert odd.times("removal") == 1

    led(settings, act)


def test_a_key_that_may_not_remove_anything_is_tried_once_an_hour(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        odd.always("removal", says({"detail": "admin key required"}, 403))
        await delete(hand, await sent(hand))

        row = (await purge(hand))[0]
        assert 3500 < row["due_in_s"] <= 3600
        await purge(hand)

        assert (odd.times("cancel"), odd.times("removal")) == (1, 2)

    led(settings, act)


def test_after_a_week_it_is_given_up(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        odd.always("removal", says({}, 403))
        await delete(hand, await sent(hand))
        await hand.execute("UPDATE fal_purges SET created_at = now() - interval '8 days'")

        assert await purge(hand) == []

    led(settings, act)


def test_a_worker_that_died_over_it_delays_it_by_a_minute_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(_fal: Fal, **_: object) -> None:
        raise asyncio.CancelledError

    async def act(hand: Hand) -> None:
        await delete(hand, await sent(hand))
        with monkeypatch.context() as patch:
            patch.setattr(Fal, "remove_copies", die)
            with pytest.raises(asyncio.CancelledError):
                await purge(hand)

        row = (await rows_of(hand))[0]
        assert 0.8 * CLAIM_S < row["due_in_s"] <= CLAIM_S
        assert await purge(hand) == []

    led(settings, act)


def test_an_unclear_one_is_looked_up(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        odd.once("submit", DROPS)
        await hand.advance(generation_id)

        await delete(hand, generation_id)
        row = (await rows_of(hand))[0]
        assert row["request_id"] is None
        assert row["arguments"]["prompt"]

        assert await purge(hand) == []
        assert paths(odd, "removal") == [removal_of("request-1")]
        assert odd.times("cancel") == 1

    led(settings, act)


def test_one_that_reached_fal_twice_is_removed_twice(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        odd.once("submit", DROPS)
        await hand.advance(generation_id)
        odd.submissions.append({**odd.submissions[0], "request_id": "request-2"})

        await delete(hand, generation_id)

        assert await purge(hand) == []
        assert sorted(paths(odd, "removal")) == [removal_of("request-1"), removal_of("request-2")]

    led(settings, act)


def test_one_that_never_arrived_is_looked_up_until_it_cannot_come_any_more(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        odd.once("submit", DROPS)
        odd.always("history", NEVER_SEEN)
        await hand.advance(generation_id)
        await delete(hand, generation_id)

        assert len(await purge(hand)) == 1
        await hand.execute("UPDATE fal_purges SET sent_at = now() - interval '601 seconds'")
        odd.always("history", says({}, 500))
        assert len(await purge(hand)) == 1
        odd.always("history", NEVER_SEEN)

        assert await purge(hand) == []
        assert (odd.times("cancel"), odd.times("removal")) == (0, 0)

    led(settings, act)


def test_words_are_not_kept_for_looking_up_longer_than_a_day(
    settings: Settings, odd: OddFal
) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        odd.once("submit", DROPS)
        odd.always("history", says({}, 500))
        await hand.advance(generation_id)
        await delete(hand, generation_id)
        await hand.execute("UPDATE fal_purges SET created_at = now() - interval '25 hours'")

        assert await purge(hand) == []

    led(settings, act)


def test_what_another_one_has_is_let_alone(settings: Settings, odd: OddFal) -> None:
    """Both ask for the same with the same seed, and only one of them is deleted."""

    async def act(hand: Hand) -> None:
        wanted = await sent(hand)
        unwanted = await hand.create()
        odd.once("submit", DROPS)
        odd.submissions.clear()
        await hand.advance(unwanted)
        odd.submissions[0]["request_id"] = "request-1"
        await delete(hand, unwanted)

        assert len(await purge(hand)) == 1
        assert (odd.times("cancel"), odd.times("removal")) == (0, 0)
        assert (await hand.seen(wanted))["attempts"][0]["request_id"] == "request-1"

    led(settings, act)


def test_as_long_as_nobody_can_tell_whose_it_is_it_is_let_alone(
    settings: Settings, odd: OddFal
) -> None:
    """Both were sent into the dark with the same words and seed, and only one is deleted."""

    async def act(hand: Hand) -> None:
        odd.once("submit", DROPS, DROPS)
        odd.always("history", NEVER_SEEN)
        wanted, unwanted = await hand.create(), await hand.create()
        for one in (wanted, unwanted):
            await hand.advance(one)
        odd.heal("history")
        await delete(hand, unwanted)

        assert len(await purge(hand)) == 1
        assert odd.times("cancel") == 0
        await hand.advance(wanted)
        theirs = (await hand.seen(wanted))["attempts"][0]["request_id"]

        assert await purge(hand) == []
        removed = paths(odd, "removal")
        assert len(removed) == 1
        assert removed != [removal_of(theirs)]

    led(settings, act)


def test_an_answer_that_comes_after_the_deletion_tells_what_to_cancel(
    start: Start, odd: OddFal
) -> None:
    product = start(fal_queue_url=odd.url, fal_api_url=odd.url, fal_media_hosts="localhost")
    amal = product.sign_in()
    held = holds(
        says({"request_id": "late", "response_url": "", "status_url": "", "cancel_url": ""})
    )
    odd.once("submit", held)
    odd.always("history", NEVER_SEEN)
    created = amal.create()["id"]

    with product.working():
        assert held.asked.wait(20)
        assert amal.http.delete(f"/api/generations/{created}").status_code == 204
        held.let_go()
        eventually(lambda: odd.times("removal") or None)
        eventually(lambda: not left(product) or None)

    assert {path.split("/")[-2] for path in paths(odd, "cancel")} == {"late"}
    assert set(paths(odd, "removal")) == {removal_of("late")}
    assert odd.posts() == 1


def test_one_that_is_only_cancelled_keeps_its_copies(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent(hand)
        given = [generation_id], True
        await run(hand, "fal_purges", "insert_fal_purges_of_generations", *given)

        assert await purge(hand) == []
        assert (odd.times("cancel"), odd.times("removal")) == (1, 0)

    led(settings, act)


def test_one_that_is_cancelled_and_then_deleted_loses_them(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await sent(hand)
        for keeps_payload in (True, False, True):
            given = [generation_id], keeps_payload
            await run(hand, "fal_purges", "insert_fal_purges_of_generations", *given)

        assert [row["keeps_payload"] for row in await rows_of(hand)] == [False]
        assert await purge(hand) == []
        assert odd.times("removal") == 1

    led(settings, act)


def test_one_that_is_due_again_meanwhile_is_done_again(
    settings: Settings, odd: OddFal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted while it is being cancelled: what was claimed did not know of that."""
    withdraw = Fal.withdraw

    async def act(hand: Hand) -> None:
        generation_id = await sent(hand)

        async def delete_and_withdraw(fal: Fal, **names: Any) -> None:
            await withdraw(fal, **names)
            if not (await hand.seen(generation_id))["deleted_at"]:
                await delete(hand, generation_id)

        monkeypatch.setattr(Fal, "withdraw", delete_and_withdraw)
        given = [generation_id], True
        await run(hand, "fal_purges", "insert_fal_purges_of_generations", *given)

        assert await purge(hand) == []
        assert paths(odd, "removal") == [removal_of("request-1")]

    led(settings, act)


SENDS = (
    "UPDATE attempts SET state = 'sent', sent_at = now(), endpoint = 'e', arguments = '{\"p\": 1}'"
)


def test_one_that_is_sent_at_the_very_moment_is_waited_for(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    """The test does what a worker does that is about to send."""
    created = amal.create()["id"]
    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            conn.execute(SENDS)
            deleting = pool.submit(amal.http.delete, f"/api/generations/{created}")
            eventually(lambda: _waits(product))
        assert deleting.result().status_code == 204

    assert [row["endpoint"] for row in left(product)] == ["e"]


def test_one_that_is_deleted_at_the_very_moment_is_not_sent(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    """The test deletes as an action does; a worker that has its turn is about to send."""
    created = amal.create()["id"]
    product.execute(
        "UPDATE generations SET lease_epoch = 1, lease_until = now() + interval '1 minute'"
    )
    product.execute("UPDATE attempts SET granted_at = now()")
    row = product.rows("SELECT id, (SELECT id FROM users) AS owner FROM attempts")[0]
    sending = load(QUERIES / "attempts.sql")["mark_attempt_sent"]
    given = {"id": row["id"], "generation_id": created, "epoch": 1, "endpoint": "e"}

    def send() -> int:
        with psycopg.connect(str(product.settings.database_url), autocommit=True) as other:
            cursor = psycopg.RawCursor(other)
            cursor.execute(sending.sql, sending.arguments({**given, "arguments": "{}"}))
            return cursor.rowcount

    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            cursor = psycopg.RawCursor(conn)
            queries = load(QUERIES / "generations.sql")
            cursor.execute(queries["delete_generation"].sql, [row["owner"], created, 0])
            queries = load(QUERIES / "fal_purges.sql")
            query = queries["insert_fal_purges_of_generations"]
            cursor.execute(query.sql, [[created], False])
            sent_late = pool.submit(send)
            eventually(lambda: _waits(product))
        assert sent_late.result() == 0

    assert left(product) == []
    assert product.rows("SELECT state, sent_at FROM attempts") == [
        {"state": "failed", "sent_at": None}
    ]


def _waits(product: Product) -> Json | None:
    rows = product.rows(
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        "   AND datname = current_database()"
    )
    return rows[0] if rows else None


def test_many_workers_at_once_ask_once_for_each(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        for n in range(12):
            generation_id = await hand.create(prompt=f"rocket {n}")
            await hand.execute(
                "UPDATE attempts SET state = 'accepted', endpoint = %s, sent_at = now(),"
                " request_id = %s WHERE generation_id = %s",
                *(DRAW, f"made-up-{n}", generation_id),
            )
            await delete(hand, generation_id)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(purge_at_fal(hand.resources))

        assert await rows_of(hand) == []
        assert sorted(paths(odd, "removal")) == sorted(
            removal_of(f"made-up-{n}") for n in range(12)
        )

    led(settings, act)


def test_the_simulator_is_told_and_has_nothing_left(start: Start, tmp_path: Path) -> None:
    """One that runs there and one that waits in its queue."""
    with serving(tmp_path / "simulator", speed=0.2, concurrency=1) as slow:
        product = start(fal=slow, fal_concurrency=2)
        amal = product.sign_in()
        created = [amal.create()["id"] for _ in range(2)]

        def at_fal() -> dict[str, Json]:
            return {one["state"]: one for one in product.submissions()}

        with product.working():
            eventually(lambda: at_fal().keys() >= {"IN_QUEUE", "IN_PROGRESS"} or None)
            for one in created:
                assert amal.http.delete(f"/api/generations/{one}").status_code == 204
            eventually(lambda: not left(product) or None)

        assert [
            (one["state"], one["statusCode"], one["isCancelRequested"], one["input"])
            for one in product.submissions()
        ] == [("COMPLETED", 499, True, None)] * 2


def test_a_webhook_of_a_deleted_one_tells_what_to_remove(settings: Settings, odd: OddFal) -> None:
    async def act(hand: Hand) -> None:
        generation_id = await hand.create()
        odd.once("submit", DROPS)
        odd.always("history", NEVER_SEEN)
        await hand.advance(generation_id)
        await delete(hand, generation_id)
        attempt_id = UUID((await hand.seen(generation_id))["attempts"][0]["id"])

        for _ in range(3):
            await record_delivery(
                hand.resources, attempt_id=attempt_id, request_id="request-1", said="success"
            )
        await purge(hand)

        assert paths(odd, "removal") == [removal_of("request-1")]
        assert (await hand.seen(generation_id))["deleted_at"]

    led(settings, act)
