"""Keep a set of children running until the end is near, then stop them together."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from madar.local.children import Child, Say

LOOK_EVERY_S = 0.25
ASK_EVERY_S = 0.03
ANSWER_WITHIN_S = 2


class Ending:
    """Whether to stop and why: a signal has no failure, a broken part has one."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.failure: Exception | None = None

    @property
    def is_near(self) -> bool:
        return self._asked.is_set()

    def ask(self, failure: Exception | None = None) -> None:
        """The first failure counts; those that follow from it do not."""
        if not self.is_near:
            self.failure = failure
        self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()

    async def pause(self, seconds: float) -> None:
        """Not beyond the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()


@asynccontextmanager
async def running(children: Sequence[Child], *, ending: Ending, say: Say) -> AsyncGenerator[None]:
    """The children run for as long as the block lasts. Leaving it brings the end for all."""
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(_keep(child, ending))
            group.create_task(_tell(child, ending, say))
        try:
            yield
        except Exception as error:  # noqa: BLE001 - kept, and told once everything has stopped
            ending.ask(error)
        finally:
            ending.ask()
            async with asyncio.TaskGroup() as stopping:
                for child in children:
                    stopping.create_task(child.stop())


async def until_answers(port: int, path: str, *, ending: Ending) -> bool:
    """Ask again and again for 200 at this address; False when the end came first."""
    while not ending.is_near:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                status = await _status_of(port, path)
            if b" 200 " in status:
                return True
        await ending.pause(ASK_EVERY_S)
    return False


async def _keep(child: Child, ending: Ending) -> None:
    try:
        await child.keep()
    except Exception as error:  # noqa: BLE001 - kept, and told once everything has stopped
        ending.ask(error)


async def _tell(child: Child, ending: Ending, say: Say) -> None:
    """Pass on warnings and errors, so that the terminal stays calm."""
    while not ending.is_near:
        await ending.pause(LOOK_EVERY_S)
        for line in child.log.worth_a_look():
            say(f"{child.name}: {line}")


async def _status_of(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        return await reader.readline()
    finally:
        writer.close()
