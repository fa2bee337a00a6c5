"""A puffy plate: any flat outline, given as a map of distances, with a rounded thickness."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from madar.simulator.renderer.sampling import bilinear
from madar.simulator.renderer.shapes import Floats, Vector, turn

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Plate:
    """`outline` holds signed distances in units of space; its middle lies at `centre`."""

    centre: Vector
    outline: Floats
    width: float
    half: float
    rounding: float
    frame: Floats

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Only what is inside the outline counts, not the map's empty margin."""
        rows, columns = self.outline.shape
        inside = np.argwhere(self.outline < 0)
        top, left = inside.min(axis=0)
        bottom, right = inside.max(axis=0) + 1
        cell = self.width / columns
        across, up = (left + right - columns) / 2 * cell, (rows - top - bottom) / 2 * cell
        half = np.array([(right - left) / 2 * cell, (bottom - top) / 2 * cell, self.half])
        middle = np.array(self.centre) + self.frame.T @ np.array([across, up, 0])
        reach = np.abs(self.frame.T) @ half
        return (middle - reach).astype(np.float32), (middle + reach).astype(np.float32)

    def distance(self, points: Floats) -> Floats:
        x, y, z = self.frame @ (points - np.array(self.centre, np.float32)[:, None])
        rows, columns = self.outline.shape
        scale = np.float32(columns / self.width)
        flat = bilinear(
            self.outline[None],
            x * scale + np.float32(columns / 2 - 0.5),
            np.float32(rows / 2 - 0.5) - y * scale,
        )[0]
        side = flat + np.float32(self.rounding)
        cap = np.abs(z) - np.float32(self.half - self.rounding)
        inside = np.minimum(np.maximum(side, cap), np.float32(0))
        side, cap = np.maximum(side, np.float32(0)), np.maximum(cap, np.float32(0))
        return np.sqrt(side * side + cap * cap) + inside - np.float32(self.rounding)

    def turned(self, rotation: Floats) -> Self:
        return replace(self, centre=turn(rotation, self.centre), frame=self.frame @ rotation.T)


def distances(mask: Mask) -> Floats:
    """Give each cell's distance to the outline of a mask in cells, negative inside."""
    solid, empty = np.argwhere(mask), np.argwhere(~mask)
    result = np.zeros(mask.shape, np.float32)
    result[~mask] = _nearest(empty, _rim(mask)) - np.float32(0.5)
    result[mask] = np.float32(0.5) - _nearest(solid, _rim(~mask))
    return result


def _rim(mask: Mask) -> npt.NDArray[np.intp]:
    """Keep only the cells that touch the other side; no other can be the nearest."""
    wide = np.pad(mask, 1, mode="edge")
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return np.argwhere(mask & ~inner)


def _nearest(cells: npt.NDArray[np.intp], others: npt.NDArray[np.intp]) -> Floats:
    way = (cells[:, None, :] - others[None, :, :]).astype(np.float32)
    return np.sqrt((way * way).sum(axis=2).min(axis=1))
