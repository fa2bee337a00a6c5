"""Pictures after a source image: a relief of cubes, or a puffy plate in its outline and colours."""

import numpy as np

from madar.simulator.renderer.blur import softened
from madar.simulator.renderer.cells import CELLS, EMPTY, Cells
from madar.simulator.renderer.dice import Dice
from madar.simulator.renderer.field import Field
from madar.simulator.renderer.finish import Picture, finished
from madar.simulator.renderer.palette import ROLES, Palette, to_linear
from madar.simulator.renderer.parts import Part, box
from madar.simulator.renderer.photo import Photo, photo_of
from madar.simulator.renderer.picture import Style, ground_of
from madar.simulator.renderer.plate import Mask, Plate, distances
from madar.simulator.renderer.scene import asked_colours, painted
from madar.simulator.renderer.sculpted import LOOKS, sculpted
from madar.simulator.renderer.shapes import Floats, rotation
from madar.simulator.renderer.voxel import voxel

_BACK_CELLS = 2
_RAISED_CELLS = 4
_TURN_DEG = 20.0


def reference_render(
    source: bytes, prompt: str, *, style: Style, seed: int, width_px: int, height_px: int
) -> Picture:
    """Draw after a source image, in any format libvips reads. Colour codes in the prompt win."""
    photo, dice = photo_of(source), Dice(prompt, seed)
    side_px = min(width_px, height_px)
    if style == "voxel-3d":
        layer = _relief(photo, dice, side_px)
    else:
        layer = sculpted(
            _plates(photo),
            look=LOOKS[style],
            palette=_palette(photo, prompt, dice).linear(),
            turn_deg=_TURN_DEG + dice.between("turn", -8, 8),
            side_px=side_px,
        )
    rgba = finished(layer, side_px=side_px, width_px=width_px, height_px=height_px)
    return Picture(rgba=rgba, ground=ground_of(style))


def _palette(photo: Photo, prompt: str, dice: Dice) -> Palette:
    primary, second, accent = photo.main
    own = Palette(primary=primary, second=second, accent=accent)
    return painted(own, asked_colours(prompt) if "#" in prompt else [], dice)


def _relief(photo: Photo, dice: Dice, side_px: int) -> Floats:
    """Stand the photo up, one cube a pixel, each column as deep as its pixel is bright."""
    rows, columns = _sampled(photo.mask.shape)
    colours = photo.colours[rows][:, columns].astype(np.float32) / 255
    mask = photo.mask[rows][:, columns]
    raised = np.rint(colours.mean(axis=2) * _RAISED_CELLS).astype(np.intp) + _BACK_CELLS
    deep = np.arange(CELLS)[None, None, :] < (raised * mask)[:, :, None]
    number = np.arange(mask.size).reshape(mask.shape)
    upright = np.where(deep, number[:, :, None], EMPTY)[::-1].transpose(1, 0, 2)
    roles = np.full((CELLS, CELLS, CELLS), EMPTY, np.int16)
    roles[: upright.shape[0], : upright.shape[1]] = upright
    cells = Cells(roles=roles, start=np.zeros(3, np.float32), size=1 / CELLS)
    palette = to_linear(colours.reshape(-1, 3))
    return voxel(cells, _slab(mask), palette=palette, dice=dice, side_px=side_px)


def _sampled(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Choose the rows and columns that stay when the longer side gets as many as cells."""
    height, width = shape
    scale = max(height, width) / CELLS
    counts = [max(1, round(length / scale)) for length in (height, width)]
    rows, columns = (
        ((np.arange(count) + 0.5) * length / count).astype(np.intp)
        for count, length in zip(counts, (height, width), strict=True)
    )
    return rows, columns


def _slab(mask: Mask) -> Field:
    """Only the shadow asks for a shape, and a slab's is near enough."""
    height, width = (length / CELLS for length in mask.shape)
    half = (width / 2, height / 2, 0.5 * (_BACK_CELLS + _RAISED_CELLS) / CELLS)
    return Field(parts=(box("primary", half, half, rounding=0.02),))


def _plates(photo: Photo) -> list[Part]:
    """Lay the second and third colour on the plate of the first, each a little thicker."""
    parts = [_plate(photo.mask, 0, half=0.2)]
    for label in (1, 2):
        region = _smoothed(photo.mask & (photo.labels == label))
        if region.mean() > 0.02:
            parts.append(_plate(region, label, half=0.2 + 0.035 * label))
    return parts


def _smoothed(mask: Mask) -> Mask:
    """Drop hairlines, such as the mixed pixels between two colours."""
    return softened(softened(mask.astype(np.float32))) > 0.6


def _outline(mask: Mask) -> Floats:
    """Centre a mask in a square with an empty margin, and measure to its edge."""
    height, width = mask.shape
    side = max(height, width) + 8
    square = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = mask
    raw = distances(square > 0.5)
    # Softening rounds the steps of the pixels, but must not swallow a hairline whole.
    return np.minimum(softened(softened(raw)), raw) * np.float32(2 / side)


def _plate(mask: Mask, label: int, *, half: float) -> Part:
    shape = Plate(
        centre=(0.0, 1.0, 0.0),
        outline=_outline(mask),
        width=2.0,
        half=half,
        rounding=half * 0.7 if label == 0 else 0.06,
        frame=rotation((0, 0, 0)),
    )
    return Part(shape=shape, role=ROLES[label], blend=0.03)
