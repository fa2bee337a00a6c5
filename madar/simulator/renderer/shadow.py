"""The soft shadow on the ground below the subject."""

import numpy as np

from madar.simulator.renderer.blur import blurred
from madar.simulator.renderer.camera import View, margin
from madar.simulator.renderer.field import Field, turned
from madar.simulator.renderer.finish import enlarged
from madar.simulator.renderer.shapes import Floats

_GRID = 72
# Slices above the lowest point: height, blur in cells, and how dark each makes the ground.
_SLICES = ((0.03, 1.6, 0.30), (0.16, 3.2, 0.2), (0.5, 6.0, 0.14), (1.0, 8.0, 0.08))
_DRIFT = 0.16
"""How far the shadow moves, away from the light on the left, for each unit of height."""


def ground_shadow(field: Field, view: View, rotation: Floats) -> Floats:
    """Give the alpha of the shadow over the whole square of the view."""
    level, centre, span = _footprint(field, rotation)
    dark = _darkness(field, rotation, level, centre, span)
    quarter = -(-view.side // 4)
    seen = _seen(dark, view, rotation, level, centre, span, quarter)
    return seen[: view.side, : view.side] * margin(view.side)


def over_shadow(layer: Floats, shadow: Floats) -> Floats:
    """Lay the subject over its shadow, which is a little bluer than black."""
    colour = np.array([0.012, 0.01, 0.022, 1.0], np.float32)[:, None, None]
    return layer + colour * shadow * (1 - layer[3])


def _footprint(field: Field, rotation: Floats) -> tuple[float, Floats, float]:
    """Find the lowest point and the square of ground that can be in shadow."""
    low, high = _outline(field, rotation)
    centre = ((low + high) / 2)[[0, 2]]
    span = float(max(high[0] - low[0], high[2] - low[2])) * 1.9 + 0.4
    return float(low[1]), centre, span


def _outline(field: Field, rotation: Floats) -> tuple[Floats, Floats]:
    upright = Field(parts=turned(field.parts, rotation.T))
    return upright.outline()


def _darkness(field: Field, rotation: Floats, level: float, centre: Floats, span: float) -> Floats:
    cell = span / _GRID
    steps = (np.arange(_GRID, dtype=np.float32) + 0.5) * cell - span / 2
    x: Floats = np.repeat(steps + centre[0], _GRID)
    z: Floats = np.tile(steps + centre[1], _GRID)
    bright = np.ones((_GRID, _GRID), np.float32)
    for height, blur, weight in _SLICES:
        drift = _DRIFT * height
        world = np.stack([x - drift, np.full_like(x, level + height), z + 0.5 * drift])
        points = rotation @ world
        distance = field.distance(points, field.near(points, 2 * cell)).reshape(_GRID, _GRID)
        covered = np.clip(0.5 - distance / np.float32(2 * cell), np.float32(0), np.float32(1))
        bright *= 1 - np.float32(weight) * blurred(covered, blur)
    return np.minimum(1 - bright, np.float32(0.45))


def _seen(
    dark: Floats,
    view: View,
    rotation: Floats,
    level: float,
    centre: Floats,
    span: float,
    side: int,
) -> Floats:
    """Look the ground up through the camera at quarter size, then enlarge."""
    small = View(
        side=side,
        unit=view.unit * 4,
        middle=view.middle,
        top=view.top,
        bottom=view.bottom,
    )
    columns = small.grid(1)
    up = rotation[:, 1]
    depth = (np.float32(level) - up[0] * columns[0] - up[1] * columns[1]) / up[2]
    world = rotation.T @ np.vstack([columns, depth[None]])
    cell = span / _GRID
    across = (world[0] - centre[0] + span / 2) / cell - 0.5
    along = (world[2] - centre[1] + span / 2) / cell - 0.5
    alpha = _bilinear(dark, across, along).reshape(side, side)
    return np.clip(enlarged(enlarged(alpha[None]))[0], np.float32(0), np.float32(0.45))


def _bilinear(grid: Floats, across: Floats, along: Floats) -> Floats:
    last = grid.shape[0] - 1
    within = (across >= 0) & (across < last) & (along >= 0) & (along < last)
    a, b = np.where(within, across, 0), np.where(within, along, 0)
    i, j = a.astype(np.intp), b.astype(np.intp)
    u, v = (a - i).astype(np.float32), (b - j).astype(np.float32)
    near = grid[i, j] * (1 - u) + grid[i + 1, j] * u
    far = grid[i, j + 1] * (1 - u) + grid[i + 1, j + 1] * u
    return (near * (1 - v) + far * v) * within
