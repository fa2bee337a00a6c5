"""Where sockets go out: a few in each round of the event loop, however many go at once."""

import asyncio
from collections import deque
from collections.abc import Callable

from madar.memory import grow_old

A_ROUND = 4


class Exit:
    """Ten thousand that a proxy drops are a second of work, in which others would wait."""

    def __init__(self) -> None:
        self._leaving: deque[Callable[[], object]] = deque()
        self._is_open = False

    def pass_through(self, depart: Callable[[], object]) -> None:
        """Called soon, in its turn."""
        self._leaving.append(depart)
        if not self._is_open:
            self._is_open = True
            asyncio.get_running_loop().call_soon(self._let_out)

    def _let_out(self) -> None:
        """Each by itself: one that fails keeps nobody inside."""
        loop = asyncio.get_running_loop()
        for _ in range(min(A_ROUND, len(self._leaving))):
            loop.call_soon(self._leaving.popleft())
        grow_old()
        self._is_open = bool(self._leaving)
        if self._is_open:
            loop.call_soon(self._let_out)
