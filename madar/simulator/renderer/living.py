"""Subjects that grow or shine: heart, tree, mushroom, cat, crescent, planet, star."""

import numpy as np

from madar.simulator.renderer.dice import Dice
from madar.simulator.renderer.palette import Role
from madar.simulator.renderer.parts import (
    FACING,
    UPRIGHT,
    Part,
    around,
    ball,
    box,
    cone,
    drum,
    egg,
    ring,
    tilted,
)
from madar.simulator.renderer.shapes import Vector


def heart(dice: Dice) -> list[Part]:
    parts = _heart("primary", (0, 1.0, 0), 1.0)
    if dice.chance("heart.second", 0.75):
        parts += _heart("second", (0.86, 1.66, 0.12), 0.36)
    if dice.chance("heart.third", 0.6):
        parts += _heart("accent", (-0.86, 0.42, 0.2), 0.27)
    return parts


def _heart(role: Role, middle: Vector, size: float) -> list[Part]:
    x, y, z = middle
    tip = (x, y - 0.62 * size, z)
    radii = (0.47 * size, 0.1 * size)
    lobes = [(x + side * 0.4 * size, y + 0.3 * size, z) for side in (-1, 1)]
    return [cone(role, lobe, tip, radii, blend=0.1 * size) for lobe in lobes]


def tree(dice: Dice) -> list[Part]:
    crown = _fir(dice) if dice.chance("tree.fir", 0.35) else _round_crown(dice)
    mound = egg("light", (0, 0, 0), (0.62, 0.12, 0.62))
    trunk = cone("second", (0, 0.02, 0), (0, 0.9, 0), (0.19, 0.13), blend=0.08)
    roots = [
        cone("second", (0, 0.12, 0), (x, 0.04, z), (0.12, 0.05), blend=0.08)
        for x, z in around(4, 0.32, phase_deg=35)
    ]
    return [mound, trunk, *roots, *crown]


def _round_crown(dice: Dice) -> list[Part]:
    tufts: list[tuple[Vector, float]] = [
        ((0, 1.35, 0), 0.56),
        ((-0.44, 1.12, 0.1), 0.38),
        ((0.46, 1.18, 0.02), 0.4),
        ((0.04, 1.08, 0.4), 0.38),
        ((0.02, 1.12, -0.42), 0.36),
        ((-0.12, 1.78, 0.02), 0.36),
    ]
    leaves = [ball("primary", centre, radius, blend=0.1) for centre, radius in tufts]
    spots: list[Vector] = [
        (-0.5, 1.24, 0.44),
        (0.24, 1.2, 0.72),
        (0.6, 1.36, 0.36),
        (-0.1, 1.62, 0.5),
        (0.3, 1.72, 0.34),
    ]
    count = 3 + int(dice.between("tree.fruit", 0, 2.99))
    return leaves + [ball("accent", spot, 0.105) for spot in spots[:count]]


def _fir(dice: Dice) -> list[Part]:
    tiers = [(0.7, 0.74, 0.3), (1.12, 0.6, 0.22), (1.52, 0.45, 0.06)]
    crown = [
        drum("primary", (0, y, 0), radius, 0.29, top=top, rounding=0.06, blend=0.05)
        for y, radius, top in tiers
    ]
    if not dice.chance("tree.bare", 0.3):
        crown += [
            ball("accent", (x, y, z), 0.085)
            for y, reach, phase in ((0.62, 0.66, 10), (1.05, 0.53, 50), (1.44, 0.4, 0))
            for x, z in around(5, reach, phase_deg=phase)
        ]
    return [*crown, *_star("accent", (0, 1.94, 0), 0.24)]


