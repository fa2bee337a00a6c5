"""From the words of a prompt to a scene: which subject, which colours, and what chance decides."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from madar.simulator.renderer.dice import Dice
from madar.simulator.renderer.lexicon import colour_of, english_of, subject_of
from madar.simulator.renderer.palette import Palette
from madar.simulator.renderer.parts import Part
from madar.simulator.renderer.subjects import ANY_COLOURS, SUBJECTS
from madar.simulator.renderer.words import WORD, is_arabic

_HEX = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[^,.;:!?،؛؟()\n]+")
# A style's template speaks of the ground and the light; their colours are not the subject's.
_GROUNDS = frozenset(("background", "ground", "backdrop"))
_LIGHTS = frozenset(("light", "lighting"))
_MOST_COLOURS = 3


@dataclass(frozen=True, kw_only=True)
class Scene:
    subject: str
    palette: Palette
    turn_deg: float
    cube_turn_deg: float
    parts: list[Part]
    dice: Dice


def scene_of(prompt: str, seed: int) -> Scene:
    """The same prompt and seed give the same scene; words unknown to the lexicon still matter."""
    dice = Dice(prompt, seed)
    named = _named_subject(prompt)
    # An unknown word keeps its subject whatever the seed, as a model keeps to the prompt.
    name = named or Dice(prompt, 0).pick("subject", tuple(SUBJECTS))
    subject = SUBJECTS[name]
    own = dice.pick("colours", subject.colours or ANY_COLOURS)
    return Scene(
        subject=name,
        palette=painted(own, asked_colours(prompt), dice),
        turn_deg=subject.turn_deg + dice.between("turn", -8, 8),
        cube_turn_deg=subject.cube_turn_deg,
        parts=subject.build(dice),
        dice=dice,
    )


def asked_colours(prompt: str) -> list[str]:
    """Give the colours a prompt asks for, as #rrggbb; codes beat words."""
    codes = [code.lower() for code in _HEX.findall(prompt)]
    found = codes or [colour for clause in _clauses(prompt) for colour in _named_colours(clause)]
    return list(dict.fromkeys(found))[:_MOST_COLOURS]


def painted(own: Palette, asked: Sequence[str], dice: Dice) -> Palette:
    """Lay the asked colours over a palette; what was not asked for must not repeat them."""
    if not asked:
        return own
    spare = [colour for colour in _others(own, dice) if colour not in asked]
    primary, second, accent = [*asked, *spare][:_MOST_COLOURS]
    return replace(own, primary=primary, second=second, accent=accent)


def _others(own: Palette, dice: Dice) -> list[str]:
    other = dice.pick("colours.other", ANY_COLOURS)
    return [own.second, own.accent, other.second, other.accent, other.primary]


def _clauses(prompt: str) -> list[list[str]]:
    return [WORD.findall(clause) for clause in _CLAUSE.findall(prompt)]


def _named_subject(prompt: str) -> str | None:
    words = (word for clause in _clauses(prompt) for word in clause)
    return next((subject for word in words if (subject := subject_of(word))), None)


def _named_colours(clause: list[str]) -> list[str]:
    return [
        colour
        for at, word in enumerate(clause)
        if (colour := colour_of(word)) and not _is_of_ground(clause, at)
    ]


def _is_of_ground(clause: list[str], at: int) -> bool:
    """Tell whether the colour at this place is a ground's: English before it, Arabic after it."""
    if is_arabic(clause[at]):
        return "background" in (english_of(word) for word in clause[max(at - 2, 0) : at])
    after = clause[at + 1 : at + 4]
    if after and english_of(after[0]) in _LIGHTS:
        return True
    for word in after:
        if english_of(word) in _GROUNDS:
            return True
        if subject_of(word):
            return False
    return False
