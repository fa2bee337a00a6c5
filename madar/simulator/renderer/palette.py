"""Colours as the renderer counts them: linear light, five roles a picture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from madar.simulator.renderer.shapes import Floats

Role = Literal["primary", "second", "accent", "light", "dark"]
ROLES: tuple[Role, ...] = ("primary", "second", "accent", "light", "dark")

LIGHT = "#f6f2ec"
DARK = "#2d2733"


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Five colours as #rrggbb, in the order of ROLES."""

    primary: str
    second: str
    accent: str
    light: str = LIGHT
    dark: str = DARK

    def linear(self) -> Floats:
        """Give one row of linear red, green, blue for each role."""
        colours = (self.primary, self.second, self.accent, self.light, self.dark)
        return np.stack([linear_of(colour) for colour in colours])


def linear_of(colour: str) -> Floats:
    value = colour.lstrip("#")
    encoded = np.array([int(value[at : at + 2], 16) for at in (0, 2, 4)], np.float32) / 255
    return to_linear(encoded)


def to_linear(encoded: Floats) -> Floats:
    """Undo the sRGB curve (IEC 61966-2-1)."""
    return np.where(
        encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** np.float32(2.4)
    ).astype(np.float32)


def to_encoded(linear: Floats) -> Floats:
    linear = np.clip(linear, np.float32(0), np.float32(1))
    return np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** np.float32(1 / 2.4) - 0.055
    ).astype(np.float32)
