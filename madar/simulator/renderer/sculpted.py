"""The four ray-marched styles, from parts to a premultiplied layer: toy, minimal, glass, neon."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from madar.simulator.renderer import clay, glass, neon, toy
from madar.simulator.renderer.camera import View, facing, framed
from madar.simulator.renderer.field import Field, turned
from madar.simulator.renderer.march import trace
from madar.simulator.renderer.parts import Part
from madar.simulator.renderer.shadow import ground_shadow, over_shadow
from madar.simulator.renderer.shapes import Floats
from madar.simulator.renderer.smoothing import smooth_edges
from madar.simulator.renderer.surface import Surface, surface_at

# From this side on, half the pixels are marched and the layer is enlarged: a quarter of the work.
_ENLARGE_FROM_PX = 400


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a style treats a surface, and how strong its shadow is."""

    shade: Callable[[Surface, Floats], Floats]
    shadow: float
    softness: float = 0.0
    fade_px: float = 1.0
    has_tubes: bool = False


LOOKS = {
    "toy-figurine": Look(shade=toy.toy, shadow=1.0),
    "minimal-icon": Look(shade=clay.clay, shadow=0.8, softness=clay.SOFTNESS, fade_px=2.0),
    "glass-morphism": Look(shade=glass.glass, shadow=0.55, fade_px=3.0),
    "neon-glow": Look(shade=neon.body, shadow=0.0, has_tubes=True),
}


def sculpted(
    parts: list[Part], *, look: Look, palette: Floats, turn_deg: float, side_px: int
) -> Floats:
    """Give a square layer of premultiplied linear red, green, blue and alpha.

    It may be half as wide as asked; finishing enlarges it.
    """
    rotation = facing(turn_deg)
    field = Field(parts=turned(parts, rotation), softness=look.softness)
    halves = side_px >= _ENLARGE_FROM_PX
    view = framed(field, -(-side_px // 2) if halves else side_px)
    layer = _lit_layer(field, view, look, palette)
    if look.shadow:
        shadow = ground_shadow(field, view, rotation) * np.float32(look.shadow)
        layer = over_shadow(layer, shadow)
    return layer


def _lit_layer(field: Field, view: View, look: Look, palette: Floats) -> Floats:
    layer = np.zeros((4, view.side, view.side), np.float32)
    guide = np.zeros((neon.GUIDES, view.side, view.side), np.float32)
    for hits in trace(field, view):
        surface = surface_at(field, hits.points, unit=view.unit, fade=look.fade_px * view.unit)
        layer.reshape(4, -1)[:, hits.pixel] = look.shade(surface, palette) * hits.coverage()
        if look.has_tubes:
            guide.reshape(neon.GUIDES, -1)[:, hits.pixel] = neon.guides(surface, palette)
    if look.has_tubes:
        return neon.with_tubes(layer, guide)
    smooth_edges(layer)
    return layer
