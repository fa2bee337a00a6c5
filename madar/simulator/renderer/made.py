"""Subjects that people build: rocket, house, robot, lantern, cup."""

from madar.simulator.renderer.dice import Dice
from madar.simulator.renderer.parts import (
    FACING,
    SIDEWAYS,
    Part,
    around,
    ball,
    box,
    cone,
    drum,
    egg,
    ring,
)


def rocket(dice: Dice) -> list[Part]:
    parts = [
        cone("light", (0, 0.66, 0), (0, 1.32, 0), (0.44, 0.4), blend=0.03),
        drum("primary", (0, 1.74, 0), 0.385, 0.22, top=0.2, rounding=0.05),
        cone("primary", (0, 1.8, 0), (0, 2.16, 0), (0.25, 0.05), blend=0.12),
        ring("primary", (0, 1.42, 0), 0.36, 0.065),
        drum("dark", (0, 0.2, 0), 0.3, 0.1, top=0.2, rounding=0.03),
        cone("accent", (0, 0.1, 0), (0, -0.3, 0), (0.2, 0.03)),
        ring("second", (0, 1.08, 0.4), 0.19, 0.06, axis=FACING),
        egg("accent", (0, 1.08, 0.4), (0.18, 0.18, 0.07)),
    ]
    count = dice.pick("rocket.fins", (3, 4))
    for x, z in around(count, 1.0, phase_deg=180 / count if count == 4 else 0):
        start, end = (0.4 * x, 0.66, 0.4 * z), (0.78 * x, 0.14, 0.78 * z)
        parts.append(cone("primary", start, end, (0.17, 0.1), blend=0.06))
        parts.append(cone("second", (end[0], 0.14, end[2]), (end[0], 0.0, end[2]), (0.11, 0.08)))
    return parts


def house(dice: Dice) -> list[Part]:
    parts = [
        box("second", (0, 0.02, 0), (0.86, 0.06, 0.76), rounding=0.04),
        box("light", (0, 0.55, 0), (0.62, 0.5, 0.52)),
        box("light", (0, 1.05, 0), (0.43, 0.43, 0.5), tilt=(0, 0, 45)),
        box("second", (0, 0.38, 0.52), (0.17, 0.32, 0.05), rounding=0.03),
        ball("accent", (0.1, 0.38, 0.58), 0.035),
        box("second", (0, 0.1, 0.64), (0.24, 0.05, 0.14), rounding=0.03),
        drum("accent", (0, 1.14, 0.5), 0.13, 0.05, axis=FACING, rounding=0.03),
    ]
    for side in (-1, 1):
        tilt = (0, 0, -45.0 * side)
        parts.append(box("primary", (0.43 * side, 1.34, 0), (0.6, 0.07, 0.64), tilt=tilt))
    for x, z in ((-0.4, 0.52), (0.4, 0.52)):
        parts += _window(x, z)
    for z in (-0.24, 0.24):
        parts.append(box("second", (0.62, 0.66, z), (0.045, 0.19, 0.17), rounding=0.03))
        parts.append(box("accent", (0.64, 0.66, z), (0.045, 0.14, 0.12), rounding=0.02))
    if dice.chance("house.chimney", 0.8):
        parts += [
            box("light", (0.36, 1.56, -0.24), (0.12, 0.32, 0.12), rounding=0.03),
            box("primary", (0.36, 1.88, -0.24), (0.16, 0.06, 0.16), rounding=0.03),
        ]
    parts += [ball("second", (x, 0.17, 0.62), 0.14, blend=0.04) for x in (-0.62, 0.6)]
    return parts


def _window(x: float, z: float) -> list[Part]:
    return [
        box("second", (x, 0.66, z), (0.14, 0.18, 0.045), rounding=0.03),
        box("accent", (x, 0.66, z + 0.02), (0.095, 0.135, 0.045), rounding=0.02),
    ]


