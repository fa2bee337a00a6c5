"""What is measured. A limit is measured in the same run, in turn with the product."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from bench.live.api import steadily_get
from bench.live.product import STALLED, Server, cookie
from bench.live.report import Row, percentile
from bench.live.stage import ARRIVE_WITHIN_S, Heeded, Stage, Used, memory_kib, said

PERCENTS = (50, 95, 99)
LAST = 100
OK = 200
ENOUGH = 0.95
LISTEN = "a plain LISTEN hears the same bell"
FLOOR = "a server that only hears and writes"
PAUSE_S = 1.0
STALLED_EVENTS_PER_S = 100
GETS_PER_S = 50
RETURN_EVENTS_PER_S = 100
STALL_S = 8  # less than the product waits before it cuts off who does not read

Read = tuple[list[float], Counter[int]]


async def news(stage: Stage) -> list[Row]:
    """1,000 sockets, 300 events a second: how late, what is lost, what it costs."""
    sizes = stage.sizes
    seats = stage.product.seats(sizes.some)
    ids, numbers = stage.product.generation_ids[: sizes.some], range(sizes.some)
    for server in (stage.madar, stage.floor):
        await stage.seat(server, seats)

    async def one_round(server: Server, seconds: float) -> Heeded:
        before = await stage.begin(server)
        rate = {"per_s": sizes.events_per_s, "seconds": seconds}
        changes = await stage.change_steadily(server, ids, **rate)
        return await stage.heeded(server, before, changes, numbers)

    ours, floors = await _in_turn(stage, lambda server: one_round(server, sizes.seconds))
    events = int(sizes.events_per_s * sizes.seconds)
    per_s = statistics.median(one.per_s for one in ours)
    stage.note(f"changes a second: {per_s:.0f} of {sizes.events_per_s:g}")
    if per_s < ENOUGH * sizes.events_per_s:
        stage.note("the machine was too busy to keep that rate: believe none of these")
    stage.note(f"load generator and writer: {_share(ours, sizes.seconds)} of a processor")
    case = f"{sizes.some:,} sockets, {sizes.events_per_s:g} events/s"
    rows = _lateness(case, ours, floors)
    rows += [
        Row(case=case, figure="states lost", unit="", madar=[float(one.lost) for one in ours]),
        _cpu(case, "web CPU an event", ours, floors, lambda used: used.server_s, events),
        _cpu(case, "PostgreSQL CPU an event", ours, floors, lambda used: used.postgres_s, events),
    ]
    return rows


async def idle(stage: Stage) -> list[Row]:
    """10,000 sockets that follow something and hear nothing: memory and processor."""
    found: dict[str, _Idle] = {}
    for server in (stage.floor, stage.madar):
        found[server.name] = await _idle_with(stage, server)
    ours, floor = found["madar"], found["floor"]
    case = f"{stage.sizes.sockets:,} idle sockets"
    return [
        Row(case=case, figure=figure, unit=unit, madar=a, limit=b, limit_is=FLOOR)
        for figure, unit, a, b in zip(
            _Idle.FIGURES, _Idle.UNITS, ours.values, floor.values, strict=True
        )
    ]


class _Idle:
    FIGURES = (
        *("RSS before", "RSS with all", "PSS before", "PSS with all"),
        *("RSS a socket", "PSS a socket", "CPU a minute"),
    )
    UNITS = ("MiB", "MiB", "MiB", "MiB", "KiB", "KiB", "s")

    def __init__(self, before: list[float], after: list[float], n: int, cpu: list[float]) -> None:
        (rss, pss), (rss_all, pss_all) = before, after
        mebi = [[kib / 1024] for kib in (rss, rss_all, pss, pss_all)]
        self.values = [*mebi, [(rss_all - rss) / n], [(pss_all - pss) / n], cpu]


async def _idle_with(stage: Stage, server: Server) -> _Idle:
    numbers = range(stage.sizes.sockets)
    before = [memory_kib(server, "Rss"), memory_kib(server, "Pss")]
    await stage.seat(server, stage.product.seats(stage.sizes.sockets))
    await asyncio.sleep(PAUSE_S)
    after = [memory_kib(server, "Rss"), memory_kib(server, "Pss")]
    cpu: list[float] = []
    for _ in range(stage.sizes.rounds):
        began = stage.used(server)
        await asyncio.sleep(stage.sizes.idle_s)
        cpu.append(stage.used(server).since(began).server_s * 60 / stage.sizes.idle_s)
    await stage.crowd("cut", server.name, numbers)
    return _Idle(before, after, len(numbers), cpu)


async def everyone(stage: Stage) -> list[Row]:
    """10,000 sockets, each with a generation of its own, all changed by one statement."""
    n = stage.sizes.sockets
    ids, numbers = stage.product.generation_ids[:n], range(n)
    rounds: dict[str, list[Heeded]] = {"madar": [], "floor": []}
    for server in (stage.floor, stage.madar):
        await stage.seat(server, stage.product.seats(n))
        for number in range(stage.sizes.rounds + 1):
            before = await stage.begin(server)
            changes = await stage.change(server, ids)
            heeded = await stage.heeded(server, before, changes, numbers)
            if number:  # the first one warms up
                rounds[server.name].append(heeded)
            await asyncio.sleep(PAUSE_S)
        await stage.crowd("cut", server.name, numbers)
    ours, floors = rounds["madar"], rounds["floor"]
    case = f"{n:,} sockets, all changed at once"
    return [
        *_lateness(case, ours, floors, percents=(50, LAST)),
        Row(case=case, figure="states lost", unit="", madar=[float(one.lost) for one in ours]),
        _cpu(case, "web CPU an event", ours, floors, lambda used: used.server_s, n),
    ]


async def stalled(stage: Stage) -> list[Row]:
    """1,000 sockets as in news, and ten more, which read or do not."""
    sizes, product = stage.sizes, stage.product
    await stage.seat(stage.madar, product.seats(sizes.some))
    await _stalled_round(stage, is_stalled=False)
    rounds: dict[bool, list[Heeded]] = {True: [], False: []}
    stuck: list[float] = []
    for number in range(sizes.rounds):
        for is_stalled in (number % 2 == 0, number % 2 == 1):
            heeded, kib = await _stalled_round(stage, is_stalled=is_stalled)
            rounds[is_stalled].append(heeded)
            stuck += [kib] if is_stalled else []
    case = f"{STALLED} of {sizes.some + STALLED:,} sockets never read"
    rows = [
        Row(
            case=case,
            figure=f"{_name(percent)} of the others",
            unit="ms",
            madar=[percentile(one.sockets_ms, percent) for one in rounds[True]],
            limit=[percentile(one.sockets_ms, percent) for one in rounds[False]],
            limit_is="the same ten read",
        )
        for percent in PERCENTS
    ]
    lost = [float(one.lost) for one in rounds[True]]
    return [
        *rows,
        Row(case=case, figure="states the others lost", unit="", madar=lost),
        Row(case=case, figure="stuck in the kernel, each", unit="KiB", madar=stuck),
    ]


async def _stalled_round(stage: Stage, *, is_stalled: bool) -> tuple[Heeded, float]:
    """The others' news, and the median of what lies unread before the ten."""
    sizes, product = stage.sizes, stage.product
    seconds = min(sizes.seconds, STALL_S)
    ten = product.seats_that_stall(is_stalled=is_stalled)
    ten_follow = [one for k in range(STALLED) for one in product.followed_by_stalled(k)]
    ids, numbers = product.generation_ids[: sizes.some], range(sizes.some)
    await stage.seat(stage.madar, ten)
    before = await stage.begin(stage.madar)
    changes, _ = await asyncio.gather(
        stage.change_steadily(stage.madar, ids, per_s=sizes.events_per_s, seconds=seconds),
        stage.change_steadily(stage.madar, ten_follow, per_s=STALLED_EVENTS_PER_S, seconds=seconds),
    )
    ten_numbers = [seat.number for seat in ten]
    stuck = await stage.crowd("stuck_bytes", stage.madar.name, ten_numbers)
    heeded = await stage.heeded(stage.madar, before, changes, numbers)
    await stage.crowd("cut", stage.madar.name, ten_numbers)
    return heeded, statistics.median(stuck or [0]) / 1024


