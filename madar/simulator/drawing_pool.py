"""The processes that draw: numpy work does not share one interpreter well (F8 of the spec)."""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from pyvips.voperation import concurrency_set

P = ParamSpec("P")
T = TypeVar("T")


def _start_drawing_process() -> None:
    """Die with the simulator, even when it is killed: nobody else would end this process."""
    # One picture per process already keeps every core busy.
    concurrency_set(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=follow, name="follow-parent", daemon=True).start()


class DrawingPool:
    """Started by the first drawing, so a simulator that never draws costs no process."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._executor = self._new_executor()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work in a drawing process; once more when that process was killed meanwhile."""
        executor = self._executor
        try:
            return await asyncio.wrap_future(executor.submit(work, *args, **kwargs))
        except BrokenProcessPool:
            if self._executor is executor:
                executor.shutdown(wait=False)
                self._executor = self._new_executor()
            return await asyncio.wrap_future(self._executor.submit(work, *args, **kwargs))

    async def close(self) -> None:
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def _new_executor(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_drawing_process,
        )
