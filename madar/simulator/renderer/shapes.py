"""The six solid shapes and their signed distances, each a lower bound, as marching needs.

Points arrive as three rows: x, y (up) and z (towards the viewer). `bounds` are the lowest and the
highest corner of the box around a shape.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

# Always float32. The types widen it as soon as a Python number joins in, though numpy does not.
Floats = npt.NDArray[np.floating[Any]]
Vector = tuple[float, float, float]

_ZERO = np.float32(0)


@dataclass(frozen=True, kw_only=True)
class Ball:
    centre: Vector
    radius: float

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        return _box_around(self.centre, np.full(3, self.radius))

    def distance(self, points: Floats) -> Floats:
        return _length(_from(points, self.centre)) - np.float32(self.radius)

    def turned(self, rotation: Floats) -> Self:
        return replace(self, centre=turn(rotation, self.centre))


@dataclass(frozen=True, kw_only=True)
class Cone:
    """The hull of two balls: a rounded cone, or a capsule when both have one radius."""

    start: Vector
    end: Vector
    start_radius: float
    end_radius: float

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        start, end = np.array(self.start), np.array(self.end)
        low = np.minimum(start - self.start_radius, end - self.end_radius)
        high = np.maximum(start + self.start_radius, end + self.end_radius)
        return low.astype(np.float32), high.astype(np.float32)

    @cached_property
    def _axis(self) -> tuple[Vector, float, float, float]:
        """Give direction and height, how the radius falls, and how far the nearest ball leans."""
        way = np.subtract(self.end, self.start)
        height = float(np.sqrt((way * way).sum()))
        slope = (self.start_radius - self.end_radius) / height
        x, y, z = (way / height).tolist()
        return (x, y, z), height, slope, slope / float(np.sqrt(1 - slope * slope))

    def distance(self, points: Floats) -> Floats:
        """Find the ball of the hull that is nearest, then measure to it."""
        axis, height, slope, lean = self._axis
        along, across = _axial(_from(points, self.start), axis)
        nearest = along - across * np.float32(lean)
        nearest = np.minimum(np.maximum(nearest, _ZERO), np.float32(height))
        rest = along - nearest
        radius = np.float32(self.start_radius) - nearest * np.float32(slope)
        return np.sqrt(across * across + rest * rest) - radius

    def turned(self, rotation: Floats) -> Self:
        return replace(self, start=turn(rotation, self.start), end=turn(rotation, self.end))


@dataclass(frozen=True, kw_only=True)
class Egg:
    """An ellipsoid. The distance is the usual first-order one, close enough for mild radii."""

    centre: Vector
    radii: Vector
    frame: Floats

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        spans = self.frame * np.array(self.radii)[:, None]
        return _box_around(self.centre, np.sqrt((spans * spans).sum(axis=0)))

    def distance(self, points: Floats) -> Floats:
        radii = np.asarray(self.radii, np.float32)[:, None]
        local = (self.frame @ _from(points, self.centre)) / radii
        inner = _length(local)
        return inner * (inner - 1) / (_length(local / radii) + np.float32(1e-6))

    def turned(self, rotation: Floats) -> Self:
        return replace(self, centre=turn(rotation, self.centre), frame=self.frame @ rotation.T)


@dataclass(frozen=True, kw_only=True)
class Box:
    centre: Vector
    half: Vector
    rounding: float
    frame: Floats

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        core = np.array(self.half) - self.rounding
        return _box_around(self.centre, np.abs(self.frame.T) @ core + self.rounding)

    def distance(self, points: Floats) -> Floats:
        core = np.asarray(self.half, np.float32)[:, None] - np.float32(self.rounding)
        over = np.abs(self.frame @ _from(points, self.centre)) - core
        inside = np.minimum(np.maximum(np.maximum(over[0], over[1]), over[2]), _ZERO)
        return _length(np.maximum(over, _ZERO)) + inside - np.float32(self.rounding)

    def turned(self, rotation: Floats) -> Self:
        return replace(self, centre=turn(rotation, self.centre), frame=self.frame @ rotation.T)


@dataclass(frozen=True, kw_only=True)
class Drum:
    """A cylinder with rounded rims, which may taper towards its top."""

    centre: Vector
    axis: Vector
    half: float
    radius: float
    top_radius: float
    rounding: float

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """The two discs without their rounding, and the rounding around both."""
        axis, middle = np.array(self.axis), np.array(self.centre)
        aside, reach = np.sqrt(np.maximum(1 - axis * axis, 0)), axis * (self.half - self.rounding)
        base, top = aside * (self.radius - self.rounding), aside * (self.top_radius - self.rounding)
        low = np.minimum(middle - reach - base, middle + reach - top) - self.rounding
        high = np.maximum(middle - reach + base, middle + reach + top) + self.rounding
        return low.astype(np.float32), high.astype(np.float32)

    def distance(self, points: Floats) -> Floats:
        along, across = _axial(_from(points, self.centre), self.axis)
        if self.radius == self.top_radius:
            return self._straight(along, across)
        return self._tapered(along, across)

    def _straight(self, along: Floats, across: Floats) -> Floats:
        side = across - np.float32(self.radius - self.rounding)
        cap = np.abs(along) - np.float32(self.half - self.rounding)
        inside = np.minimum(np.maximum(side, cap), _ZERO)
        side, cap = np.maximum(side, _ZERO), np.maximum(cap, _ZERO)
        return np.sqrt(side * side + cap * cap) + inside - np.float32(self.rounding)

    def _tapered(self, along: Floats, across: Floats) -> Floats:
        """Inigo Quilez's capped cone: the nearer of the caps and the slanted side."""
        half = np.float32(self.half - self.rounding)
        low = np.float32(self.radius - self.rounding)
        high = np.float32(self.top_radius - self.rounding)
        cap_across = across - np.minimum(across, np.where(along < 0, low, high))
        cap_along = np.abs(along) - half
        run, rise = high - low, 2 * half
        share = ((high - across) * run + (half - along) * rise) / (run * run + rise * rise)
        share = np.minimum(np.maximum(share, _ZERO), np.float32(1))
        side_across = across - high + run * share
        side_along = along - half + rise * share
        nearest = np.minimum(
            cap_across * cap_across + cap_along * cap_along,
            side_across * side_across + side_along * side_along,
        )
        sign = np.where((side_across < 0) & (cap_along < 0), np.float32(-1), np.float32(1))
        return sign * np.sqrt(nearest) - np.float32(self.rounding)

    def turned(self, rotation: Floats) -> Self:
        return replace(self, centre=turn(rotation, self.centre), axis=turn(rotation, self.axis))


