"""What stands before anybody is known: how many may come at once, and how many may keep silent."""

import random
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from madar.errors import MadarError, TooBusy
from madar.realtime.pace import Pace

# A restart brings 10,000 back within a minute, which is 167 a second. One handshake takes 2.5 ms of
# the event loop on a busy machine, so at this pace the API keeps half of it, and all are in within
# 50 s even when they come at once. The burst is what does so on any day.
PER_S, BURST = 200, 500
COME_BACK_WITHIN_S = 30  # so that being refused is rarer than being let in
MAX_UNSIGNED = 100  # of one address, in this process
SIGN_IN_WITHIN_S = 5


class Entrance:
    """One a process, for all kinds of live connections."""

    def __init__(self) -> None:
        self._pace = Pace(burst=BURST, per_s=PER_S)
        self._unsigned: Counter[str] = Counter()

    def admit(self) -> None:
        """Counts one that has just come. Raises TooBusy.

        Those who are refused together are not asked to come again together.
        """
        if not self._pace.allows_one_more():
            raise TooBusy(retry_after_s=random.randint(1, COME_BACK_WITHIN_S))  # noqa: S311

    @contextmanager
    def unsigned(self, address: str) -> Generator[None]:
        """While one has not said who it is. Raises MadarError."""
        if self._unsigned[address] >= MAX_UNSIGNED:
            raise MadarError("too_many_unsigned_sockets", retry_after_s=SIGN_IN_WITHIN_S)
        self._unsigned[address] += 1
        try:
            yield
        finally:
            self._unsigned[address] -= 1
            if not self._unsigned[address]:
                del self._unsigned[address]
