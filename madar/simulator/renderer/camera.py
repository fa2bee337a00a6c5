"""Where the viewer stands, and how a subject is framed so that it fills the square well."""

from dataclasses import dataclass

import numpy as np

from madar.simulator.renderer.field import Field
from madar.simulator.renderer.shapes import Floats

# The share of the square that the larger side of the subject takes.
FILL = 0.76
RAISED_DEG = 18.0


@dataclass(frozen=True, kw_only=True)
class View:
    """An orthographic square: `unit` is the width of one pixel, `middle` what its centre sees."""

    side: int
    unit: float
    middle: tuple[float, float]
    top: float
    bottom: float

    def columns(self, across: Floats, down: Floats) -> Floats:
        """Turn pixel positions (0 is the outer edge of the first pixel) into lines of sight."""
        half = self.side / 2
        x = self.middle[0] + (across - half) * self.unit
        y = self.middle[1] - (down - half) * self.unit
        return np.stack([x, y]).astype(np.float32)

    def grid(self, step: int) -> Floats:
        """Give the lines of sight through the middles of blocks of `step` pixels, row by row."""
        centres = np.arange(step / 2, self.side + step / 2, step, dtype=np.float32)
        down, across = np.meshgrid(centres, centres, indexing="ij")
        return self.columns(across.ravel(), down.ravel())


def facing(turn_deg: float, raised_deg: float = RAISED_DEG) -> Floats:
    """Rows are the viewer's right, up and backward, for one who sees the subject's right side."""
    turn, raised = np.radians(turn_deg), np.radians(raised_deg)
    towards = np.array(
        [np.sin(turn) * np.cos(raised), np.sin(raised), np.cos(turn) * np.cos(raised)]
    )
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    return np.stack([right, np.cross(towards, right), towards]).astype(np.float32)


def framed(field: Field, side: int) -> View:
    """Zoom to the box around the subject, so that its larger side fills its share."""
    low, high = field.outline()
    x, y, _ = ((low + high) / 2).tolist()
    unit = float((high - low)[:2].max()) / FILL / side
    top, bottom = float(high[2]) + 0.05, float(low[2]) - 0.05
    return View(side=side, unit=unit, middle=(x, y), top=top, bottom=bottom)


def margin(side: int) -> Floats:
    """Fade to nothing before the frame, so that no shadow and no glow is ever cut."""
    centres = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side
    inward = np.clip((np.minimum(centres, 1 - centres) - 0.012) / 0.06, 0, 1)
    fade = (inward * inward * (3 - 2 * inward)).astype(np.float32)
    return fade[:, None] * fade[None, :]
