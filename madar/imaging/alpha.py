"""Measuring how transparent a picture really is. Runs in the child only."""

import struct

from madar.domain.transparency import (
    CORNER_PART,
    COVERED_ALPHA,
    FRAME_PART,
    HAZE_ALPHA_MAX,
    HAZE_ALPHA_MIN,
    HAZE_STEPS,
    VISIBLE_ALPHA,
    Transparency,
)
from madar.imaging.decode import Image

SOLID = 255
_RGBA_BANDS = 4
# A lossy encoder, or a profile, may turn black into one of the next steps. What a model draws as
# black has noise above that.
_BLACK_MAX = 2
_LIT_SHARE_MAX = 1 / 10_000

_OPAQUE = Transparency(
    corner_alpha=1, coverage=1, opaque_share=1, soft_share=0, frame_share=1, haze_share=0
)


def is_all_black(image: Image) -> bool:
    """Tell Fal's blanked picture: it answers black pixels when its checker finds nudity.

    Pixels that cannot be seen count as well: a cut-out keeps what was behind a black subject.
    """
    if image.bands == _RGBA_BANDS and image[3].max() == 0:
        return False
    lit = (image.extract_band(0, n=3) > _BLACK_MAX).bandor()
    return lit.avg() / SOLID <= _LIT_SHARE_MAX


def measure(image: Image) -> Transparency:
    if image.bands < _RGBA_BANDS:
        return _OPAQUE
    alpha = image[3].copy_memory()
    counts = _counts_of(alpha)
    pixels = sum(counts)
    solid, empty = counts[SOLID], counts[0]
    not_empty = pixels - empty
    return Transparency(
        corner_alpha=_rounded(_corner_alpha(alpha) / SOLID),
        coverage=_rounded(sum(counts[_step(COVERED_ALPHA) + 1 :]) / pixels),
        # Not rounded: one soft pixel in a million keeps a picture from being opaque.
        opaque_share=solid / pixels,
        soft_share=_rounded((not_empty - solid) / not_empty) if not_empty else 0,
        frame_share=_rounded(_frame_share(alpha)),
        haze_share=_rounded(_widest_haze(counts) / pixels),
    )


def _counts_of(alpha: Image) -> tuple[int, ...]:
    """How many pixels there are of each of the 256 steps."""
    return struct.unpack("256I", bytes(alpha.hist_find().cast("uint").write_to_memory()))


def _corner_alpha(alpha: Image) -> float:
    side = _part_of(alpha, CORNER_PART)
    right, bottom = alpha.width - side, alpha.height - side
    corners = ((0, 0), (right, 0), (0, bottom), (right, bottom))
    return max(alpha.crop(left, top, side, side).max() for left, top in corners)


def _frame_share(alpha: Image) -> float:
    """Look at the four strips along the edges; corners count twice, which is as good."""
    depth = _part_of(alpha, FRAME_PART)
    width, height = alpha.width, alpha.height
    strips = (
        alpha.crop(0, 0, width, depth),
        alpha.crop(0, height - depth, width, depth),
        alpha.crop(0, 0, depth, height),
        alpha.crop(width - depth, 0, depth, height),
    )
    areas = [strip.width * strip.height for strip in strips]
    visible = [(strip > _step(VISIBLE_ALPHA)).avg() / SOLID for strip in strips]
    return sum(a * v for a, v in zip(areas, visible, strict=True)) / sum(areas)


def _widest_haze(counts: tuple[int, ...]) -> int:
    steps = range(_step(HAZE_ALPHA_MIN), _step(HAZE_ALPHA_MAX) - HAZE_STEPS + 2)
    return max(sum(counts[first : first + HAZE_STEPS]) for first in steps)


def _part_of(alpha: Image, part: float) -> int:
    return max(1, int(min(alpha.width, alpha.height) * part))


def _step(share: float) -> int:
    return int(share * SOLID)


def _rounded(share: float) -> float:
    return round(share, 4)
