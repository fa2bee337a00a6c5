"""The parent's side: a few child processes, given one picture each, killed when they misbehave."""

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from madar.errors import TooBusy
from madar.imaging import limits, protocol
from madar.imaging.protocol import (
    AcceptedUpload,
    BrokenFrame,
    Finalized,
    Frame,
    PictureRefused,
    Task,
)

log = logging.getLogger(__name__)

_Made = TypeVar("_Made", Finalized, AcceptedUpload)

_COMMAND = (sys.executable, "-m", "madar.imaging.child")
# Where `madar` is imported from, so that `-m` finds it from any working directory.
_ROOT = Path(__file__).parents[2]
# The whole environment of a child: nothing of ours, hence no secret, reaches the decoder.
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
}
_PIPE_BYTES = 2**20
_MAX_COMPLAINT_BYTES = 2000
# A child that fails in one of these ways is dead or out of step.
_CHILD_FAILURES = (EOFError, ConnectionError, BrokenFrame)


class Imaging:
    """Pixels are touched in the children only; at most one picture is in each."""

    def __init__(self, children: int) -> None:
        self._children = [_Child() for _ in range(children)]
        self._free: asyncio.Queue[_Child] = asyncio.Queue()
        for child in self._children:
            self._free.put_nowait(child)
        self._line_bytes = 0

    async def finalize(self, picture: bytes) -> Finalized:
        """Raises PictureRefused, and TooBusy when this machine has no process or time for it.

        Waits for its turn as long as that takes. May be cancelled and repeated.
        """
        _check_size(picture, limits.MAX_RESULT_BYTES)
        return await self._ask("finalize", picture, protocol.finalized_of)

    async def accept_upload(self, picture: bytes) -> AcceptedUpload:
        """The same, but somebody is waiting: TooBusy too when the line is long."""
        _check_size(picture, limits.MAX_UPLOAD_BYTES)
        with self._in_line(len(picture)):
            return await self._ask(
                "accept_upload", picture, protocol.accepted_of, wait_s=limits.LINE_WAIT_S
            )

    async def close(self) -> None:
        for child in self._children:
            await child.stop()

    @contextlib.contextmanager
    def _in_line(self, size_bytes: int) -> Generator[None]:
        if self._line_bytes + size_bytes > limits.LINE_BYTES_MAX:
            raise TooBusy(retry_after_s=limits.BUSY_S)
        self._line_bytes += size_bytes
        try:
            yield
        finally:
            self._line_bytes -= size_bytes

    async def _ask(
        self,
        task: Task,
        picture: bytes,
        parse: Callable[[Frame], _Made],
        *,
        wait_s: float | None = None,
    ) -> _Made:
        child = await self._turn(wait_s)
        try:
            async with asyncio.timeout(limits.CHILD_WALL_S):
                return await child.ask(protocol.request(task, picture), parse)
        except PictureRefused as refused:
            facts = {"task": task, "reason": refused.reason, "why": refused.detail}
            log.info("imaging.refused", extra=facts)
            raise
        except _CHILD_FAILURES as error:
            log.warning("imaging.child_failed", extra={"task": task, "why": repr(error)})
            raise PictureRefused("decoder_failed", repr(error)) from error
        except TimeoutError as error:
            # A picture that costs too much ends its child; this one was given too little to do it.
            log.warning("imaging.child_late", extra={"task": task})
            raise TooBusy(retry_after_s=limits.BUSY_S) from error
        except OSError as error:
            # No process or pipe to be had: this machine's trouble, not the picture's.
            log.warning("imaging.no_child", extra={"task": task, "why": repr(error)})
            raise TooBusy(retry_after_s=limits.BUSY_S) from error
        finally:
            self._free.put_nowait(child)

    async def _turn(self, wait_s: float | None) -> "_Child":
        try:
            async with asyncio.timeout(wait_s):
                return await self._free.get()
        except TimeoutError as error:
            raise TooBusy(retry_after_s=limits.BUSY_S) from error


@asynccontextmanager
async def open_imaging(children: int = 2) -> AsyncGenerator[Imaging]:
    """Children start with their first picture: a process that never sees one pays nothing."""
    imaging = Imaging(children)
    try:
        yield imaging
    finally:
        await imaging.close()


def _check_size(picture: bytes, max_bytes: int) -> None:
    if len(picture) > max_bytes:
        raise PictureRefused("too_large")


class _Child:
    """A place for one process: started when needed, replaced when it died or has served enough."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._complaints = _Complaints()
        self._served = 0
        self._is_sound = False

    async def ask(self, request: Frame, parse: Callable[[Frame], _Made]) -> _Made:
        """Leave no process behind whose pipes are out of step, whatever happens."""
        try:
            process = await self._ready()
            return parse(await _converse(process, request))
        except PictureRefused as refused:
            if refused.reason == "decoder_failed":
                # It ran out of something and may not be sound any more.
                self._kill()
            raise
        except BaseException:
            self._kill()
            raise

    async def stop(self) -> None:
        """Kill it, for it has nothing to save, and wait until it and its pipes are gone."""
        self._kill()
        if self._process:
            await self._process.communicate()
            self._process = None
        await self._complaints.ended.wait()

    async def _ready(self) -> Process:
        if self._process is None or self._process.returncode is not None or self._is_spent():
            self._is_sound = False
        if not self._is_sound:
            await self.stop()
            self._complaints = _Complaints()
            self._process = await _start(self._complaints)
            self._served, self._is_sound = 0, True
        assert self._process
        self._served += 1
        return self._process

    def _is_spent(self) -> bool:
        assert self._process
        kept_bytes = limits.written_bytes_of(self._process.pid)
        return self._served >= limits.PICTURES_PER_CHILD or kept_bytes > limits.KEPT_BYTES_MAX

    def _kill(self) -> None:
        """Mark it at once: the loop hears of a death some turns after it."""
        self._is_sound = False
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


async def _start(complaints: "_Complaints") -> Process:
    reading, writing = os.pipe()
    try:
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: complaints, os.fdopen(reading, "rb", buffering=0))
        return await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=PIPE,
            stdout=PIPE,
            stderr=writing,
            cwd=_ROOT,
            env=_ENVIRONMENT,
            limit=_PIPE_BYTES,
            # Ctrl-C in a terminal is for the parent, which then closes its children in order.
            start_new_session=True,
        )
    finally:
        os.close(writing)


async def _converse(process: Process, request: Frame) -> Frame:
    assert process.stdin
    assert process.stdout
    process.stdin.writelines(request.chunks())
    await process.stdin.drain()
    return await protocol.receive(process.stdout)


class _Complaints(asyncio.Protocol):
    """What a child writes to its standard error goes into our log."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.ended.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        del transport
        self.ended.clear()

    def data_received(self, data: bytes) -> None:
        words = data[:_MAX_COMPLAINT_BYTES].decode(errors="replace").strip()
        log.warning("imaging.child_says", extra={"words": words})

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()