def mushroom(dice: Dice) -> list[Part]:
    parts = _mushroom("primary", (0, 0, 0), 1.0)
    parts += [
        egg("light", spot, (radius, radius, radius * 0.55), tilt=tilt)
        for spot, radius, tilt in _cap_spots()
    ]
    if dice.chance("mushroom.face", 0.6):
        parts += [egg("dark", (x, 0.56, 0.285), (0.042, 0.06, 0.035)) for x in (-0.11, 0.11)]
        parts += [egg("second", (x, 0.47, 0.27), (0.05, 0.03, 0.03)) for x in (-0.19, 0.19)]
    if dice.chance("mushroom.small", 0.85):
        parts += _mushroom("second", (0.62, 0, 0.3), 0.42)
    tufts = [(-0.42, 0.28), (-0.3, 0.4), (0.3, 0.5)]
    parts += [cone("accent", (x, 0, z), (x * 1.1, 0.2, z * 1.1), (0.07, 0.03)) for x, z in tufts]
    return parts


def _mushroom(role: Role, foot: Vector, size: float) -> list[Part]:
    """The cap is an egg whose lower half is taken away; so it must come first."""
    x, y, z = foot
    cap = egg(role, (x, y + 0.86 * size, z), (0.84 * size, 0.7 * size, 0.84 * size))
    below = box(
        role,
        (x, y + 0.3 * size, z),
        (0.98 * size, 0.56 * size, 0.98 * size),
        blend=0.16 * size,
        subtract=True,
    )
    gills = drum("light", (x, y + 0.85 * size, z), 0.64 * size, 0.06 * size, rounding=0.03 * size)
    stem = cone(
        "light",
        (x, y + 0.24 * size, z),
        (x, y + 0.84 * size, z),
        (0.31 * size, 0.22 * size),
        blend=0.08 * size,
    )
    return [cap, below, gills, stem]


def _cap_spots() -> list[tuple[Vector, float, Vector]]:
    """Place flat spots on the cap by the way they face: turned right, raised up, size."""
    spots: list[tuple[Vector, float, Vector]] = []
    for right_deg, up_deg, radius in (
        (0, 42, 0.19),
        (-62, 26, 0.15),
        (58, 28, 0.16),
        (118, 40, 0.16),
        (-125, 42, 0.15),
        (20, 80, 0.17),
        (-28, 20, 0.09),
        (28, 16, 0.1),
        (95, 18, 0.1),
    ):
        right, up = np.radians(right_deg), np.radians(up_deg)
        x, y, z = np.sin(right) * np.cos(up), np.sin(up), np.cos(right) * np.cos(up)
        span = 1 / np.sqrt((x / 0.84) ** 2 + (y / 0.7) ** 2 + (z / 0.84) ** 2)
        centre = (float(x * span), float(0.86 + y * span), float(z * span))
        spots.append((centre, radius, (-up_deg, right_deg, 0.0)))
    return spots


def cat(dice: Dice) -> list[Part]:
    return [*_cat_body(dice), *_cat_head()]


def _cat_body(dice: Dice) -> list[Part]:
    parts = [
        egg("primary", (0, 0.56, -0.04), (0.46, 0.54, 0.42)),
        egg("light", (0, 0.5, 0.16), (0.31, 0.38, 0.27)),
        ring("second", (0, 0.94, 0.02), 0.33, 0.06),
        cone("primary", (0.3, 0.16, -0.3), (0.72, 0.3, -0.34), (0.12, 0.12), blend=0.06),
        cone("primary", (0.72, 0.3, -0.34), (0.86, 0.72, -0.26), (0.12, 0.11), blend=0.06),
        cone("second", (0.86, 0.74, -0.26), (0.82, 0.9, -0.22), (0.12, 0.08), blend=0.04),
    ]
    for side in (-1, 1):
        x = 0.21 * side
        parts += [
            cone("primary", (x, 0.5, 0.22), (x, 0.16, 0.36), (0.12, 0.12), blend=0.05),
            egg("light", (x, 0.1, 0.4), (0.15, 0.11, 0.18)),
            egg("primary", (0.36 * side, 0.2, 0.08), (0.2, 0.22, 0.3), blend=0.06),
        ]
    if dice.chance("cat.bell", 0.7):
        parts.append(ball("accent", (0, 0.86, 0.38), 0.1))
    return parts


