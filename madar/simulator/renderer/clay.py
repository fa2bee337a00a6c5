"""The minimal look: matte pastel clay in broad soft light."""

import numpy as np

from madar.simulator.renderer.palette import to_encoded, to_linear
from madar.simulator.renderer.shapes import Floats
from madar.simulator.renderer.surface import KEY, Surface, lit, openness

# How much wider blends are than in the other styles, and how much warm white the colours take.
SOFTNESS = 0.045
_WHITE_SHARE = np.float32(0.28)
_WARM_WHITE = np.array([1.0, 0.975, 0.95], np.float32)


def pastel(palette: Floats) -> Floats:
    """Mix as a painter does, in encoded values, so that hues stay recognisable."""
    encoded = to_encoded(palette)
    return to_linear(encoded * (1 - _WHITE_SHARE) + _WARM_WHITE * _WHITE_SHARE)


def clay(surface: Surface, palette: Floats) -> Floats:
    """Give premultiplied linear red, green, blue and alpha for each point."""
    _, ny, nz = surface.normals
    open_share = openness(surface)
    key = np.clip((KEY @ surface.normals + 0.55) / 1.55, 0, 1) * (0.45 + 0.55 * lit(surface))
    base = surface.colours(pastel(palette))
    sky = (0.6 + 0.4 * ny) * open_share
    warm = np.array([[1.03], [1.0], [0.96]], np.float32)
    cool = np.array([[0.95], [0.98], [1.05]], np.float32)
    fuzz = (1 - np.clip(nz, 0, 1)) ** np.float32(2.5) * open_share * np.float32(0.1)
    colour = base * (key * warm * 0.66 + sky * cool * 0.38 + 0.1) + base * fuzz + 0.3 * fuzz
    return np.vstack([colour, np.ones_like(nz)[None]]).astype(np.float32)
