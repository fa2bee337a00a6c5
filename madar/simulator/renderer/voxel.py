"""The voxel look: cubes in true isometric view, drawn by table look-up.

The plane of an isometric picture is a lattice of triangles, and each visible face of a cube covers
exactly two of them. So the nearest face is kept per triangle, and a pixel only looks up its own.
"""

from dataclasses import dataclass

import numpy as np

from madar.simulator.renderer.camera import FILL, View, facing
from madar.simulator.renderer.cells import CELLS, LEFT, RIGHT, TOP, Cells, Faces, Mask, faces_of
from madar.simulator.renderer.dice import Dice
from madar.simulator.renderer.field import Field, Indices, turned
from madar.simulator.renderer.shadow import ground_shadow, over_shadow
from madar.simulator.renderer.shapes import Floats

_ISOMETRIC: Floats = facing(45.0, float(np.degrees(np.arcsin(1 / np.sqrt(3)))))
# A cube's edge, as the isometric view shortens it.
_EDGE = float(np.sqrt(2 / 3))
_COS30 = float(np.sqrt(3) / 2)
_OFFSET = CELLS + 2
_NO_FACE = -1

_PLACES = ((0.125, 0.625), (0.375, 0.125), (0.625, 0.875), (0.875, 0.375))
_SHADE_TINT = np.array([[0.9], [0.95], [1.12]], np.float32)


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """What a pixel needs: the lattice's place in the view, its faces, and their colours."""

    view: View
    origin: tuple[float, float]
    edge: float
    faces: Faces
    table: Indices
    colours: Floats

    def lattice(self, across: Floats, down: Floats) -> tuple[Floats, Floats]:
        """Turn pixel positions into the two lattice coordinates, x - y and z - y of the cubes."""
        x, y = self.view.columns(across, down)
        right = (x - np.float32(self.origin[0])) / np.float32(self.edge * _COS30)
        up = (y - np.float32(self.origin[1])) * np.float32(2 / self.edge)
        return (right - up) * np.float32(0.5), (-right - up) * np.float32(0.5)

    def face(self, p: Floats, q: Floats) -> Indices:
        column, row = np.floor(p), np.floor(q)
        half = ((p - column) > (q - row)).astype(np.intp)
        limit = self.table.shape[0] - 1
        a = np.clip(column.astype(np.intp) + _OFFSET, 0, limit)
        b = np.clip(row.astype(np.intp) + _OFFSET, 0, limit)
        return self.table[a, b, half]


def voxel(cells: Cells, field: Field, *, palette: Floats, dice: Dice, side_px: int) -> Floats:
    """Give a square layer of premultiplied linear red, green, blue and alpha."""
    drawing = _drawing(cells, palette, dice, side_px)
    layer = np.zeros((4, side_px, side_px), np.float32)
    _draw(layer, drawing)
    upright = Field(parts=turned(field.parts, _ISOMETRIC))
    return over_shadow(layer, ground_shadow(upright, drawing.view, _ISOMETRIC))


def _drawing(cells: Cells, palette: Floats, dice: Dice, side_px: int) -> _Drawing:
    faces = faces_of(cells)
    x, y, _ = (_ISOMETRIC @ cells.start).tolist()
    return _Drawing(
        view=_framed(cells, side_px),
        origin=(x, y),
        edge=cells.size * _EDGE,
        faces=faces,
        table=_table(faces),
        colours=_face_colours(cells, faces, palette, dice),
    )


def _framed(cells: Cells, side_px: int) -> View:
    filled = np.argwhere(cells.filled).T
    corners = np.indices((2, 2, 2)).reshape(3, -1)
    places = (filled[:, :, None] + corners[:, None, :]).reshape(3, -1)
    seen = _ISOMETRIC @ (cells.start[:, None] + places * np.float32(cells.size))
    low, high = seen.min(axis=1), seen.max(axis=1)
    x, y, _ = ((low + high) / 2).tolist()
    unit = float((high - low)[:2].max()) / FILL / side_px
    return View(side=side_px, unit=unit, middle=(x, y), top=float(high[2]), bottom=float(low[2]))


