"""From premultiplied linear floats to the bytes of a picture, and to plain pictures and PNG."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips  # pyright: ignore[reportMissingTypeStubs]

from madar.simulator.renderer.palette import to_encoded
from madar.simulator.renderer.shapes import Floats

Bytes = npt.NDArray[np.uint8]
Ground = tuple[int, int, int]

_TABLE_SIZE = 4096


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Straight alpha, sRGB, rows × columns × 4; `ground` suits the style when none is asked for."""

    rgba: Bytes
    ground: Ground


def on_ground(picture: Picture, ground: Ground | None = None) -> Bytes:
    """Lay the picture on a plain ground, as a model without transparency answers."""
    behind = np.array(ground or picture.ground, np.float32)
    alpha = picture.rgba[..., 3:].astype(np.float32) / 255
    mixed = picture.rgba[..., :3] * alpha + behind * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)


def to_png(pixels: Bytes) -> bytes:
    """Encode RGBA or RGB pixels. Low effort: the pipeline re-encodes what it keeps."""
    image: Any = pyvips.Image.new_from_array(pixels, interpretation="srgb")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return image.pngsave_buffer(compression=3, filter="sub")


def enlarged(layer: Floats) -> Floats:
    """Double both sides with the Mitchell kernel, which leaves no rims."""
    return np.stack([_doubled(_doubled(band).T).T for band in layer])


def to_bytes(layer: Floats) -> Bytes:
    """Divide by alpha and encode. Pixels without alpha become plain zero."""
    rgba = np.zeros((*layer.shape[1:], 4), np.uint8)
    alpha = np.clip(layer[3], np.float32(0), np.float32(1))
    seen = alpha >= np.float32(0.5 / 255)
    whole = np.where(seen, alpha, np.float32(np.inf))
    for band in range(3):
        straight = np.clip(layer[band] / whole, np.float32(0), np.float32(1))
        steps = np.sqrt(straight) * np.float32(_TABLE_SIZE - 1) + np.float32(0.5)
        rgba[..., band] = _ENCODED[steps.astype(np.uint16)]
    rgba[..., 3] = np.where(seen, alpha * np.float32(255) + np.float32(0.5), np.float32(0))
    return rgba


def finished(layer: Floats, *, side_px: int, width_px: int, height_px: int) -> Bytes:
    """Bring a square layer to its side, and the square to the middle of its canvas.

    A canvas that is longer one way stays empty there; nothing is ever stretched.
    """
    rgba = np.zeros((height_px, width_px, 4), np.uint8)
    top, left = (height_px - side_px) // 2, (width_px - side_px) // 2
    square = rgba[top : top + side_px, left : left + side_px]
    first, last = _filled(layer)
    content = layer[:, first[0] : last[0], first[1] : last[1]]
    if layer.shape[1] < side_px:
        content, first, last = enlarged(content), first * 2, last * 2
    square[first[0] : last[0], first[1] : last[1]] = to_bytes(content)[
        : side_px - first[0], : side_px - first[1]
    ]
    return rgba


def _filled(layer: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Find the first row and column with content and those behind the last, with a margin."""
    seen = layer[3] > 0.25 / 255
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    first = np.maximum(np.array([rows[0], columns[0]]) - 3, 0)
    last = np.minimum(np.array([rows[-1], columns[-1]]) + 4, layer.shape[1])
    return first, last


def _mitchell(distance: float) -> float:
    """Mitchell and Netravali's filter with B = C = 1/3."""
    x = abs(distance)
    if x < 1:
        return (7 * x**3 - 12 * x**2 + 16 / 3) / 6
    return (-7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3) / 6


_WEIGHTS = [np.float32(_mitchell(distance)) for distance in (-1.75, -0.75, 0.25, 1.25)]
# Encoding by table, indexed by the square root so that dark tones keep their steps.
_ENCODED = np.rint(to_encoded(np.linspace(0, 1, _TABLE_SIZE, dtype=np.float32) ** 2) * 255).astype(
    np.uint8
)


def _doubled(layer: Floats) -> Floats:
    """Each column becomes two, a quarter of a step before it and behind it."""
    width = layer.shape[-1]
    padded = np.pad(layer, [(0, 0)] * (layer.ndim - 1) + [(2, 2)], mode="edge")
    wide = np.empty((*layer.shape[:-1], width, 2), np.float32)
    for offset, weights in ((0, _WEIGHTS), (1, _WEIGHTS[::-1])):
        total = padded[..., offset : offset + width] * weights[0]
        for at in range(1, 4):
            total += padded[..., offset + at : offset + at + width] * weights[at]
        wide[..., offset] = total
    return wide.reshape(*layer.shape[:-1], 2 * width)