async def storm(stage: Stage) -> list[Row]:
    """10,000 sockets cut at once come back within a minute, while somebody reads by HTTP."""
    sizes = stage.sizes
    numbers = range(sizes.sockets)
    await stage.seat(stage.madar, stage.product.seats(sizes.sockets))
    before: list[Read] = []
    within: list[Read] = []
    took: list[float] = []
    lost: list[float] = []
    for _ in range(sizes.rounds):
        before.append(await _reading_while(stage, lambda: asyncio.sleep(sizes.seconds)))

        async def come_back() -> None:
            told = await stage.crowd("cut_and_return", "madar", sizes.return_within_s)
            took.append(told["took s"])
            stage.note(f"after the cut: {said(told)}")

        within.append(await _reading_while(stage, come_back))
        table = stage.product.versions()
        missing = await stage.crowd("wait_for", "madar", table, numbers, ARRIVE_WITHIN_S)
        lost.append(float(missing))
    case = f"{sizes.sockets:,} sockets come back within {sizes.return_within_s:g} s"
    return [
        *(
            Row(
                case=case,
                figure=f"API {_name(percent)}",
                unit="ms",
                madar=[percentile(times, percent) for times, _ in within],
                limit=[percentile(times, percent) for times, _ in before],
                limit_is="the same before the cut",
            )
            for percent in PERCENTS
        ),
        Row(
            case=case,
            figure="API answers that are not 200",
            unit="",
            madar=[float(statuses.total() - statuses[OK]) for _, statuses in within],
            limit=[float(statuses.total() - statuses[OK]) for _, statuses in before],
            limit_is="the same before the cut",
        ),
        Row(
            case=case,
            figure="until the last is back",
            unit="s",
            madar=took,
            limit=[sizes.return_within_s] * sizes.rounds,
            limit_is="when the last one tries",
        ),
        Row(case=case, figure="states lost", unit="", madar=lost),
    ]


