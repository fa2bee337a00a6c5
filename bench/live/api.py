"""Somebody who reads by HTTP all the while, each request at its time, answered or not."""

import asyncio
import time
from collections import Counter

CONNECTIONS = 16


async def steadily_get(
    port: int, path: str, cookie: str, *, per_s: float, until: asyncio.Event
) -> tuple[list[float], Counter[int]]:
    """Milliseconds from when each was due, waiting for a free connection too; and the statuses."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\n\r\n".encode()
    first_at = time.monotonic()
    times: list[float] = []
    statuses: Counter[int] = Counter()
    turn = iter(range(10**9))

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not until.is_set():
            due_at = first_at + next(turn) / per_s
            await asyncio.sleep(max(0, due_at - time.monotonic()))
            writer.write(request)
            statuses[await _answer(reader)] += 1
            times.append((time.monotonic() - due_at) * 1000)
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(one_connection())
    return times, statuses


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    await reader.readexactly(length)
    return int(head.split(maxsplit=2)[1])
