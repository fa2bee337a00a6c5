"""Whatever a person sees of a picture changes with a bell: each action rings, with its version."""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest

from tests.api.looking import finish
from tests.conftest import Start
from tests.product import Person, Product

WAIT_S = 15


@pytest.fixture
def product(start: Start) -> Product:
    return start(trash_days=30)


@pytest.fixture
def listening(dsn: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("LISTEN madar_generations")
        yield conn


def rung(listening: psycopg.Connection[Any], n: int = 1) -> dict[str, int]:
    """The next n: which picture, in which version."""
    notices = listening.notifies(timeout=WAIT_S, stop_after=n)
    words = [notice.payload.split() for notice in notices]
    assert {len(one) for one in words} == {3}
    return {one[0]: int(one[1]) for one in words}


def finished(product: Product, amal: Person, listening: psycopg.Connection[Any]) -> str:
    created: str = amal.create()["id"]
    rung(listening)
    finish(product, created)
    return created


def test_making_and_ending_one_rings(
    product: Product, amal: Person, listening: psycopg.Connection[Any]
) -> None:
    created = amal.create()["id"]
    assert rung(listening) == {created: 1}
    assert amal.post(f"/api/generations/{created}/cancel").status_code == 200
    assert rung(listening) == {created: 2}

    again = amal.post(f"/api/generations/{created}/retry").json()["id"]
    assert rung(listening) == {again: 1}
    with product.working():
        amal.finished(again)
        heard = [rung(listening)[again]]
        while heard[-1] < amal.status(again)["version"]:
            heard.append(rung(listening)[again])
    assert heard == sorted(heard)


def test_throwing_away_and_bringing_back_rings_with_a_newer_version(
    product: Product, amal: Person, listening: psycopg.Connection[Any]
) -> None:
    first, second, third = (finished(product, amal, listening) for _ in range(3))
    url = f"/api/generations/{first}"
    before: int = amal.get(url).json()["version"]

    assert amal.http.delete(url).status_code == 204
    assert rung(listening) == {first: before + 1}
    assert amal.post(f"{url}/restore").status_code == 200
    assert rung(listening) == {first: before + 2}
    assert amal.http.delete(url).status_code == 204
    assert rung(listening) == {first: before + 3}
    assert amal.http.delete(f"/api/trash/{first}").status_code == 204
    assert rung(listening) == {first: before + 4}

    for one in (second, third):
        amal.http.delete(f"/api/generations/{one}")
        rung(listening)
    assert amal.http.delete("/api/trash").status_code == 204
    assert rung(listening, n=2).keys() == {second, third}


def test_liking_one_rings_nothing(amal: Person, listening: psycopg.Connection[Any]) -> None:
    created = amal.create()["id"]
    rung(listening)

    amal.http.patch(f"/api/generations/{created}", json={"isLiked": True})

    other = amal.create()["id"]
    assert rung(listening) == {other: 1}
