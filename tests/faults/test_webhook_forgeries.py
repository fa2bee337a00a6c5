"""A thousand deliveries that are not Fal's, not whole, not of now or not for us."""

import random
from collections.abc import Generator

import pytest

from tests.conftest import Start
from tests.faults.forgeries import (
    FAMILIES,
    Forgery,
    Line,
    forgeries,
    right,
    send_all,
    state_of,
    target_in,
)
from tests.faults.key_server import KeyServer, serving_keys

COUNT = 1_000


@pytest.fixture
def keys() -> Generator[KeyServer]:
    with serving_keys() as keys:
        yield keys


def test_all_are_refused_and_change_nothing(start: Start, keys: KeyServer) -> None:
    product = start(fal_jwks_url=keys.url)
    target = target_in(product, keys.keys[0])
    before = state_of(product)

    outcome = send_all(product.settings.port, list(forgeries(target, count=COUNT, seed=7)))

    assert outcome.wrong == []
    assert outcome.answers.total() == COUNT
    assert {name for name, _ in outcome.answers} == set(FAMILIES)
    assert state_of(product) == before
    assert keys.times == 1 or keys.shortest_pause_s >= 60


def test_the_same_delivery_unspoilt_is_taken(start: Start, keys: KeyServer) -> None:
    """Else all of the above might be refused for a reason of the test's own."""
    product = start(fal_jwks_url=keys.url)
    target = target_in(product, keys.keys[0])
    before = state_of(product)
    rng = random.Random(7)
    line = Line(product.settings.port)

    news = line.send(right(rng, target, status="IN_PROGRESS"))
    unchanged = state_of(product)
    end = line.send(right(rng, target, status="OK"))
    line.close()

    assert [news[0], end[0]] == [200, 200]
    assert unchanged == before
    changed = {name for name, made in state_of(product).items() if made != before[name]}
    assert {"attempts", "generations", "procrastinate_jobs"} <= changed


def test_a_refusal_says_nothing_of_its_reason(start: Start, keys: KeyServer) -> None:
    product = start(fal_jwks_url=keys.url)
    target = target_in(product, keys.keys[0])
    line = Line(product.settings.port)

    refused: dict[str, tuple[set[str], str]] = {}
    for made in forgeries(target, count=3 * len(FAMILIES), seed=8):
        status, headers, body = line.send(made.delivery)
        if status == 401:
            told = body.decode().replace(headers["x-request-id"], "")
            refused[_name(made)] = ({name.lower() for name in headers}, told)
    line.close()

    assert len(refused) > len(FAMILIES) - 5
    first = next(iter(refused.values()))
    assert {name: told for name, told in refused.items() if told != first} == {}


def _name(made: Forgery) -> str:
    return f"{made.family} {made.delivery.body[:20]!r}"
