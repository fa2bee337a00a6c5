"""The neon look: a near-black glossy body whose edges are lit tubes with a glow around them."""

import numpy as np
import numpy.typing as npt

from madar.simulator.renderer.blur import blurred, halved, softened
from madar.simulator.renderer.camera import margin
from madar.simulator.renderer.finish import enlarged
from madar.simulator.renderer.palette import to_encoded, to_linear
from madar.simulator.renderer.shapes import Floats
from madar.simulator.renderer.smoothing import smooth_edges
from madar.simulator.renderer.surface import KEY, Surface, openness, patch

Mask = npt.NDArray[np.bool_]

GUIDES = 7
"""Rows of a guide: normal x, y, z, depth in pixels, then the tube's red, green, blue."""


def body(surface: Surface, palette: Floats) -> Floats:
    """Give premultiplied linear red, green, blue and alpha for each point."""
    nz = surface.normals[2]
    base = surface.colours(palette)
    dark = np.float32(0.007) + base * np.float32(0.014)
    key = np.clip(KEY @ surface.normals, 0, 1)
    gloss = patch(surface.normals, (-0.6, 0.7), (0.5, 0.42)) * np.float32(0.07)
    rim = (1 - np.clip(nz, 0, 1)) ** np.float32(3) * np.float32(0.12)
    colour = dark * (0.6 + key) * (0.4 + 0.6 * openness(surface)) + gloss + base * rim
    return np.vstack([colour, np.ones_like(nz)[None]]).astype(np.float32)


def guides(surface: Surface, palette: Floats) -> Floats:
    """Give what edges are found in, for each point."""
    depth = surface.points[2:] / np.float32(surface.unit)
    return np.vstack([surface.normals, depth, surface.colours(glowing(palette))])


def glowing(palette: Floats) -> Floats:
    """Turn any colour into one a tube can have: bright, and dark roles into the accent."""
    bright = to_encoded(palette).copy()
    bright[4] = bright[2]
    bright[3] = np.array([0.62, 0.93, 1.0], np.float32)
    low, high = bright.min(axis=1, keepdims=True), bright.max(axis=1, keepdims=True)
    vivid = (bright - low * np.float32(0.75)) / (high - low * np.float32(0.75) + np.float32(1e-6))
    return to_linear(np.where(high - low < 0.08, np.maximum(bright, 0.8), vivid))


def with_tubes(layer: Floats, guide: Floats) -> Floats:
    """Add tubes along the edges and their glow; alpha is the body's or the brightness."""
    tubes = _edges(guide, layer[3] > 0.5) * guide[4:7]
    scale = layer.shape[1] / 512
    core = softened(softened(tubes))
    smooth_edges(core)
    near = _wide(tubes, 4.8 * scale) * margin(layer.shape[1])
    # On the dark body the wide glow would only look like fog.
    wide = _wide(tubes, 17.6 * scale) * (1 - np.float32(0.65) * layer[3])
    wide *= margin(layer.shape[1]) * np.float32(scale)
    light = 1 - np.exp(-(core * np.float32(4.6) + near * np.float32(3.0) + wide * np.float32(3.0)))
    hot = np.clip(core.max(axis=0) * np.float32(2.2) - np.float32(0.45), 0, 1)
    light += hot * np.float32(0.6) * (1 - light)
    alpha = layer[3] + (1 - layer[3]) * light.max(axis=0)
    return np.concatenate([layer[:3] * (1 - light) + light, alpha[None]])


def _edges(guide: Floats, body: Mask) -> Floats:
    """Mark where normal, depth or colour jump inside the body, and where the body ends.

    Of two neighbours the nearer one carries the tube, so that it has one colour.
    """
    edge = np.zeros(body.shape, np.float32)
    for axis in (0, 1):
        ahead, body_ahead = np.roll(guide, -1, axis + 1), np.roll(body, -1, axis)
        jump = guide[3] - ahead[3]
        bend = 1 - (guide[:3] * ahead[:3]).sum(axis=0)
        hue = np.abs(guide[4:] - ahead[4:]).sum(axis=0)
        inner = np.maximum(_ramp(np.abs(jump), 6, 11), _ramp(hue, 0.12, 0.4))
        inner = np.maximum(inner, _ramp(bend, 0.07, 0.25)) * (body & body_ahead)
        here = np.where(jump >= 0, inner, 0) + (body & ~body_ahead)
        there = np.where(jump < 0, inner, 0) + (body_ahead & ~body)
        edge = np.maximum(edge, np.maximum(here, np.roll(there, 1, axis)))
    return edge.astype(np.float32)


def _ramp(values: Floats, low: float, high: float) -> Floats:
    return np.clip((values - low) / np.float32(high - low), np.float32(0), np.float32(1))


def _wide(layer: Floats, sigma: float) -> Floats:
    """Blur, a wide one on a shrunken copy: the same glow for a fraction of the work."""
    height, width = layer.shape[-2:]
    halvings = 0
    while sigma > 3:
        layer, sigma, halvings = halved(layer), sigma / 2, halvings + 1
    layer = blurred(layer, max(sigma, 0.8))
    for _ in range(halvings):
        layer = enlarged(layer)
    return np.maximum(layer[..., :height, :width], np.float32(0))