def _cat_head() -> list[Part]:
    parts = [
        egg("primary", (0, 1.36, 0.04), (0.6, 0.5, 0.5)),
        egg("light", (0, 1.2, 0.42), (0.2, 0.14, 0.16), blend=0.03),
        egg("accent", (0, 1.27, 0.57), (0.065, 0.045, 0.05)),
    ]
    for side in (-1, 1):
        parts += [
            cone(
                "primary", (0.33 * side, 1.66, 0), (0.47 * side, 2.02, 0), (0.2, 0.04), blend=0.05
            ),
            cone("second", (0.34 * side, 1.7, 0.1), (0.455 * side, 1.92, 0.075), (0.12, 0.03)),
            egg("dark", (0.24 * side, 1.39, 0.47), (0.082, 0.11, 0.06)),
            ball("light", (0.24 * side - 0.025, 1.435, 0.525), 0.03),
        ]
    return parts


def crescent(dice: Dice) -> list[Part]:
    """A thick disc with a bite; what hangs in the bite must be added after it."""
    parts = [
        drum("primary", (0, 1, 0), 0.92, 0.24, axis=FACING, rounding=0.2),
        drum("primary", (0.36, 1.16, 0), 0.68, 0.6, axis=FACING, blend=0.12, subtract=True),
        *_star("second", (0.4, 1.1, 0.02), 0.42),
    ]
    if dice.chance("crescent.small", 0.7):
        parts += _star("accent", (0.78, 1.62, 0.04), 0.2)
    if dice.chance("crescent.face", 0.4):
        parts += [egg("dark", (-0.5, 0.86, 0.24), (0.045, 0.06, 0.03))]
        parts += [egg("accent", (-0.44, 0.72, 0.24), (0.06, 0.035, 0.02))]
    return parts


def planet(dice: Dice) -> list[Part]:
    lean: Vector = (18.0, 0.0, -20.0)
    axis = tilted(UPRIGHT, lean)
    parts = [ball("primary", (0, 1, 0), 0.72)]
    if dice.chance("planet.bands", 0.5):
        for height, radius, thickness in ((0.34, 0.57, 0.085), (-0.3, 0.6, 0.07)):
            x, y, z = (height * part for part in axis)
            parts.append(ring("second", (x, 1 + y, z), radius, thickness, axis=axis))
    else:
        parts += [egg("second", spot, (r, r, r)) for spot, r in _craters()]
    parts += [
        ring("second", (0, 1, 0), 0.98, 0.075, axis=axis),
        ring("accent", (0, 1, 0), 1.16, 0.045, axis=axis),
    ]
    if dice.chance("planet.moon", 0.8):
        parts.append(ball("light", (0.74, 1.74, 0.3), 0.15))
    return parts


def _craters() -> list[tuple[Vector, float]]:
    return [
        ((-0.2, 1.42, 0.44), 0.19),
        ((0.36, 1.46, 0.3), 0.12),
        ((0.5, 1.06, 0.42), 0.14),
        ((-0.5, 1.16, 0.42), 0.11),
        ((0.1, 0.6, 0.5), 0.17),
        ((0.64, 0.74, 0.0), 0.15),
    ]


def star(dice: Dice) -> list[Part]:
    parts = _star("primary", (0, 1, 0), 1.0)
    if dice.chance("star.face", 0.6):
        parts += [egg("dark", (x, 1.08, 0.33), (0.055, 0.085, 0.05)) for x in (-0.15, 0.15)]
        parts += [egg("accent", (x, 0.93, 0.3), (0.075, 0.045, 0.05)) for x in (-0.27, 0.27)]
    parts += _star("second", (0.84, 1.66, 0.1), 0.3)
    parts += [ball("accent", (-0.86, 1.72, 0), 0.1), ball("accent", (0.9, 0.42, 0.1), 0.075)]
    return parts


def _star(role: Role, middle: Vector, size: float) -> list[Part]:
    x, y, z = middle
    return [
        cone(
            role,
            middle,
            (x + 0.86 * size * across, y + 0.86 * size * up, z),
            (0.36 * size, 0.11 * size),
            blend=0.1 * size,
        )
        for across, up in around(5, 1.0)
    ]
