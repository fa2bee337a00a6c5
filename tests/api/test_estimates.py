"""Who is next in the line for a turn at Fal, and when a picture is to be done."""

import asyncio
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from madar.actions import waiting
from madar.actions.turns import give_turns
from madar.actions.waiting import renumber
from madar.db.pool import connection
from madar.resources import Resources, open_resources
from tests.api.looking import finish
from tests.conftest import Start
from tests.faults.odd_fal import RUNS, misbehaving
from tests.product import BADR, Json, Person, Product
from tests.simulator.harness import eventually


def measured(product: Product, *, typical: float = 30, draw: float = 10, cutout: float = 4) -> None:
    product.execute(
        "UPDATE generation_styles SET typical_seconds = %s, step_seconds = %s",
        *(typical, json.dumps({"draw": draw, "cutout": cutout})),
    )


def into_line(product: Product, generation_ids: Iterable[str], *, step: str = "draw") -> None:
    for one in generation_ids:
        product.execute(
            "WITH g AS (UPDATE generations SET step = %s, state = CASE %s WHEN 'draw' THEN state"
            " ELSE 'processing' END WHERE id = %s)"
            " UPDATE attempts SET waiting_since = clock_timestamp(), step = %s"
            " WHERE generation_id = %s",
            *(step, step, one, step, one),
        )


def to_fal(product: Product, generation_id: str, *, state: str = "sent", ago_s: float = 0) -> None:
    product.execute(
        "UPDATE attempts SET state = %s, request_id = generation_id::text,"
        " waiting_since = now() - make_interval(secs => %s),"
        " granted_at = now() - make_interval(secs => %s), sent_at = now()"
        " WHERE generation_id = %s",
        *(state, ago_s, ago_s, generation_id),
    )


def close_gate(product: Product) -> None:
    product.execute("UPDATE fal_gate SET failing_since = now(), reason = 'unreachable'")


def renumbered(product: Product) -> None:
    async def main() -> None:
        async with open_resources(product.settings) as resources:
            await renumber(resources)

    asyncio.run(main())


def seen(person: Person, generation_id: str) -> tuple[int | None, float | None]:
    """Number in the line, and seconds until it is done."""
    shown = person.status(generation_id)
    return shown.get("queuePosition"), shown.get("estimatedTimeSeconds")


def numbers(product: Product) -> dict[str, int | None]:
    rows = product.rows("SELECT id::text, queue_position FROM generations")
    return {row["id"]: row["queue_position"] for row in rows}


def about(value: float | None, expected: float) -> bool:
    """Some seconds pass while the test asks, and an estimate counts down meanwhile."""
    return value is not None and expected - 8 <= value <= expected


def test_without_experience_nothing_is_promised(product: Product, amal: Person) -> None:
    created = amal.create()
    into_line(product, [created["id"]])
    renumbered(product)

    assert "estimatedTimeSeconds" not in created
    assert seen(amal, created["id"]) == (1, None)


def test_with_a_free_place_it_takes_what_the_style_takes(product: Product, amal: Person) -> None:
    measured(product)

    created = amal.create()

    assert created["estimatedTimeSeconds"] == 30
    assert about(seen(amal, created["id"])[1], 30)


def test_all_places_taken_it_waits_for_what_is_ahead(
    product: Product, amal: Person, badr: Person
) -> None:
    """Two places, two running since 4 s, two of somebody else waiting."""
    measured(product)
    running = [badr.create()["id"] for _ in range(2)]
    others = [product.sign_in(f"w{n}@madar.test").create()["id"] for n in range(2)]
    for one in running:
        to_fal(product, one, ago_s=4)
    into_line(product, others)

    created = amal.create()

    # 2 x 6 s are left at Fal, and 2 x (10 + 4) s wait before it; two at a time.
    assert about(created["estimatedTimeSeconds"], (2 * 6 + 2 * 14) / 2 + 30)


def test_somebodys_fifty_delay_somebody_elses_one_by_one_place(
    product: Product, amal: Person, badr: Person
) -> None:
    measured(product)
    product.execute("UPDATE fal_gate SET places = 1")
    first = badr.create()["id"]
    to_fal(product, first)
    into_line(product, [badr.create()["id"] for _ in range(50)])

    created = amal.create()
    into_line(product, [created["id"]])
    renumbered(product)

    assert about(created["estimatedTimeSeconds"], 10 + 30)
    assert seen(amal, created["id"])[0] == 1
    assert badr.create()["estimatedTimeSeconds"] > 50 * 14


def test_while_fal_fails_nothing_is_promised(product: Product, amal: Person) -> None:
    measured(product)
    before = amal.create()["id"]
    into_line(product, [before])
    close_gate(product)

    created = amal.create()
    renumbered(product)

    assert "estimatedTimeSeconds" not in created
    assert seen(amal, before) == (1, None)
    product.execute("UPDATE fal_gate SET failing_since = NULL, reason = NULL")
    renumbered(product)
    assert about(seen(amal, before)[1], 30)