def _table(faces: Faces) -> Indices:
    """Let each face take its two triangles; nearer faces come later and take them over."""
    size = 2 * _OFFSET
    table = np.full((size, size, 2), _NO_FACE, np.intp)
    x, y, z = faces.cell.T
    p, q, kind = x - y + _OFFSET, z - y + _OFFSET, faces.kind
    down = np.where(kind == TOP, 1, 0)
    number = np.arange(kind.size)
    # A triangle is (p, q, whether its p fraction is the larger one).
    first = (p - down, q - down, np.where(kind == RIGHT, 1, 0))
    second = (
        p - down - (kind == LEFT),
        q - down - (kind == RIGHT),
        np.where(kind == RIGHT, 0, 1),
    )
    both = [np.stack(pair, axis=1).ravel() for pair in zip(first, second, strict=True)]
    table[both[0], both[1], both[2]] = np.repeat(number, 2)
    return table


def _face_colours(cells: Cells, faces: Faces, palette: Floats, dice: Dice) -> Floats:
    """Colour each face by its cell's role, a little varied, cooler where it is dark."""
    x, y, z = faces.cell.T
    vary = dice.stream("voxel.cells").uniform(0.94, 1.06, cells.roles.shape).astype(np.float32)
    colour = palette[cells.roles[x, y, z]].T * (vary[x, y, z] * faces.light)
    shade = np.clip(1 - faces.light, 0, 1)
    return colour * (1 + (_SHADE_TINT - 1) * shade) + np.float32(0.012)


def _draw(layer: Floats, drawing: _Drawing) -> None:
    side = drawing.view.side
    centres = np.arange(side, dtype=np.float32) + np.float32(0.5)
    p, q = drawing.lattice(*np.broadcast_arrays(centres[None, :], centres[:, None]))
    face = drawing.face(p, q)
    flat = layer.reshape(4, -1)
    seen = np.flatnonzero(face != _NO_FACE)
    flat[:, seen] = _colours(drawing, p.ravel()[seen], q.ravel()[seen], face.ravel()[seen])
    edge = np.flatnonzero(_changes(face))
    down, across = np.divmod(edge, side)
    total = flat[:, edge]
    for right, below in _PLACES:
        p, q = drawing.lattice(across + np.float32(right), down + np.float32(below))
        face = drawing.face(p, q)
        met = np.flatnonzero(face != _NO_FACE)
        total[:, met] += _colours(drawing, p[met], q[met], face[met])
    flat[:, edge] = total / (len(_PLACES) + 1)


def _changes(face: Indices) -> Mask:
    """Mark pixels whose face differs from a neighbour's; only they need more looks."""
    edge = np.zeros_like(face, np.bool_)
    beside, below = face[:, 1:] != face[:, :-1], face[1:] != face[:-1]
    edge[:, 1:] |= beside
    edge[:, :-1] |= beside
    edge[1:] |= below
    edge[:-1] |= below
    return edge


def _colours(drawing: _Drawing, p: Floats, q: Floats, face: Indices) -> Floats:
    """Shade points on their faces: corners interpolated, and a thin bevel around."""
    first, second = _on_face(drawing.faces, p, q, face)
    corners = drawing.faces.corners[:, face]
    low = corners[0] * (1 - second) + corners[1] * second
    high = corners[2] * (1 - second) + corners[3] * second
    light = low * (1 - first) + high * first
    margin = np.minimum(np.minimum(first, 1 - first), np.minimum(second, 1 - second))
    lit_side = np.where(drawing.faces.kind[face] == TOP, 1 - first, first) > 0.5
    bevel = np.clip(1 - margin / np.float32(0.07), 0, 1)
    light += bevel * np.where(lit_side, np.float32(0.1), np.float32(-0.1))
    colour = drawing.colours[:, face] * light
    return np.vstack([colour, np.ones((1, p.size), np.float32)]).astype(np.float32)


def _on_face(faces: Faces, p: Floats, q: Floats, face: Indices) -> tuple[Floats, Floats]:
    """Give the place on a face along its two edges, each from 0 to 1."""
    cell = faces.cell[face].astype(np.float32)
    x, y, z = cell[:, 0], cell[:, 1], cell[:, 2]
    kind = faces.kind[face]
    right, left = np.equal(kind, RIGHT), np.equal(kind, LEFT)
    first = np.where(left, z + 1 - y - q, x + 1 - y - p)
    second = np.where(left, p - x + y, q - z + y) + first
    first = np.where(right | left, first, p - x + y + 1)
    second = np.where(right | left, second, q - z + y + 1)
    return first.astype(np.float32), second.astype(np.float32)
