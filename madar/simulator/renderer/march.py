"""Sphere tracing: where each line of sight meets the subject, block by block and then by pixel."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madar.simulator.renderer.camera import View
from madar.simulator.renderer.field import FAR, Field, Indices, Members
from madar.simulator.renderer.shapes import Floats

_STRIP = 32768
_MOST_STEPS = 30
_BLOCKS_FROM_PX = 160
_BLOCK_PX = 4
_BLOCK_STEPS = 16
_BLOCK_TOUCH = np.float32(1.15)
# A line of sight that comes this close, in pixels, has met the subject.
_TOUCH = np.float32(0.4)
# Blends and eggs bend the distance a little; steps a little short of it never overshoot.
_CAUTION = np.float32(0.94)


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Lines of sight that meet the subject, or pass it within a pixel.

    `pixel` is the index into the square row by row, `gap` the closest approach in pixels.
    """

    pixel: Indices
    points: Floats
    gap: Floats

    def coverage(self) -> Floats:
        """How much of each pixel is subject; a near miss softens the outline."""
        return np.clip(1 + _TOUCH - self.gap, np.float32(0), np.float32(1))


def trace(field: Field, view: View) -> Iterator[Hits]:
    """Follow one line of sight per pixel, only in the blocks that can meet the subject.

    They come in strips, small enough for the processor's cache and near few parts each.
    """
    pixels, starts = _starts(field, view)
    for at in range(0, pixels.size, _STRIP):
        pixel, start = pixels[at : at + _STRIP], starts[at : at + _STRIP]
        down, across = np.divmod(pixel, view.side)
        columns = view.columns(across + np.float32(0.5), down + np.float32(0.5))
        points, gap = march(field, columns, start, view)
        kept = np.flatnonzero(gap < 1 + _TOUCH)
        yield Hits(pixel=pixel[kept], points=points[:, kept], gap=gap[kept])


def _starts(field: Field, view: View) -> tuple[Indices, Floats]:
    """Give the pixels that can meet the subject, and how far each may go at once.

    In a small square looking at blocks first costs more than it saves.
    """
    if view.side < _BLOCKS_FROM_PX:
        everything: Indices = np.arange(view.side**2, dtype=np.intp)
        return everything, np.full(view.side**2, view.top, np.float32)
    blocks, reached = _blocks(field, view, _BLOCK_PX)
    return _pixels_of_blocks(blocks, reached, view.side, _BLOCK_PX)


def march(field: Field, columns: Floats, start: Floats, view: View) -> tuple[Floats, Floats]:
    """Give the point of closest approach on each line of sight, and its gap in pixels."""
    ahead = np.vstack([columns, start[None]])
    best, gap = ahead.copy(), np.full(start.size, FAR, np.float32)
    members = field.near(columns, view.unit)
    alive = np.arange(start.size)
    touch, least = _TOUCH * np.float32(view.unit), np.float32(1.25 * view.unit)
    for _ in range(_MOST_STEPS):
        distance = field.distance(ahead, members)
        closer = np.flatnonzero(distance < gap[alive])
        gap[alive[closer]] = distance[closer]
        best[2, alive[closer]] = ahead[2, closer]
        going = (distance > touch) & (ahead[2] > view.bottom)
        ahead[2] -= np.maximum(distance * _CAUTION, least)
        if not going.any():
            break
        if np.count_nonzero(going) < 0.85 * going.size:
            ahead, alive = ahead[:, going], alive[going]
            members = _kept(members, going)
    return best, gap / np.float32(view.unit)


def _kept(members: Members, going: npt.NDArray[np.bool_]) -> Members:
    moved_to = np.cumsum(going) - 1
    return [moved_to[own[going[own]]] for own in members]


def _blocks(field: Field, view: View, step: int) -> tuple[Indices, Floats]:
    """March one thick ray per block; give the blocks it touches and how far it came."""
    columns = view.grid(step)
    thick = np.float32(view.unit * (0.7072 * step + 1))
    points = np.vstack([columns, np.full((1, columns.shape[1]), view.top, np.float32)])
    members = field.near(columns, float(thick))
    going = np.bincount(np.concatenate(members), minlength=points.shape[1]) > 0
    block: Indices = np.arange(points.shape[1], dtype=np.intp)
    reached = np.full(points.shape[1], np.inf, np.float32)
    for _ in range(_BLOCK_STEPS):
        points, block, members = points[:, going], block[going], _kept(members, going)
        distance = field.distance(points, members)
        touched = distance < _BLOCK_TOUCH * thick
        reached[block[touched]] = points[2, touched]
        free = np.sqrt(np.maximum(distance * distance - thick * thick, np.float32(0)))
        points[2] -= free * _CAUTION
        going = ~touched & (points[2] > view.bottom)
    # Blocks that are still on their way may yet meet something: their pixels go on from there.
    reached[block[going]] = points[2, going]
    blocks = np.flatnonzero(np.isfinite(reached))
    return blocks, reached[blocks]


def _pixels_of_blocks(
    blocks: Indices, start: Floats, side: int, step: int
) -> tuple[Indices, Floats]:
    """Spread blocks over their pixels; the last blocks may stand out over the square."""
    across_count = -(-side // step)
    block_down, block_across = np.divmod(blocks, across_count)
    inner_down, inner_across = np.divmod(np.arange(step * step), step)
    down = (block_down[:, None] * step + inner_down).ravel()
    across = (block_across[:, None] * step + inner_across).ravel()
    within = (down < side) & (across < side)
    return (down * side + across)[within], np.repeat(start, step * step)[within]
