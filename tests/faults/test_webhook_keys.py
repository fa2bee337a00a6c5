"""Fal's keys: slow, away, odd, rotated, old; and whoever would make us ask for them all day."""

import random
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import pytest

from madar.clients import fal_keys
from tests.conftest import Start
from tests.faults.forgeries import Delivery, Line, Target, right, target_of
from tests.faults.key_server import FalKey, KeyServer, serving_keys
from tests.product import Product
from tests.simulator.harness import eventually

AT_ONCE = 40


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A web process without any keys yet; what is sent to it is news, which needs no row."""

    product: Product
    keys: KeyServer
    target: Target
    pool: ThreadPoolExecutor

    def send(self, **changes: object) -> int:
        return self.start(**changes).result()

    def start(self, **changes: object) -> Future[int]:
        made = right(random.Random(), self.target, status="IN_PROGRESS", **changes)
        return self.pool.submit(self._send, made)

    def many(self, **changes: object) -> list[int]:
        return [one.result() for one in [self.start(**changes) for _ in range(AT_ONCE)]]

    def _send(self, made: Delivery) -> int:
        line = Line(self.product.settings.port)
        try:
            return line.send(made)[0]
        finally:
            line.close()


@pytest.fixture
def scene(start: Start) -> Generator[Scene]:
    with serving_keys() as keys, ThreadPoolExecutor(AT_ONCE) as pool:
        product = start(fal_jwks_url=keys.url)
        target = target_of(product, keys.keys[0], str(uuid4()), str(uuid4()))
        yield Scene(product=product, keys=keys, target=target, pool=pool)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on a minute is over at once."""
    return lambda: monkeypatch.setattr(fal_keys, "REFETCH_S", 0)


def stranger() -> FalKey:
    return FalKey()


def test_many_first_deliveries_at_once_fetch_the_keys_once(scene: Scene) -> None:
    assert scene.many() == [200] * AT_ONCE
    assert scene.keys.times == 1


def test_a_flood_of_forgeries_fetches_the_keys_once(scene: Scene) -> None:
    """With a token, an account and a time that are right, so that only the signature is wrong."""
    assert scene.many(key=stranger()) == [401] * AT_ONCE
    assert scene.many(key=stranger()) == [401] * AT_ONCE
    assert scene.keys.times == 1


def test_whoever_needs_no_newer_keys_waits_for_none(scene: Scene, soon: Callable[[], None]) -> None:
    assert scene.send() == 200
    scene.keys.hold()
    soon()
    asked = scene.keys.times

    forged = [scene.start(key=stranger()) for _ in range(5)]
    eventually(lambda: scene.keys.times > asked or None)
    right_ones = [scene.send() for _ in range(5)]
    scene.keys.let_go()

    assert right_ones == [200] * 5
    assert [one.result() for one in forged] == [401] * 5


def test_slow_keys_keep_nobody_waiting_for_long(scene: Scene) -> None:
    """They are there for the next delivery; Fal sends this one again."""
    scene.keys.hold()

    early = scene.many()
    scene.keys.let_go()

    assert early == [503] * AT_ONCE
    assert eventually(lambda: scene.send() == 200 or None)
    assert scene.keys.times == 1


@pytest.mark.parametrize(
    ("status", "instead"),
    [
        (500, b"oops"),
        (302, b""),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": {}}'),
        (200, b'{"keys": "x"}'),
        (200, b'{"keys": [null, 1, {}, {"x": 5}, {"x": "%%%"}, {"x": "AAAA"}]}'),
        (200, b'{"keys": [{"kty": "RSA", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}'),
        (200, b"[" * 60_000),
        (200, b'{"keys": [' + b" " * 70_000 + b"]}"),
    ],
)
def test_without_any_usable_key_fal_is_asked_to_come_again(
    scene: Scene, status: int, instead: bytes
) -> None:
    scene.keys.status, scene.keys.instead = status, instead

    assert [scene.send(), scene.send(), scene.send(key=stranger())] == [503] * 3
    assert scene.keys.times == 1


def test_keys_that_were_there_serve_on_while_no_newer_ones_come(
    scene: Scene, soon: Callable[[], None]
) -> None:
    assert scene.send() == 200
    scene.keys.status = 500
    soon()

    assert [scene.send(key=stranger()), scene.send()] == [401, 200]
    assert scene.keys.times == 2


def test_a_rotated_key_is_fetched_when_it_is_seen(scene: Scene, soon: Callable[[], None]) -> None:
    assert scene.send() == 200
    rotated = FalKey()
    scene.keys.keys.append(rotated)

    early = scene.send(key=rotated)
    soon()
    later = scene.send(key=rotated)

    assert (early, later) == (401, 200)
    assert scene.send() == 200
    assert scene.keys.times == 2


def test_a_key_that_is_taken_back_is_refused_from_the_next_set_on(
    scene: Scene, soon: Callable[[], None]
) -> None:
    assert scene.send() == 200
    old = scene.keys.keys.pop()
    scene.keys.keys.append(FalKey())
    soon()

    assert scene.send(key=scene.keys.keys[0]) == 200
    assert scene.send(key=old) == 401


def test_an_ageing_set_is_renewed_while_it_serves(
    scene: Scene, soon: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scene.send() == 200
    scene.keys.hold()
    soon()
    monkeypatch.setattr(fal_keys, "FRESH_S", 0)

    assert scene.send() == 200
    eventually(lambda: scene.keys.times == 2 or None)
    scene.keys.let_go()


def test_a_set_of_yesterday_is_no_set(
    scene: Scene, soon: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scene.send() == 200
    scene.keys.status = 500
    soon()
    monkeypatch.setattr(fal_keys, "LIFE_S", 0)

    assert scene.send() == 503


def test_one_usable_key_among_odd_ones_is_enough(scene: Scene) -> None:
    scene.keys.keys = [FalKey(), scene.keys.keys[0], FalKey()]
    whole = scene.keys.document()
    scene.keys.instead = whole.replace(b'{"keys": [', b'{"keys": [null, {"x": "="}, ')

    assert scene.send() == 200
