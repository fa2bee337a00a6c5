"""What a subject is made of: shapes with a role, and the short words to write them down."""

from dataclasses import dataclass, replace

import numpy as np

from madar.simulator.renderer.palette import Role
from madar.simulator.renderer.plate import Plate
from madar.simulator.renderer.shapes import (
    Ball,
    Box,
    Cone,
    Drum,
    Egg,
    Floats,
    Ring,
    Vector,
    rotation,
    turn,
)

Shape = Ball | Cone | Egg | Box | Drum | Ring | Plate

UPRIGHT: Vector = (0.0, 1.0, 0.0)
FACING: Vector = (0.0, 0.0, 1.0)
SIDEWAYS: Vector = (1.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One shape of a subject; a part with `subtract` is taken out of all parts before it."""

    shape: Shape
    role: Role
    blend: float = 0.015
    subtract: bool = False

    def turned(self, matrix: Floats) -> "Part":
        return replace(self, shape=self.shape.turned(matrix))


def ball(role: Role, centre: Vector, radius: float, *, blend: float = 0.015) -> Part:
    return Part(shape=Ball(centre=centre, radius=radius), role=role, blend=blend)


def cone(
    role: Role, start: Vector, end: Vector, radii: tuple[float, float], *, blend: float = 0.015
) -> Part:
    shape = Cone(start=start, end=end, start_radius=radii[0], end_radius=radii[1])
    return Part(shape=shape, role=role, blend=blend)


def egg(
    role: Role,
    centre: Vector,
    radii: Vector,
    *,
    tilt: Vector = (0, 0, 0),
    blend: float = 0.015,
    subtract: bool = False,
) -> Part:
    shape = Egg(centre=centre, radii=radii, frame=_frame(tilt))
    return Part(shape=shape, role=role, blend=blend, subtract=subtract)


def box(
    role: Role,
    centre: Vector,
    half: Vector,
    *,
    rounding: float = 0.05,
    tilt: Vector = (0, 0, 0),
    blend: float = 0.015,
    subtract: bool = False,
) -> Part:
    shape = Box(centre=centre, half=half, rounding=rounding, frame=_frame(tilt))
    return Part(shape=shape, role=role, blend=blend, subtract=subtract)


def drum(
    role: Role,
    centre: Vector,
    radius: float,
    half: float,
    *,
    top: float | None = None,
    rounding: float = 0.04,
    axis: Vector = UPRIGHT,
    blend: float = 0.015,
    subtract: bool = False,
) -> Part:
    shape = Drum(
        centre=centre,
        axis=axis,
        half=half,
        radius=radius,
        top_radius=radius if top is None else top,
        rounding=rounding,
    )
    return Part(shape=shape, role=role, blend=blend, subtract=subtract)


def ring(
    role: Role,
    centre: Vector,
    radius: float,
    thickness: float,
    *,
    axis: Vector = UPRIGHT,
    blend: float = 0.015,
) -> Part:
    shape = Ring(centre=centre, axis=axis, radius=radius, thickness=thickness)
    return Part(shape=shape, role=role, blend=blend)


def tilted(axis: Vector, tilt: Vector) -> Vector:
    return turn(rotation(tilt), axis)


def around(count: int, radius: float, *, phase_deg: float = 0.0) -> list[tuple[float, float]]:
    """Give (x, z) of points evenly spread on a circle, the first towards the viewer."""
    angles = np.radians(phase_deg + 360 * np.arange(count) / count)
    return [(radius * float(np.sin(a)), radius * float(np.cos(a))) for a in angles]


def _frame(tilt: Vector) -> Floats:
    """Shapes look at points in their own frame, so a tilt is undone rather than done."""
    return rotation(tilt).T
