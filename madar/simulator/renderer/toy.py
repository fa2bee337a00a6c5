"""The toy look: glossy plastic under a soft box."""

import numpy as np

from madar.simulator.renderer.shapes import Floats
from madar.simulator.renderer.surface import HALFWAY, KEY, Surface, lit, openness, patch


def toy(surface: Surface, palette: Floats) -> Floats:
    """Give premultiplied linear red, green, blue and alpha for each point."""
    nx, ny, nz = surface.normals
    facing = KEY @ surface.normals
    open_share = openness(surface)
    key = np.clip((facing + 0.3) / 1.3, 0, 1) * (0.25 + 0.75 * lit(surface))
    sky = (0.5 + 0.5 * ny) * open_share
    base = surface.colours(palette)
    cool = np.array([[0.86], [0.94], [1.08]], np.float32)
    warm = np.array([[1.06], [1.0], [0.93]], np.float32)
    bounce = (0.5 - 0.5 * ny) * open_share * np.float32(0.22)
    colour = base * (key * warm * 0.78 + sky * cool * 0.36 + bounce + 0.1 * open_share)
    shine = np.clip(HALFWAY @ surface.normals, 0, 1) ** np.float32(110) * np.float32(0.7)
    rim = (1 - np.clip(nz, 0.12, 1)) ** np.float32(3.5) * (0.5 + 0.5 * ny) * np.float32(0.2)
    lamp = patch(surface.normals, (-0.62, 0.72), (0.46, 0.4)) * np.float32(0.2)
    side = patch(surface.normals, (1.15, 0.1), (0.3, 0.75)) * np.float32(0.05)
    colour = colour + shine + (rim * (0.3 + base) + lamp + side) * open_share
    return np.vstack([colour, np.ones_like(nx)[None]]).astype(np.float32)
