"""How a limit is written in a setting: `100/15m` is a hundred in fifteen minutes."""

import re
from dataclasses import dataclass

_WRITTEN = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,3})([smhd])")
_UNITS_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SECOND_US = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Rate:
    """`limit` at once after a window of rest, and one more each `window_s / limit`."""

    limit: int
    window_s: int

    def __str__(self) -> str:
        unit = next(unit for unit, long_s in _UNITS_S.items() if not self.window_s % long_s)
        return f"{self.limit}/{self.window_s // _UNITS_S[unit]}{unit}"

    @property
    def step_us(self) -> int:
        """Rounded up, so that never more than the limit fits into a window."""
        return -(-self.window_s * _SECOND_US // self.limit)

    @property
    def burst_us(self) -> int:
        return self.step_us * self.limit


def parse_rate(written: str) -> Rate:
    """Raises ValueError."""
    found = _WRITTEN.fullmatch(written)
    if not found:
        raise ValueError("must be like 100/15m: how many, in how many s, m, h or d")
    limit, count, unit = found.groups()
    return Rate(limit=int(limit), window_s=int(count) * _UNITS_S[unit])