def test_the_first_promise_stays_known(product: Product, amal: Person) -> None:
    measured(product)
    created = amal.create()["id"]
    promised = product.rows("SELECT promised_at FROM generations")
    product.execute("UPDATE generations SET expected_at = now() + interval '1 day'")
    into_line(product, [created])

    renumbered(product)

    assert product.rows("SELECT promised_at FROM generations") == promised
    assert about(seen(amal, created)[1], 30)


def test_at_fal_it_is_to_be_done_when_such_steps_usually_are(
    product: Product, amal: Person
) -> None:
    """30 s in all: 10 to draw, 4 to cut out, 16 for everything else."""
    measured(product)
    drawing, accepted, cutting = (amal.create()["id"] for _ in range(3))
    into_line(product, [cutting], step="cutout")
    to_fal(product, drawing, ago_s=5)
    to_fal(product, accepted, state="accepted", ago_s=5)
    to_fal(product, cutting, ago_s=1)
    product.execute("UPDATE generations SET queue_position = 7, expected_at = NULL")

    renumbered(product)

    assert numbers(product) == {drawing: None, accepted: 7, cutting: 7}
    assert about(seen(amal, drawing)[1], 25)
    assert about(seen(amal, accepted)[1], 25)
    position, left = seen(amal, cutting)
    assert position is None, "what is being made has no number"
    assert about(left, 19)


def test_past_its_time_nothing_is_invented(product: Product, amal: Person) -> None:
    measured(product)
    late = amal.create()["id"]
    to_fal(product, late, ago_s=300)

    renumbered(product)

    assert seen(amal, late) == (None, None)


def test_a_number_that_stays_is_no_news(product: Product, amal: Person) -> None:
    measured(product)
    created = [amal.create()["id"] for _ in range(3)]
    into_line(product, created)
    renumbered(product)
    before = product.rows("SELECT id, version, updated_at FROM generations ORDER BY id")

    renumbered(product)

    assert product.rows("SELECT id, version, updated_at FROM generations ORDER BY id") == before
    assert [seen(amal, one)[0] for one in created] == [1, 2, 3]
    assert amal.post(f"/api/generations/{created[0]}/cancel").status_code == 200
    renumbered(product)
    assert [seen(amal, one)[0] for one in created] == [None, 1, 2]
    assert {one["version"] for one in (amal.status(one) for one in created[1:])} == {3}


def test_who_watches_hears_of_every_step_forward(product: Product, amal: Person) -> None:
    measured(product)
    created = [amal.create()["id"] for _ in range(3)]
    into_line(product, created)
    renumbered(product)
    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        socket.send(json.dumps({"type": "join:generation", "generationId": created[2]}))
        joined: Json = json.loads(socket.recv(timeout=15))
        to_fal(product, created[0])

        renumbered(product)
        event: Json = json.loads(socket.recv(timeout=15))

    assert joined["snapshot"]["queuePosition"] == 3
    assert event["type"] == "generation:progress"
    assert (event["queuePosition"], event["version"]) == (2, joined["version"] + 1)
    assert about(event["estimatedTimeRemaining"], (10 + 14) / 2 + 30)


def test_only_so_many_are_told_their_number(
    product: Product, amal: Person, badr: Person, monkeypatch: Any
) -> None:
    monkeypatch.setattr(waiting, "TOLD", 2)
    created = [amal.create()["id"] for _ in range(3)]
    into_line(product, created)
    renumbered(product)
    first = [seen(amal, one)[0] for one in created]
    into_line(product, [badr.create()["id"]])

    renumbered(product)

    assert first == [1, 2, None]
    assert [seen(amal, one)[0] for one in created] == [1, None, None]


def test_numbers_are_the_order_in_which_turns_are_given(product: Product) -> None:
    """For lines of every kind: whoever is first gets the next turn, until nobody is left."""
    chance = random.Random(4)
    people = [product.sign_in(f"p{n}@madar.test") for n in range(4)]
    created: list[str] = []
    for person in people:
        created += [person.create()["id"] for _ in range(chance.randint(1, 6))]
    chance.shuffle(created)
    for one in created[:2]:
        to_fal(product, one, state=chance.choice(["sent", "accepted"]))
    for one in created[2:]:
        into_line(product, [one], step=chance.choice(["draw", "draw", "cutout"]))

    given = asyncio.run(_give_one_by_one(product, at_fal=2))

    assert len(given) == len(created) - 2
    assert all(first == chosen for first, chosen in given)


async def _give_one_by_one(product: Product, *, at_fal: int) -> Sequence[tuple[UUID, UUID]]:
    """Who was first in the line, and who got the turn."""
    given: list[tuple[UUID, UUID]] = []
    async with open_resources(product.settings) as resources:
        while first := await _first(resources):
            places = {"fal_concurrency": at_fal + len(given) + 1}
            settings = resources.settings.model_copy(update=places)
            [chosen] = await give_turns(replace(resources, settings=settings))
            given.append((first, chosen))
    return given


