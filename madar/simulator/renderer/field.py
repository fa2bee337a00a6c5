"""All parts of a subject joined into one distance, looking only at the parts near each point."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madar.simulator.renderer.palette import ROLES
from madar.simulator.renderer.parts import Part
from madar.simulator.renderer.shapes import Floats

Indices = npt.NDArray[np.intp]
Members = list[Indices]

# A point with no part nearby is this far from everything: more than any subject is wide.
FAR = np.float32(4.0)

_NOBODY: Indices = np.zeros(0, np.intp)


@dataclass(frozen=True, kw_only=True)
class Field:
    """The joined distance. `softness` widens every blend, as clay does with edges."""

    parts: tuple[Part, ...]
    softness: float = 0.0

    def blend_of(self, part: Part) -> float:
        return part.blend + self.softness

    def near(self, points: Floats, reach: float) -> Members:
        """Name, for each part, the points that come within `reach` of the box around it.

        Points with two rows are whole lines of sight, whose depth does not matter.
        """
        if not points.size:
            return [_NOBODY for _ in self.parts]
        low = [row.min() for row in points]
        high = [row.max() for row in points]
        return [self._near_part(part, points, low, high, reach) for part in self.parts]

    def _near_part(
        self,
        part: Part,
        points: Floats,
        low: list[np.float32],
        high: list[np.float32],
        reach: float,
    ) -> Indices:
        """Ask single points only in those axes in which the crowd leaves the box."""
        pad = np.float32(self.blend_of(part) + reach)
        part_low, part_high = part.shape.bounds
        within: npt.NDArray[np.bool_] | None = None
        for axis, row in enumerate(points):
            lowest, highest = part_low[axis] - pad, part_high[axis] + pad
            if low[axis] > highest or high[axis] < lowest:
                return _NOBODY
            if low[axis] < lowest or high[axis] > highest:
                own = (row > lowest) & (row < highest)
                within = own if within is None else within & own
        everyone: Indices = np.arange(points.shape[1], dtype=np.intp)
        return everyone if within is None else np.flatnonzero(within)

    def outline(self) -> tuple[Floats, Floats]:
        """Give the lowest and the highest corner of the box around all parts."""
        boxes = [part.shape.bounds for part in self.parts if not part.subtract]
        lows, highs = zip(*boxes, strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def distance(self, points: Floats, members: Members) -> Floats:
        joined = np.full(points.shape[1], FAR, np.float32)
        for part, own in zip(self.parts, members, strict=True):
            if own.size == joined.size:
                joined = self._join(part, joined, part.shape.distance(points))
            elif own.size:
                near = part.shape.distance(points.take(own, 1))
                joined[own] = self._join(part, joined[own], near)
        return joined

    def _join(self, part: Part, joined: Floats, near: Floats) -> Floats:
        if part.subtract:
            return -smooth_minimum(-joined, near, self.blend_of(part))
        return smooth_minimum(joined, near, self.blend_of(part))

    def roles(self, points: Floats, members: Members, *, fade: float) -> Floats:
        """Give the share of each role at each point: the nearest part rules, edges fade."""
        shares = np.zeros((len(ROLES), points.shape[1]), np.float32)
        shares[0] = 1
        best = np.full(points.shape[1], FAR, np.float32)
        for part, own in zip(self.parts, members, strict=True):
            if not own.size:
                continue
            near = part.shape.distance(points.take(own, 1))
            if part.subtract:
                best[own] = np.maximum(best[own], -near)
                continue
            gain = (best[own] - near) / np.float32(2 * fade) + np.float32(0.5)
            gain = np.clip(gain, np.float32(0), np.float32(1))
            best[own] = np.minimum(best[own], near)
            mixed = shares[:, own] * (1 - gain)
            mixed[ROLES.index(part.role)] += gain
            shares[:, own] = mixed
        return shares


def smooth_minimum(first: Floats, second: Floats, blend: float) -> Floats:
    """Quadratic smooth minimum: never more than the true one, by at most a quarter blend."""
    width = np.float32(blend)
    overlap = np.maximum(width - np.abs(first - second), np.float32(0))
    return np.minimum(first, second) - overlap * overlap * np.float32(0.25 / blend)


def turned(parts: Iterable[Part], rotation: Floats) -> tuple[Part, ...]:
    return tuple(part.turned(rotation) for part in parts)
