"""One call from prompt to picture: a scene is built, its style draws it, the finish ends it."""

from typing import Literal, get_args

from madar.simulator.renderer.cells import cells_of
from madar.simulator.renderer.field import Field, turned
from madar.simulator.renderer.finish import Ground, Picture, finished
from madar.simulator.renderer.scene import Scene, scene_of
from madar.simulator.renderer.sculpted import LOOKS, sculpted
from madar.simulator.renderer.shapes import Floats, rotation
from madar.simulator.renderer.voxel import voxel

Style = Literal["voxel-3d", "minimal-icon", "glass-morphism", "neon-glow", "toy-figurine"]
STYLES: tuple[Style, ...] = get_args(Style)

_PALE: Ground = (240, 241, 243)
_NIGHT: Ground = (12, 11, 18)


def render(prompt: str, *, style: Style, seed: int, width_px: int, height_px: int) -> Picture:
    """Draw a prompt. The same arguments give the same bytes."""
    side_px = min(width_px, height_px)
    layer = _layer(scene_of(prompt, seed), style, side_px)
    rgba = finished(layer, side_px=side_px, width_px=width_px, height_px=height_px)
    return Picture(rgba=rgba, ground=ground_of(style))


def ground_of(style: Style) -> Ground:
    """Give the plain ground a model would choose: near white, or night for glowing tubes."""
    return _NIGHT if style == "neon-glow" else _PALE


def _layer(scene: Scene, style: Style, side_px: int) -> Floats:
    palette = scene.palette.linear()
    if style == "voxel-3d":
        field = Field(parts=turned(scene.parts, rotation((0, scene.cube_turn_deg, 0))))
        cells = cells_of(field)
        return voxel(cells, field, palette=palette, dice=scene.dice, side_px=side_px)
    return sculpted(
        scene.parts,
        look=LOOKS[style],
        palette=palette,
        turn_deg=scene.turn_deg,
        side_px=side_px,
    )
