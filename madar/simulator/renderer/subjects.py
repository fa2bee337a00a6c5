"""Which subjects there are: how each is built, turned to the viewer, and coloured by nature."""

from collections.abc import Callable
from dataclasses import dataclass

from madar.simulator.renderer import living, made
from madar.simulator.renderer.dice import Dice
from madar.simulator.renderer.palette import Palette
from madar.simulator.renderer.parts import Part


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`turn_deg` is how far it is turned to show its right side; flat things turn less.

    Cubes are seen over a corner, so there flat things turn towards the viewer by `cube_turn_deg`.
    """

    build: Callable[[Dice], list[Part]]
    turn_deg: float = 24.0
    cube_turn_deg: float = 0.0
    colours: tuple[Palette, ...] = ()


def _colours(*triples: str) -> tuple[Palette, ...]:
    words = [triple.split() for triple in triples]
    return tuple(Palette(primary=a, second=b, accent=c) for a, b, c in words)


# Subjects without colours of their own, and every second choice, take one of these.
ANY_COLOURS = _colours(
    "#e4572e #17a9a5 #ffc914",
    "#5b5bd6 #ff7eb6 #ffd166",
    "#0ea5a0 #ff9f6b #ffe45c",
    "#ef476f #ffd166 #12bfa0",
    "#3a86ff #ffbe0b #ff4f79",
    "#6fb52c #ff6b5e #ffca3a",
    "#f77f00 #2fb1e0 #fcd34d",
    "#9b5de5 #22b8f0 #fee440",
    "#d94f8c #6ec6ff #ffd93d",
)

SUBJECTS: dict[str, Subject] = {
    "rocket": Subject(build=made.rocket),
    "heart": Subject(
        build=living.heart,
        turn_deg=16,
        cube_turn_deg=27,
        colours=_colours("#e5304f #ff8fab #ffc2d1", "#f2416b #ff9e7a #ffd166"),
    ),
    "tree": Subject(
        build=living.tree,
        colours=_colours("#4caf50 #8a5a3c #e5484d", "#2f9e6b #7a4f35 #ffb84d"),
    ),
    "house": Subject(build=made.house, turn_deg=30),
    "mushroom": Subject(
        build=living.mushroom,
        colours=_colours("#e23b3b #f29f4b #6bbf59", "#d9534f #b07cd8 #5fb878"),
    ),
    "robot": Subject(build=made.robot),
    "cat": Subject(
        build=living.cat,
        colours=_colours("#f0872f #e4475b #ffd23f", "#7d8597 #ef6f8e #ffd166"),
    ),
    "lantern": Subject(
        build=made.lantern,
        colours=_colours("#e0a21b #5b4bd6 #ffe08a", "#d9932b #0f8f8a #ffe7a0"),
    ),
    "crescent": Subject(
        build=living.crescent,
        turn_deg=18,
        cube_turn_deg=27,
        colours=_colours("#f5bd2e #7c6cf0 #ff9ecb", "#ffd05a #38a3d1 #ff8f6b"),
    ),
    "cup": Subject(
        build=made.cup,
        colours=_colours("#e8558f #6f4330 #ffd166", "#3aa6a0 #6b4230 #ff8a5b"),
    ),
    "planet": Subject(build=living.planet, turn_deg=10, cube_turn_deg=27),
    "star": Subject(
        build=living.star,
        turn_deg=18,
        cube_turn_deg=45,
        colours=_colours("#ffc53d #ff7a59 #6ec6ff", "#ffb627 #8b6cf0 #ff8fa3"),
    ),
}
