"""A crowd that goes at once: a few in each round, and nobody trips over those who wait to go."""

import asyncio
import contextlib
import itertools
import logging
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from madar.realtime import exit as way_out
from madar.realtime import hub
from madar.realtime.exit import A_ROUND, Exit
from tests.api.test_live import change, hear, join, live
from tests.product import Product, running_web, settings_for
from tests.simulator.harness import Fal

CROWD = 60


def test_a_few_go_in_each_round_in_their_order() -> None:
    gone: list[int] = []

    async def main() -> list[int]:
        exit_ = Exit()
        for number in range(3 * A_ROUND):
            exit_.pass_through(lambda number=number: gone.append(number))
        rounds = [len(gone)]
        while rounds[-1] < 3 * A_ROUND:
            await asyncio.sleep(0)
            rounds.append(len(gone))
        exit_.pass_through(lambda: gone.append(-1))
        await _rounds(2)
        return rounds

    rounds = asyncio.run(main())

    assert [b - a for a, b in itertools.pairwise(rounds) if b > a] == [A_ROUND] * 3
    assert gone == [*range(3 * A_ROUND), -1]


def test_one_that_fails_keeps_nobody_inside() -> None:
    gone: list[int] = []
    failed: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failed.append(told))
        exit_ = Exit()
        exit_.pass_through(lambda: gone.remove(0))
        for number in range(2 * A_ROUND):
            exit_.pass_through(lambda number=number: gone.append(number))
        await _rounds(5)

    asyncio.run(main())

    assert len(failed) == 1
    assert gone == [*range(2 * A_ROUND)]


async def _rounds(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def test_who_is_on_the_way_out_is_no_trouble(
    dsn: str,
    fal: Fal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither for news nor for the end of the process."""
    monkeypatch.setattr(hub, "MAX_SOCKETS", CROWD + 1)
    monkeypatch.setattr(way_out, "A_ROUND", 0)  # nobody gets out
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        port, storage = listener.getsockname()[1], str(tmp_path / "files")
        settings = settings_for(dsn=dsn, fal=fal, port=port, storage=storage)
        web = stack.enter_context(contextlib.ExitStack())
        web.enter_context(running_web(settings, listener))
        product = Product(settings=settings, fal=fal)
        stack.enter_context(product.open)
        amal = product.sign_in()
        created = amal.create()["id"]
        crowd = [stack.enter_context(live(product, amal)) for _ in range(CROWD)]
        staying = stack.enter_context(live(product, amal))
        for one in (*crowd, staying):
            join(one, created)

        for one in crowd:
            cut(one)
        for progress in range(5, 10):
            change(product, created, progress=progress)
            assert hear(staying)["progress"] == progress
        with ThreadPoolExecutor(1) as thread:
            ending = thread.submit(web.close)
            with pytest.raises(ConnectionClosed):
                staying.recv(10)
            time.sleep(0.5)  # each is told to go; that they are not there any more has no signal
            monkeypatch.undo()
            ending.result(15)

    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


def cut(one: ClientConnection) -> None:
    no_goodbye = struct.pack("ii", 1, 0)
    one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
    one.socket.close()