async def _first(resources: Resources) -> UUID | None:
    async with connection(resources.pool) as conn:
        cursor = await conn.execute("SELECT generation_id FROM fal_line ORDER BY place LIMIT 1")
        row = await cursor.fetchone()
    return row[0] if row else None


def test_turns_go_round_and_what_was_begun_is_finished(
    product: Product, amal: Person, badr: Person
) -> None:
    """One place at Fal. Amal has five in the line when Badr asks for one."""
    dana = product.sign_in("dana@madar.test")
    names = {person: name for name, person in (("amal", amal), ("badr", badr), ("dana", dana))}
    owners: dict[str, str] = {}

    def ask(person: Person, n: int) -> None:
        for _ in range(n):
            created = person.create()["id"]
            owners[created] = names[person]
            into_line(product, [created])

    ask(amal, 5)
    first = asyncio.run(_turns(product, 1))
    ask(badr, 1)
    second = asyncio.run(_turns(product, 4))
    ask(dana, 2)
    rest = asyncio.run(_turns(product, 8))

    given = [[owners[one] for one in turns] for turns in (first, second, rest)]
    assert given[0] == ["amal"]
    assert given[1] == ["amal", "badr", "badr", "amal"]
    assert given[2] == ["amal", *["dana"] * 2, *["amal"] * 2, *["dana"] * 2, "amal"]


async def _turns(product: Product, n: int) -> list[str]:
    """The generations that the next turns at the only place are for; each is used at once."""
    given: list[str] = []
    async with open_resources(product.settings) as resources:
        settings = resources.settings.model_copy(update={"fal_concurrency": 1})
        for _ in range(n):
            [chosen] = await give_turns(replace(resources, settings=settings))
            given.append(str(chosen))
            use_turn(product, str(chosen))
    return given


def use_turn(product: Product, generation_id: str) -> None:
    """Drawn: into the line to be cut out. Cut out: completed."""
    [attempt] = product.rows(
        "UPDATE attempts SET state = 'succeeded' WHERE generation_id = %s"
        " AND granted_at IS NOT NULL AND state = 'prepared' RETURNING step",
        generation_id,
    )
    if attempt["step"] == "cutout":
        finish(product, generation_id)
        return
    product.execute(
        "INSERT INTO attempts (id, generation_id, n, step, seed, waiting_since)"
        " VALUES (gen_random_uuid(), %s, 2, 'cutout', 1, clock_timestamp())",
        generation_id,
    )


def test_waiting_is_no_part_of_what_a_style_takes(product: Product, amal: Person) -> None:
    """Each took 100 s, 60 of them in the line; 20 and 5 at Fal."""
    for _ in range(3):
        one = amal.create()["id"]
        finish(product, one)
        product.execute(
            "UPDATE generations SET created_at = completed_at - interval '100 s' WHERE id = %s", one
        )
        product.execute(
            "UPDATE attempts SET state = 'succeeded', waiting_since = now() - interval '90 s',"
            " granted_at = now() - interval '40 s', resolved_at = now() - interval '20 s'"
            " WHERE generation_id = %s",
            one,
        )
        product.execute(
            "INSERT INTO attempts (id, generation_id, n, step, state, seed, waiting_since,"
            " granted_at, resolved_at)"
            " VALUES (gen_random_uuid(), %s, 2, 'cutout', 'succeeded', 1,"
            " now() - interval '20 s', now() - interval '10 s', now() - interval '5 s')",
            one,
        )
    with product.working():
        amal.finished(amal.create()["id"])

    [style] = product.rows(
        "SELECT typical_seconds, step_seconds FROM generation_styles WHERE id = 'voxel-3d'"
    )

    assert 30 <= style["typical_seconds"] <= 40
    assert 15 <= style["step_seconds"]["draw"] <= 20
    assert 2 <= style["step_seconds"]["cutout"] <= 5


def test_in_the_running_product_numbers_count_down(start: Start) -> None:
    with misbehaving() as fal:
        addresses = {"fal_queue_url": fal.url, "fal_api_url": fal.url}
        product = start(**addresses, fal_media_hosts="localhost", fal_concurrency=2)
        amal, badr = product.sign_in(), product.sign_in(BADR)
        measured(product)
        fal.always("status", RUNS)

        with product.working():
            running = [amal.create()["id"] for _ in range(2)]
            eventually(lambda: fal.posts() == 2 or None)
            waits = [badr.create()["id"], amal.create()["id"]]
            eventually(lambda: _told(product, waits) == [1, 2] or None)
            assert amal.post(f"/api/generations/{running[0]}/cancel").status_code == 200
            eventually(lambda: _told(product, waits) == [None, 1] or None)
            fal.heal("status")
            for person, one in ((badr, waits[0]), (amal, waits[1]), (amal, running[1])):
                assert person.finished(one)["status"] == "completed"


def _told(product: Product, generation_ids: list[str]) -> list[int | None]:
    told = numbers(product)
    return [told[one] for one in generation_ids]
