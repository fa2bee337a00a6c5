"""Many small choices drawn as one: hypothesis takes as long over each as PostgreSQL over a query.

A scene is made of some five hundred choices. A byte decides each of them, and hypothesis draws and
shrinks the bytes: the first option of each choice is the simplest.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

Item = TypeVar("Item")

# Whatever is chosen after so many is the first option.
_BYTES = 1500


class Dice:
    """Each throw takes the next byte."""

    def __init__(self, drawn: bytes) -> None:
        self._drawn = drawn
        self._next = 0

    def __repr__(self) -> str:
        return f"Dice({self._drawn.rstrip(bytes(1))!r})"

    def number(self, least: int, most: int) -> int:
        """Both of them too, and no more than 256 in all."""
        at, self._next = self._next, self._next + 1
        return least + (self._drawn[at] if at < len(self._drawn) else 0) % (most - least + 1)

    def one(self, *options: Any) -> Any:
        return options[self.number(0, len(options) - 1)]

    def maybe(self, *options: Any) -> Any:
        """None every other time."""
        return self.one(*options) if self.number(0, 1) else None

    def mostly(self, usual: Any, *others: Any) -> Any:
        """The usual four times out of five."""
        return self.one(*others) if others and self.number(0, 4) == 4 else usual

    def some(self, items: Iterable[Item], *, least: int = 0, most: int = 99) -> list[Item]:
        """Different ones, in any order."""
        known = self.shuffled([*items])
        return known[: self.number(min(least, len(known)), min(most, len(known)))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        left = [*items]
        return [left.pop(self.number(0, len(left) - 1)) for _ in items]


def dices() -> st.SearchStrategy[Dice]:
    return st.binary(min_size=_BYTES, max_size=_BYTES).map(Dice)
