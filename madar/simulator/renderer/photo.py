"""What the simulator sees in a source image: its silhouette, its main colours, and a small copy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips  # pyright: ignore[reportMissingTypeStubs]

from madar.simulator.renderer.blur import softened
from madar.simulator.renderer.finish import Bytes
from madar.simulator.renderer.plate import Mask

# Seen at this size; details below it would be lost in cubes and plates anyway.
SEEN_PX = 72
# A pixel as far from the background as this, in encoded values, belongs to the subject.
_BACKGROUND_REACH = 42.0


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A small copy cut to its subject; `labels` says which of the main colours a pixel is near."""

    colours: Bytes
    mask: Mask
    labels: npt.NDArray[np.intp]
    main: list[str]


def photo_of(source: bytes) -> Photo:
    rgba = _decoded(source)
    mask = _subject(rgba)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    colours, mask = rgba[cut][..., :3], mask[cut]
    means = _main_colours(colours[mask])
    return Photo(
        colours=colours,
        mask=mask,
        labels=_nearest(colours.reshape(-1, 3), means).reshape(mask.shape),
        main=["#{:02x}{:02x}{:02x}".format(*np.rint(mean).astype(int)) for mean in means],
    )


def _decoded(source: bytes) -> Bytes:
    image: Any = pyvips.Image.thumbnail_buffer(source, SEEN_PX, height=SEEN_PX)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]
    image = image.colourspace("srgb")
    return (image if image.hasalpha() else image.addalpha()).cast("uchar").numpy()


def _subject(rgba: Bytes) -> Mask:
    """Drop what is transparent, or else what looks like the corners; keep all when unsure."""
    solid = rgba[..., 3] > 127
    if solid.all():
        corners = np.concatenate([rgba[::71, ::71, :3].reshape(-1, 3), rgba[-1:, -1, :3]])
        ground = np.median(np.concatenate([corners, rgba[:1, -1, :3], rgba[-1:, 0, :3]]), axis=0)
        off = np.sqrt(((rgba[..., :3] - ground) ** 2).sum(axis=-1))
        solid = softened((off > _BACKGROUND_REACH).astype(np.float32)) > 0.5
    return solid if 0.04 < solid.mean() < 0.97 else np.ones_like(solid)


def _main_colours(pixels: Bytes) -> npt.NDArray[np.float64]:
    """Give three colours that are there, far apart; large and vivid ones come first."""
    points = pixels.astype(np.float64)
    settled = _spread(points)
    for _ in range(6):
        labels = _nearest(points, settled)
        settled = np.stack([_middle(points[labels == at], settled[at]) for at in range(3)])
    counts = np.bincount(_nearest(points, settled), minlength=3)
    vivid = 0.25 + np.ptp(settled, axis=1) / 255
    return settled[np.argsort(-counts * vivid, kind="stable")]


def _spread(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    chosen = [np.median(points, axis=0)]
    for _ in range(2):
        gaps = np.min([((points - one) ** 2).sum(axis=1) for one in chosen], axis=0)
        chosen.append(points[gaps.argmax()])
    return np.stack(chosen)


def _middle(
    points: npt.NDArray[np.float64], otherwise: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Take the median: a mean of two colours would be one that nobody sees."""
    return np.median(points, axis=0) if len(points) else otherwise


def _nearest(points: npt.NDArray[Any], means: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    return ((points[:, None, :] - means[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