async def _reading_while(stage: Stage, happens: Callable[[], Awaitable[None]]) -> Read:
    """What a steady reader finds, while rows change all the time."""
    over = asyncio.Event()
    ids = stage.product.generation_ids[: stage.sizes.sockets]

    async def changes() -> None:
        second = 0
        while not over.is_set():
            some = [*ids[second * 100 :], *ids][: int(RETURN_EVENTS_PER_S)]
            second = (second + 1) % max(1, len(ids) // 100)
            await stage.change_steadily(stage.madar, some, per_s=RETURN_EVENTS_PER_S, seconds=1)

    async def until_it_is_over() -> None:
        await happens()
        over.set()

    reading = steadily_get(
        stage.madar.port, "/api/generations", cookie(0), per_s=GETS_PER_S, until=over
    )
    found, *_ = await asyncio.gather(reading, changes(), until_it_is_over())
    return found


async def _in_turn(
    stage: Stage, one_round: Callable[[Server], Awaitable[Heeded]]
) -> tuple[list[Heeded], list[Heeded]]:
    """Rounds of both servers, each first as often as the other; the first of each warms up."""
    rounds: dict[str, list[Heeded]] = {"madar": [], "floor": []}
    servers = [stage.floor, stage.madar]
    for number in range(stage.sizes.rounds + 1):
        servers.reverse()
        for server in servers:
            heeded = await one_round(server)
            if number:
                rounds[server.name].append(heeded)
            await asyncio.sleep(PAUSE_S)
    return rounds["madar"], rounds["floor"]


def _lateness(
    case: str,
    ours: Sequence[Heeded],
    floors: Sequence[Heeded],
    percents: Sequence[int] = PERCENTS,
) -> list[Row]:
    """From the commit to the socket, against both limits."""
    rows: list[Row] = []
    for percent in percents:
        figure = f"commit to socket, {_name(percent)}"
        madar = [percentile(one.sockets_ms, percent) for one in ours]
        for limit, limit_is in (
            ([percentile(one.listen_ms, percent) for one in ours], LISTEN),
            ([percentile(one.sockets_ms, percent) for one in floors], FLOOR),
        ):
            rows.append(
                Row(
                    case=case, figure=figure, unit="ms", madar=madar, limit=limit, limit_is=limit_is
                )
            )
    return rows


def _cpu(
    case: str,
    figure: str,
    ours: Sequence[Heeded],
    floors: Sequence[Heeded],
    of: Callable[[Used], float],
    events: int,
) -> Row:
    return Row(
        case=case,
        figure=figure,
        unit="µs",
        madar=[of(one.used) / events * 1e6 for one in ours],
        limit=[of(one.used) / events * 1e6 for one in floors],
        limit_is=FLOOR,
    )


def _name(percent: int) -> str:
    return "last" if percent == LAST else f"p{percent}"


def _share(rounds: Sequence[Heeded], seconds: float) -> str:
    return f"{statistics.median(one.used.load_s for one in rounds) / seconds:.0%}"


CASES: dict[str, Callable[[Stage], Awaitable[list[Row]]]] = {
    "news": news,
    "idle": idle,
    "everyone": everyone,
    "stalled": stalled,
    "storm": storm,
}