def robot(dice: Dice) -> list[Part]:
    parts = [
        box("primary", (0, 1.5, 0), (0.54, 0.4, 0.42), rounding=0.2),
        box("dark", (0, 1.49, 0.37), (0.4, 0.26, 0.09), rounding=0.085),
        drum("light", (0, 1.05, 0), 0.16, 0.1),
        box("primary", (0, 0.68, 0), (0.42, 0.36, 0.33), rounding=0.16),
        box("light", (0, 0.72, 0.3), (0.25, 0.2, 0.07), rounding=0.05),
        ball("accent", (-0.1, 0.76, 0.37), 0.06),
        ball("second", (0.1, 0.76, 0.37), 0.06),
        cone("light", (0, 1.88, 0), (0, 2.1, 0), (0.04, 0.035)),
        ball("accent", (0, 2.16, 0), 0.1),
    ]
    if dice.chance("robot.smile", 0.6):
        parts.append(cone("accent", (-0.08, 1.36, 0.46), (0.08, 1.36, 0.46), (0.026, 0.026)))
    for side in (-1, 1):
        parts += _robot_side(side, raised=side > 0 and dice.chance("robot.wave", 0.6))
    return parts


def _robot_side(side: int, *, raised: bool) -> list[Part]:
    hand = (0.86 * side, 1.2, 0.12) if raised else (0.68 * side, 0.46, 0.16)
    return [
        egg("accent", (0.18 * side, 1.52, 0.455), (0.085, 0.11, 0.05)),
        drum("second", (0.55 * side, 1.5, 0), 0.17, 0.08, axis=SIDEWAYS, rounding=0.04),
        ball("second", (0.47 * side, 0.86, 0), 0.13),
        cone("light", (0.5 * side, 0.86, 0), hand, (0.085, 0.085)),
        ball("primary", hand, 0.14),
        drum("light", (0.2 * side, 0.26, 0), 0.11, 0.14),
        egg("second", (0.22 * side, 0.1, 0.08), (0.2, 0.13, 0.27)),
    ]


def lantern(dice: Dice) -> list[Part]:
    sides = dice.pick("lantern.sides", (6, 8))
    bars = [
        cone("primary", (x, 0.3, z), (x, 1.18, z), (0.055, 0.055))
        for x, z in around(sides, 0.44, phase_deg=15)
    ]
    parts = [
        drum("primary", (0, 0.08, 0), 0.6, 0.1),
        drum("primary", (0, 0.24, 0), 0.52, 0.08),
        drum("accent", (0, 0.72, 0), 0.37, 0.44),
        *bars,
        ring("second", (0, 0.74, 0), 0.45, 0.055),
        drum("primary", (0, 1.2, 0), 0.58, 0.07),
        drum("primary", (0, 1.46, 0), 0.52, 0.24, top=0.16, rounding=0.05),
        ring("second", (0, 1.3, 0), 0.47, 0.05),
        drum("second", (0, 1.72, 0), 0.19, 0.06),
        egg("primary", (0, 1.84, 0), (0.13, 0.12, 0.13)),
        ring("primary", (0, 2.04, 0), 0.14, 0.045, axis=FACING),
    ]
    if dice.chance("lantern.feet", 0.5):
        parts += [ball("second", (x, 0.0, z), 0.1) for x, z in around(4, 0.48, phase_deg=45)]
    return parts


def cup(dice: Dice) -> list[Part]:
    """The hollow is cut before the coffee and the handle are added, or it would cut them too."""
    parts = [
        drum("primary", (0, 0.64, 0), 0.5, 0.52, top=0.57, rounding=0.1),
        drum("primary", (0, 1.06, 0), 0.47, 0.32, rounding=0.06, blend=0.04, subtract=True),
        drum("second", (0, 0.86, 0), 0.47, 0.14, rounding=0.02),
        ring("primary", (0.62, 0.66, 0), 0.27, 0.095, axis=FACING, blend=0.05),
        drum("light", (0, 0.05, 0), 0.62, 0.075, top=0.95, rounding=0.05),
    ]
    if dice.chance("cup.band", 0.5):
        parts.append(ring("accent", (0, 0.36, 0), 0.5, 0.05))
    else:
        parts += [
            cone("accent", (0.09 * side, 0.74, 0.53), (0, 0.56, 0.51), (0.1, 0.04), blend=0.03)
            for side in (-1, 1)
        ]
    for x, rise in dice.pick("cup.steam", (((-0.18, 0), (0.14, 0.1)), ((0, 0.05),))):
        parts += _steam(x, 1.3 + rise)
    return parts


def _steam(x: float, y: float) -> list[Part]:
    bends = [(x, y, 0), (x + 0.09, y + 0.16, 0), (x - 0.04, y + 0.34, 0), (x + 0.05, y + 0.52, 0)]
    radii = [0.04, 0.06, 0.055, 0.02]
    pairs = zip(bends, bends[1:], radii, radii[1:], strict=False)
    return [cone("light", a, b, (ra, rb), blend=0.05) for a, b, ra, rb in pairs]
