"""Idempotency-Key on POST /api/generations and POST /api/uploads/image."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madar.clients.storage import Storage
from madar.db import idempotency
from madar.db.pool import connection
from madar.resources import open_resources
from tests.api.looking import is_arabic, places_in, problem_in, written
from tests.imaging.pictures import photo, png
from tests.product import BADR, ROCKET, Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

URL, UPLOADS = "/api/generations", "/api/uploads/image"
PICTURE, OTHER = png(photo(60, 40)), png(photo(40, 60))
Start = Callable[..., Product]
Way = Literal["json", "form", "picture", "upload"]
WAYS: tuple[Way, ...] = ("json", "form", "picture", "upload")


def ask(person: Person, way: Way, key: str, *, variant: int = 0) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    fields: Json = {**ROCKET, "seed": str(variant)}
    picture = (PICTURE, OTHER)[variant]
    match way:
        case "json":
            return person.post(URL, json=fields, headers=headers)
        case "form":
            parts: Any = {name: (None, value) for name, value in fields.items()}
            return person.post(URL, files=parts, headers=headers)
        case "picture":
            fields["inputType"] = "image"
            parts = {name: (None, value) for name, value in fields.items()}
            parts["sourceImage"] = ("a.png", picture)
            return person.post(URL, files=parts, headers=headers)
        case "upload":
            return person.post(UPLOADS, files={"image": ("a.png", picture)}, headers=headers)


def many(n: int, one: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


def made(product: Product) -> dict[str, int]:
    counts = written(product)
    names = ("generations", "attempts", "procrastinate_jobs", "uploads", "idempotency_keys")
    return {name: counts[name] for name in names}


EXPECTED: dict[Way, tuple[int, int]] = {
    "json": (1, 0),
    "form": (1, 0),
    "picture": (1, 1),
    "upload": (0, 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_twenty_at_once_with_one_key_are_one(product: Product, amal: Person, way: Way) -> None:
    answers = many(20, lambda _: ask(amal, way, "one"))

    assert {answer.status_code for answer in answers} == {201}, [one.text for one in answers]
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer for answer in answers if "idempotency-replayed" in answer.headers]
    assert len(replayed) == 19
    assert {answer.headers["idempotency-replayed"] for answer in replayed} == {"true"}
    generations, uploads = EXPECTED[way]
    assert made(product) == {
        "generations": generations,
        "attempts": generations,
        "procrastinate_jobs": generations,
        "uploads": uploads,
        "idempotency_keys": 1,
    }
    assert product.rows("SELECT object_key FROM purges") == []
    if way == "upload":
        with product.anonymous() as http:
            assert http.get(answers[-1].json()["url"]).status_code == 200


@pytest.mark.parametrize("way", ["json", "picture", "upload"])
def test_twenty_at_once_at_two_processes_are_one(start: Start, way: Way) -> None:
    first, second = start(), start()
    amal = first.sign_in()
    there = Person(second.url, amal.token, amal.cookie)

    with there.http:
        _start_decoders(amal, there)
        before = made(first)
        answers = many(20, lambda n: ask(amal if n % 2 else there, way, "one"))

    assert {answer.status_code for answer in answers} == {201}, [one.text for one in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    after = made(first)
    grown = (after["generations"], after["uploads"] - before["uploads"])
    assert grown == EXPECTED[way]
    kept = {row["object_key"] for row in first.rows("SELECT object_key FROM uploads")}
    purged = {row["object_key"] for row in first.rows("SELECT object_key FROM purges")}
    files = {path.name for path in first.settings.storage_dir.rglob("*.png")}
    assert {key.partition("/")[2] for key in kept | purged if key.endswith(".png")} == files
    assert not kept & purged


def _start_decoders(*people: Person) -> None:
    """Here both processes are threads of one, and uvloop starts children in one loop at a time."""
    for person in people:
        for n in range(2):
            assert ask(person, "upload", f"{person.http.base_url} {n}").status_code == 201


def test_a_restart_forgets_nothing(start: Start) -> None:
    amal = start().sign_in()
    before = {way: ask(amal, way, way) for way in WAYS}

    restarted = start()
    again = Person(restarted.url, amal.token, amal.cookie)
    with again.http:
        after = {way: ask(again, way, way) for way in WAYS}

    for way in WAYS:
        assert after[way].status_code == 201
        assert after[way].headers["idempotency-replayed"] == "true"
        assert after[way].json()["id"] == before[way].json()["id"]
    assert made(restarted)["generations"] == 3
    upload = after["upload"].json()
    assert upload["url"].startswith(restarted.url)
    with restarted.anonymous() as http:
        assert http.get(upload["url"]).status_code == 200


@pytest.mark.parametrize("way", WAYS)
def test_another_body_under_the_same_key_is_refused(
    product: Product, amal: Person, way: Way
) -> None:
    ask(amal, way, "one")
    before = made(product)
    amal.http.headers["Accept-Language"] = "ar"

    answer = ask(amal, way, "one", variant=1)

    body = problem_in(answer, 422, "idempotency_mismatch")
    assert is_arabic(body["detail"])
    assert made(product) == before


def test_how_it_is_written_down_makes_no_difference(product: Product, amal: Person) -> None:
    upload = ask(amal, "upload", "x").json()
    storage = Storage(product.settings)
    ended = storage.sign(storage.key_in(upload["url"]) or "", life_s=-3600)
    by_url = [
        {**ROCKET, "inputType": "image", "sourceImageUrl": url} for url in (upload["url"], ended)
    ]

    first = ask(amal, "json", "one")
    as_form = ask(amal, "form", "one")
    answers = [amal.post(URL, json=one, headers={"Idempotency-Key": "two"}) for one in by_url]

    assert as_form.content == first.content
    assert answers[0].content == answers[1].content
    assert made(product)["generations"] == 2


def test_a_key_belongs_to_its_person_and_its_route(amal: Person, badr: Person) -> None:
    answers = [ask(person, way, "one") for person in (amal, badr) for way in ("json", "upload")]

    assert [one.status_code for one in answers] == [201] * 4
    assert not any("idempotency-replayed" in one.headers for one in answers)
    assert len({one.json()["id"] for one in answers}) == 4


def test_what_was_refused_may_be_corrected_under_its_key(product: Product, amal: Person) -> None:
    headers = {"Idempotency-Key": "one"}

    refused = amal.post(URL, json={**ROCKET, "style": "oil"}, headers=headers)
    corrected = amal.post(URL, json=ROCKET, headers=headers)

    problem_in(refused, 422, "style_unknown")
    assert corrected.status_code == 201
    assert made(product)["generations"] == 1


def test_replays_count_for_no_limit_and_no_quota(start: Start) -> None:
    product = start(rate_limit_generations="2/1h", quota_generations="2/1d")
    amal = product.sign_in()
    first = ask(amal, "json", "one")

    replays = [ask(amal, "json", "one") for _ in range(5)]
    second = ask(amal, "json", "two")
    refused = ask(amal, "json", "three")
    still = [ask(amal, "json", key) for key in ("one", "two")]

    assert {one.content for one in replays} == {first.content}
    assert second.status_code == 201
    problem_in(refused, 429, "rate_limited")
    assert [one.content for one in still] == [first.content, second.content]
    assert "generations" not in still[0].headers["ratelimit-policy"]


@pytest.mark.alone
def test_a_replay_comes_even_after_what_it_told_of_is_gone(product: Product, amal: Person) -> None:
    first = ask(amal, "json", "one")
    amal.http.delete(f"{URL}/{first.json()['id']}")
    product.execute("UPDATE generation_styles SET is_active = false")

    assert ask(amal, "json", "one").content == first.content


def test_who_waits_too_long_for_the_first_is_told_so(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    """The first one is in another process, and is not done."""
    with conn.transaction():
        _claim(conn, "generations")
        _claim(conn, "uploads")

        answers = many(4, lambda n: ask(amal, ("json", "upload")[n % 2], "one"))
        conn.execute("ROLLBACK")

    for answer in answers:
        problem_in(answer, 409, "idempotency_in_flight")
        assert answer.headers["retry-after"] == "1"
    assert made(product)["generations"] == made(product)["uploads"] == 0
    assert ask(amal, "json", "one").status_code == 201


def test_who_waits_for_the_first_in_another_process_is_answered_alike(
    amal: Person, conn: psycopg.Connection[Any]
) -> None:
    first = ask(amal, "json", "first")

    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            conn.execute(
                "INSERT INTO idempotency_keys (user_id, route, key, body_hash, response)"
                " SELECT user_id, route, 'one', body_hash, response FROM idempotency_keys"
            )
            waiting = pool.submit(ask, amal, "json", "one")
            eventually(lambda: _somebody_waits(conn))
        answer = waiting.result()

    assert answer.content == first.content
    assert answer.headers["idempotency-replayed"] == "true"


def _claim(conn: psycopg.Connection[Any], route: str) -> None:
    conn.execute(
        "INSERT INTO idempotency_keys (user_id, route, key, body_hash, response)"
        " SELECT id, %s, 'one', '', 'null' FROM users",
        [route],
    )


def _somebody_waits(conn: psycopg.Connection[Any]) -> bool | None:
    waiting = conn.execute(
        "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    ).fetchone()
    return waiting is not None or None


def test_keys_are_kept_for_a_day(product: Product, amal: Person) -> None:
    first = ask(amal, "json", "one")

    def after(hours: int) -> httpx.Response:
        product.execute(f"UPDATE idempotency_keys SET created_at = now() - interval '{hours} h'")
        asyncio.run(_tidy(product))
        return ask(amal, "json", "one")

    assert after(23).content == first.content
    assert after(25).json()["id"] != first.json()["id"]


async def _tidy(product: Product) -> None:
    async with open_resources(product.settings) as resources, connection(resources.pool) as conn:
        await idempotency.delete_old_idempotency_keys(conn)


BAD_KEYS: dict[str, list[bytes]] = {
    "empty": [b""],
    "too long": [b"x" * 256],
    "not ASCII": ["مفتاح".encode()],
    "Latin-1": [b"caf\xe9"],
    "a tab inside": [b"a\tb"],
    "repeated": [b"a", b"a"],
    "repeated and different": [b"a", b"b"],
}


def test_a_key_that_is_none_is_refused(product: Product, amal: Person) -> None:
    for name, keys in BAD_KEYS.items():
        headers = [(b"Idempotency-Key", key) for key in keys]
        for answer in (
            amal.post(URL, json=ROCKET, headers=headers),
            amal.post(UPLOADS, files={"image": PICTURE}, headers=headers),
        ):
            body = problem_in(answer, 422, "idempotency_key_invalid")
            assert places_in(body) == [("", "idempotency_key_invalid")], name
    assert set(made(product).values()) == {0}


def test_any_printable_key_is_one(product: Product, amal: Person) -> None:
    keys = ["a", "x" * 255, "'; DROP TABLE users; --", '"quoted" {}%s$1\\', "a b"]

    for key in keys:
        assert ask(amal, "json", key).content == ask(amal, "json", key).content
    assert made(product)["generations"] == len(keys)


@dataclass(frozen=True)
class Asked:
    who: int
    way: Way
    key: int
    variant: int


ASKED = st.builds(
    Asked,
    who=st.integers(0, 1),
    way=st.sampled_from(("json", "form", "upload")),
    key=st.integers(0, 2),
    variant=st.integers(0, 1),
)
_examples = itertools.count()


@given(waves=st.lists(st.lists(ASKED, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_requests_overtake_each_other_each_key_makes_one_thing(
    product: Product, people: tuple[Person, Person], waves: list[list[Asked]]
) -> None:
    """Each wave is sent at once, by two people."""
    example = next(_examples)
    before = made(product)
    outcomes: dict[tuple[int, str, int], list[tuple[int, httpx.Response]]] = defaultdict(list)

    def send(asked: Asked) -> httpx.Response:
        key = f"{example}-{asked.key}"
        return ask(people[asked.who], asked.way, key, variant=asked.variant)

    for wave in waves:
        with ThreadPoolExecutor(len(wave)) as pool:
            answers = list(pool.map(send, wave))
        for asked, answer in zip(wave, answers, strict=True):
            route = "uploads" if asked.way == "upload" else "generations"
            outcomes[asked.who, route, asked.key].append((asked.variant, answer))

    for told in outcomes.values():
        good = [(variant, one.json()["id"]) for variant, one in told if one.is_success]
        assert len(set(good)) == 1, "one body was taken, and it made one thing"
        fresh = [one for _, one in told if one.is_success and not one.headers.get(REPLAYED)]
        assert len(fresh) == 1
        for variant, one in told:
            if not one.is_success:
                assert variant != good[0][0]
                problem_in(one, 422, "idempotency_mismatch")
    counts = {name: n - before[name] for name, n in made(product).items()}
    routes = [route for _, route, _ in outcomes]
    assert counts["generations"] == counts["attempts"] == routes.count("generations")
    assert counts["uploads"] == routes.count("uploads")
    assert counts["idempotency_keys"] == len(outcomes)


REPLAYED = "idempotency-replayed"


@pytest.fixture
def people(product: Product) -> tuple[Person, Person]:
    return product.sign_in(), product.sign_in(BADR)
