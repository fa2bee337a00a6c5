"""Every random choice of the renderer: numbers drawn by name from one hash of prompt and seed."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.random import Generator

Option = TypeVar("Option")


class Dice:
    """Draws depend on the name alone, so a new draw somewhere never changes the others."""

    def __init__(self, prompt: str, seed: int) -> None:
        self._root = hashlib.sha256(f"{normalised(prompt)}\n{seed}".encode()).digest()

    def _draw(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(self._root + name.encode()).digest()[:8], "big")

    def between(self, name: str, low: float, high: float) -> float:
        return low + (high - low) * self._draw(name) / 2**64

    def chance(self, name: str, share: float) -> bool:
        return self.between(name, 0.0, 1.0) < share

    def pick(self, name: str, options: Sequence[Option]) -> Option:
        return options[self._draw(name) % len(options)]

    def stream(self, name: str) -> Generator:
        """Give many numbers at once, for per-cell variation."""
        return np.random.default_rng(self._draw(name))


def normalised(prompt: str) -> str:
    """Case and spacing do not make another picture."""
    return " ".join(prompt.casefold().split())
