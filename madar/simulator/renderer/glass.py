"""The glass look: coloured by thickness, bright where light gathers, with real transparency."""

import numpy as np

from madar.simulator.renderer.field import Field, Members
from madar.simulator.renderer.shapes import Floats
from madar.simulator.renderer.surface import (
    HALFWAY,
    KEY,
    Surface,
    between,
    openness,
    patch,
    slope_at,
)

_INWARD_STEPS = 11
_LEAST_STEP = np.float32(0.012)


def glass(surface: Surface, palette: Floats) -> Floats:
    """Give premultiplied linear red, green, blue and alpha for each point."""
    nz = np.clip(surface.normals[2], np.float32(0), np.float32(1))
    members = surface.field.near(surface.points[:2], 0)
    far = _far_wall(surface, members)
    thickness = surface.points[2] - far[2]
    far_slope, _ = slope_at(surface.field, far, members, surface.unit)
    rim = (1 - nz) ** np.float32(2.6)
    shine = _reflections(surface, rim)
    tint = _tint(surface, far, palette, thickness)
    gathered = between(-(KEY @ far_slope), -0.05, 1.0)
    ring = between(1 - nz, 0.35, 0.72) * (1 - between(1 - nz, 0.8, 1.0))
    body = tint * (0.62 + 0.5 * gathered - 0.22 * ring) * (0.55 + 0.45 * openness(surface))
    deep = 1 - np.exp(-thickness * np.float32(1.5))
    alpha = np.clip(0.46 + 0.3 * deep + 0.22 * rim + 0.1 * ring, 0, 0.94)
    alpha = np.clip(alpha + shine * (1 - alpha), 0, 0.96)
    colour = body * alpha * (1 - shine) + shine
    return np.vstack([colour, alpha[None]]).astype(np.float32)


def _far_wall(surface: Surface, members: Members) -> Floats:
    """Walk inward by what the distance allows until the way out."""
    ahead = surface.points.copy()
    ahead[2] -= np.float32(2.5 * surface.unit)
    inside = np.ones(ahead.shape[1], np.bool_)
    for _ in range(_INWARD_STEPS):
        distance = surface.field.distance(ahead, members)
        inside &= distance < 0
        ahead[2] -= np.where(inside, np.maximum(-distance, _LEAST_STEP), np.float32(0))
    return ahead


def _tint(surface: Surface, far: Floats, palette: Floats, thickness: Floats) -> Floats:
    """Light is coloured by both walls and deepens on its way between them."""
    front = surface.colours(palette)
    back = _colours_at(surface.field, far, palette)
    pale = np.float32(0.62) * front + np.float32(0.38) * back
    depth = 0.55 + 0.9 * (1 - np.exp(-thickness * np.float32(1.3)))
    return (pale + np.float32(0.035)) ** depth


def _colours_at(field: Field, points: Floats, palette: Floats) -> Floats:
    return palette.T @ field.roles(points, field.near(points, 0.02), fade=0.03)


def _reflections(surface: Surface, rim: Floats) -> Floats:
    """Two soft boxes and the white edge that glass shows at a glancing look."""
    window = patch(surface.normals, (-0.62, 0.66), (0.46, 0.46)) * np.float32(0.72)
    strip = patch(surface.normals, (1.0, -0.1), (0.26, 0.9)) * np.float32(0.36)
    spark = np.clip(HALFWAY @ surface.normals, 0, 1) ** np.float32(220)
    edge = rim**2 * np.float32(0.5)
    return np.clip(window + strip + spark + edge, 0, 0.95)
