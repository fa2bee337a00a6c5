"""How fast one socket may talk: a burst, then a steady rate."""

import time
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class Pace:
    """A bucket of `burst` messages that fills again at `per_s`."""

    burst: float
    per_s: float
    _left: float = field(init=False)
    _seen_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._left = self.burst

    def allows_one_more(self) -> bool:
        now = time.monotonic()
        self._left = min(self.burst, self._left + (now - self._seen_at) * self.per_s)
        self._seen_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