@dataclass(frozen=True, kw_only=True)
class Ring:
    centre: Vector
    axis: Vector
    radius: float
    thickness: float

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        aside = np.sqrt(np.maximum(1 - np.square(self.axis), 0))
        return _box_around(self.centre, aside * self.radius + self.thickness)

    def distance(self, points: Floats) -> Floats:
        along, across = _axial(_from(points, self.centre), self.axis)
        across -= np.float32(self.radius)
        return np.sqrt(across * across + along * along) - np.float32(self.thickness)

    def turned(self, rotation: Floats) -> Self:
        return replace(self, centre=turn(rotation, self.centre), axis=turn(rotation, self.axis))


def turn(rotation: Floats, vector: Vector) -> Vector:
    x, y, z = (rotation @ np.asarray(vector, np.float32)).tolist()
    return x, y, z


def rotation(tilt_deg: Vector) -> Floats:
    """Turn around x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


def _box_around(centre: Vector, half: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    middle = np.array(centre)
    return (middle - half).astype(np.float32), (middle + half).astype(np.float32)


def _from(points: Floats, centre: Vector) -> Floats:
    return points - np.array(((centre[0],), (centre[1],), (centre[2],)), np.float32)


def _length(vectors: Floats) -> Floats:
    x, y, z = vectors
    return np.sqrt(x * x + y * y + z * z)


def _axial(vectors: Floats, axis: Vector) -> tuple[Floats, Floats]:
    """Split into the way along an axis and the distance from it."""
    x, y, z = vectors
    ax, ay, az = (np.float32(part) for part in axis)
    along = x * ax + y * ay + z * az
    across = x * x + y * y + z * z - along * along
    return along, np.sqrt(np.maximum(across, _ZERO))
