"""A subject as a grid of cubes: which are filled, which faces are seen, how light they are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madar.simulator.renderer.field import Field, Indices
from madar.simulator.renderer.shapes import Floats

Grid = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]

CELLS = 24
EMPTY = -1

# Kinds of face: top (y+), right (x+) and left (z+), with their two edges in drawing order.
TOP, RIGHT, LEFT = 0, 1, 2
_NORMALS = np.array([(0, 1, 0), (1, 0, 0), (0, 0, 1)])
_EDGES = np.array([[(1, 0, 0), (0, 0, 1)], [(0, 1, 0), (0, 0, 1)], [(0, 1, 0), (1, 0, 0)]])
_LIGHTS = np.array([1.06, 0.46, 0.78], np.float32)

_TO_KEY = np.array([-0.42, 0.8, 0.46])


@dataclass(frozen=True, kw_only=True)
class Cells:
    """`roles` holds the index of each filled cell's role; `start` is the corner of the first."""

    roles: Grid
    start: Floats
    size: float

    @property
    def filled(self) -> Mask:
        return self.roles != EMPTY


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Visible faces from far to near. `corners` is the light at (0,0), (0,1), (1,0), (1,1)."""

    cell: Indices
    kind: Indices
    light: Floats
    corners: Floats


def cells_of(field: Field) -> Cells:
    """Sample the subject, so that its longest side takes all cells."""
    low, high = field.outline()
    size = float((high - low).max()) / (CELLS - 0.5)
    middle = (low + high) / 2
    start = middle - np.float32(CELLS * size / 2)
    start[1] = low[1]
    steps = (np.arange(CELLS, dtype=np.float32) + np.float32(0.5)) * np.float32(size)
    axes = np.meshgrid(*(steps + at for at in start), indexing="ij")
    points = np.stack([axis.ravel() for axis in axes])
    members = field.near(points, size)
    filled = field.distance(points, members) < 0.28 * size
    roles = np.where(filled, field.roles(points, members, fade=1e-3).argmax(axis=0), EMPTY)
    cube = roles.astype(np.int16).reshape(CELLS, CELLS, CELLS)
    return Cells(roles=cube, start=start, size=size)


def faces_of(cells: Cells) -> Faces:
    cell, kind = _visible(cells.filled)
    filled = np.pad(cells.filled, 3)
    ahead = cell + 3 + _NORMALS[kind]
    light = _LIGHTS[kind] * _wide_light(filled, ahead)
    light *= np.where(kind == RIGHT, np.float32(1), _shadowed(filled, ahead))
    return Faces(cell=cell, kind=kind, light=light, corners=_corner_light(filled, ahead, kind))


def _visible(filled: Mask) -> tuple[Indices, Indices]:
    padded = np.pad(filled, 1)
    found: list[Indices] = []
    kinds: list[Indices] = []
    for kind, (x, y, z) in enumerate(_NORMALS):
        ahead = padded[1 + x :, 1 + y :, 1 + z :][:CELLS, :CELLS, :CELLS]
        found.append(np.argwhere(filled & ~ahead))
        kinds.append(np.full(len(found[-1]), kind))
    cell, kind = np.concatenate(found), np.concatenate(kinds)
    order = np.argsort(cell.sum(axis=1), kind="stable")
    return cell[order], kind[order]


def _at(filled: Mask, places: Indices) -> Mask:
    x, y, z = np.clip(places, 0, filled.shape[0] - 1).T
    return filled[x, y, z]


def _corner_light(filled: Mask, ahead: Indices, kind: Indices) -> Floats:
    """Darken a corner by the cells that stand around it, in front of the face."""
    first, second = _EDGES[kind, 0], _EDGES[kind, 1]
    corners: list[Floats] = []
    for a in (-1, 1):
        for b in (-1, 1):
            one, other = _at(filled, ahead + a * first), _at(filled, ahead + b * second)
            both = _at(filled, ahead + a * first + b * second)
            count = np.where(one & other, 3, one.astype(int) + other + both)
            corners.append((1 - count * 0.17).astype(np.float32))
    return np.stack(corners)


def _wide_light(filled: Mask, ahead: Indices) -> Floats:
    """Darken faces in crowded places, by the share of filled cells around them."""
    crowd = filled.astype(np.float32)
    for axis in range(3):
        crowd = sum((np.roll(crowd, step, axis) for step in (-2, -1, 1, 2)), crowd) / 5
    x, y, z = ahead.T
    return 1 - np.clip(crowd[x, y, z] - 0.32, 0, 1) * np.float32(0.9)


def _shadowed(filled: Mask, ahead: Indices) -> Floats:
    """Walk towards the light, cell by cell; whatever stands in the way casts a stepped shadow."""
    blocked = np.zeros(len(ahead), np.bool_)
    for step in range(1, 14):
        blocked |= _at(filled, np.rint(ahead + _TO_KEY * (step + 0.3)).astype(np.intp))
    return np.where(blocked, np.float32(0.62), np.float32(1))
