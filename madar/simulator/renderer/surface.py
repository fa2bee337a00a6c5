"""What the light finds where the subject is seen: normals, roles, corners and cast shadows."""

from dataclasses import dataclass

import numpy as np

from madar.simulator.renderer.field import Field, Members
from madar.simulator.renderer.shapes import Floats

# The key light stands high on the viewer's left.
KEY: Floats = np.array([-0.4839, 0.7162, 0.5033], np.float32)
# Halfway between the key light and the viewer: normals that mirror one into the other.
HALFWAY: Floats = np.array([-0.2791, 0.4130, 0.8669], np.float32)

_TETRAHEDRON = np.array([(1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)], np.float32)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Points in view space, one column each; `shares` has one row for each role."""

    field: Field
    points: Floats
    normals: Floats
    shares: Floats
    unit: float

    def colours(self, palette: Floats) -> Floats:
        return palette.T @ self.shares


def surface_at(field: Field, points: Floats, *, unit: float, fade: float) -> Surface:
    """Fade is how far from an edge between two roles their colours still mix."""
    touching = field.near(points, 2 * unit)
    normals, gap = slope_at(field, points, touching, unit)
    points = points - normals * np.clip(gap, np.float32(-2 * unit), np.float32(2 * unit))
    return Surface(
        field=field,
        points=points,
        normals=normals,
        shares=field.roles(points, touching, fade=fade),
        unit=unit,
    )


def slope_at(field: Field, points: Floats, members: Members, step: float) -> tuple[Floats, Floats]:
    """Give normals and the distance itself, both from the same four taps around each point."""
    slope, gap = np.zeros_like(points), np.zeros(points.shape[1], np.float32)
    for corner in _TETRAHEDRON:
        tap = field.distance(points + corner[:, None] * np.float32(step), members)
        slope += corner[:, None] * tap
        gap += tap * np.float32(0.25)
    x, y, z = slope
    return slope / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-9)), gap


def openness(surface: Surface) -> Floats:
    """Ambient light that reaches a point: 1 in the open, less in corners."""
    closed = np.zeros(surface.points.shape[1], np.float32)
    members = surface.field.near(surface.points, 0.28)
    for height, weight in ((0.06, 0.38), (0.14, 0.34), (0.28, 0.28)):
        tap = surface.points + surface.normals * np.float32(height)
        distance = surface.field.distance(tap, members)
        closed += np.float32(weight) * (1 - distance / np.float32(height))
    return 1 - np.clip(closed, np.float32(0), np.float32(0.92))


def lit(surface: Surface) -> Floats:
    """Key light that reaches a point past the rest of the subject, with soft edges."""
    light = np.ones(surface.points.shape[1], np.float32)
    towards = np.flatnonzero(KEY @ surface.normals > -0.25)
    origin = surface.points[:, towards] + surface.normals[:, towards] * np.float32(0.03)
    open_share = np.ones(towards.size, np.float32)
    for way in (0.08, 0.2, 0.42, 0.8):
        tap = origin + KEY[:, None] * np.float32(way)
        width = 0.28 * way
        distance = surface.field.distance(tap, surface.field.near(tap, width))
        passed = distance / np.float32(width) * np.float32(0.7) + np.float32(0.5)
        open_share = np.minimum(open_share, passed)
    light[towards] = smoothstep(open_share)
    return light


def smoothstep(share: Floats) -> Floats:
    share = np.clip(share, np.float32(0), np.float32(1))
    return share * share * (3 - 2 * share)


def between(values: Floats, low: float, high: float) -> Floats:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    return smoothstep((values - np.float32(low)) / np.float32(high - low))


def patch(normals: Floats, middle: tuple[float, float], half: tuple[float, float]) -> Floats:
    """Mirror a bright rectangle, as of a studio lamp, seen by a viewer straight ahead."""
    nx, ny, nz = normals
    mirrored_x, mirrored_y, mirrored_z = 2 * nz * nx, 2 * nz * ny, 2 * nz * nz - 1
    front = 1 / np.maximum(mirrored_z + np.float32(0.6), np.float32(0.05))
    across = np.abs(mirrored_x * front - np.float32(middle[0]))
    up = np.abs(mirrored_y * front - np.float32(middle[1]))
    soft = 0.22
    return (1 - between(across, half[0] - soft, half[0])) * (
        1 - between(up, half[1] - soft, half[1])
    )
