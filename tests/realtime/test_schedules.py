"""Whoever was away at any moment, by any door, knows what somebody who stayed knows."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any
from uuid import UUID, uuid4

import pytest

from madar.local import postgres
from tests.product import Json, Person
from tests.realtime.lines import EventStream, Line, Native, SocketIo
from tests.realtime.schedules import play_some
from tests.realtime.worlds import NEVER_S, Ground, standing
from tests.simulator.harness import Fal

COUNT = 10  # of each kind
WAIT_S = 15

Open = Callable[[str, str], Awaitable[Line]]


async def by_polling(url: str, token: str) -> Line:
    return await SocketIo.open(url, token, polls=True)


DOORS: dict[str, Open] = {
    "ws": Native.open,
    "socketio": SocketIo.open,
    "socketio, polling": by_polling,
}


@pytest.fixture(scope="module")
def ground(
    postgres_server: postgres.Server, shared_fal: Fal, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Ground]:
    """One for the whole file: it takes longer to stand than a schedule to be played."""
    dsn = postgres_server.create_database("schedules", template="template_madar")
    with standing(dsn, shared_fal, tmp_path_factory.mktemp("files")) as ground:
        yield ground


def test_after_any_schedule_of_changes_and_cuts_everybody_knows_everything(ground: Ground) -> None:
    play_some(ground, count=COUNT, loses=False)


def test_lost_bells_and_a_lost_database_change_nothing_about_it(ground: Ground) -> None:
    play_some(ground, count=COUNT, loses=True)


# Two processes


async def _heard(line: Line, wanted: str) -> Json:
    async with asyncio.timeout(WAIT_S):
        while (message := await line.next())["type"] != wanted:
            pass
    return message


async def _told_across(ground: Ground, open_line: Callable[[str, UUID], Awaitable[Line]]) -> None:
    """What is done at one process is told at the other, in both directions."""
    for here, there in (ground.products, ground.products[::-1]):
        amal = here.sign_in()
        created = amal.create()["id"]
        line = await open_line(there.url, UUID(created))
        try:
            await _heard(line, "joined")
            amal.post(f"/api/generations/{created}/cancel")
            failed = await _heard(line, "generation:failed")
        finally:
            await line.abort()
        assert (failed["generationId"], failed["errorCode"]) == (created, "cancelled")


@pytest.mark.parametrize("door", DOORS)
def test_what_happens_at_one_process_is_heard_at_the_other(ground: Ground, door: str) -> None:
    async def joined(url: str, generation_id: UUID) -> Line:
        line = await DOORS[door](url, ground.amal.token)
        await line.ask("join:generation", generationId=generation_id)
        return line

    ground.reread(NEVER_S)
    asyncio.run(_told_across(ground, joined))


def test_an_event_stream_hears_of_the_other_process_too(ground: Ground) -> None:
    async def opened(url: str, generation_id: UUID) -> Line:
        return await EventStream.open(url, ground.amal.token, generation_id, "")

    ground.reread(NEVER_S)
    asyncio.run(_told_across(ground, opened))


# Refusals


def not_theirs(ground: Ground) -> dict[str, str]:
    """For Badr: a foreign one, one of his that is deleted, one that was, and none at all."""
    deleted, forgotten = (ground.badr.create()["id"] for _ in range(2))
    for one in (deleted, forgotten):
        ground.badr.http.delete(f"/api/generations/{one}")
    ground.products[0].execute("DELETE FROM generations WHERE id = %s", forgotten)
    foreign = ground.amal.create()["id"]
    random = str(uuid4())
    return {"foreign": foreign, "deleted": deleted, "forgotten": forgotten, "random": random}


@pytest.mark.parametrize("door", DOORS)
def test_what_is_not_theirs_is_refused_alike(ground: Ground, door: str) -> None:
    async def refused() -> dict[str, Json]:
        line = await DOORS[door](ground.urls[0], ground.badr.token)
        answers: dict[str, Json] = {}
        for kind, one in not_theirs(ground).items():
            await line.ask("join:generation", generationId=one)
            answers[kind] = await _heard(line, "error")
            assert answers[kind].pop("generationId") == one
        await line.abort()
        return answers

    answers = asyncio.run(refused())

    error = {"type": "error", "code": "not_found", "message": "There is nothing here."}
    assert answers == dict.fromkeys(answers, error)


def test_event_streams_refuse_it_alike(ground: Ground) -> None:
    def refused(person: Person, one: str, **headers: str) -> Json:
        answer = person.get(f"/api/generations/{one}/events", headers=headers)
        assert answer.status_code == 404
        body: dict[str, Any] = answer.json()
        return {name: body[name] for name in body if name not in {"instance", "requestId"}}

    ids = not_theirs(ground)
    answers = [refused(ground.badr, one) for one in ids.values()]
    answers += [refused(ground.badr, one, **{"Last-Event-ID": "1"}) for one in ids.values()]

    assert answers == [answers[0]] * len(answers)
    assert answers[0]["code"] == "not_found"
