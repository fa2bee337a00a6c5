"""The simulator's renderer: a prompt becomes a 3D picture with a transparent background."""

from madar.simulator.renderer.finish import Picture, on_ground, to_png
from madar.simulator.renderer.picture import STYLES, Style, render
from madar.simulator.renderer.reference import reference_render
from madar.simulator.renderer.scene import Scene, scene_of
from madar.simulator.renderer.translation import translate

__all__ = [
    "STYLES",
    "Picture",
    "Scene",
    "Style",
    "on_ground",
    "reference_render",
    "render",
    "scene_of",
    "to_png",
    "translate",
]
