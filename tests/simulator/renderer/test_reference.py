"""Pictures after a source image: visibly the user's own, in every style."""

import numpy as np
import pytest
from coloraide import Color

from madar.simulator.renderer import STYLES, Picture, Style, reference_render, to_png

VIOLET = (124, 58, 237)


def disc(colour: tuple[int, int, int], *, alpha: bool) -> bytes:
    """Encode a disc, twice as wide as high, on white or on nothing."""
    down, across = np.mgrid[:120, :200]
    inside = ((across - 100) / 80) ** 2 + ((down - 60) / 40) ** 2 < 1
    picture = np.full((120, 200, 4 if alpha else 3), 0 if alpha else 255, np.uint8)
    picture[inside, :3] = colour
    if alpha:
        picture[inside, 3] = 255
    return to_png(picture)


def after(source: bytes, style: Style, *, seed: int = 1, prompt: str = "it") -> Picture:
    return reference_render(source, prompt, style=style, seed=seed, width_px=96, height_px=96)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("alpha", [True, False])
def test_keeps_the_outline_of_the_source(style: Style, alpha: bool) -> None:  # noqa: FBT001
    solid = after(disc(VIOLET, alpha=alpha), style).rgba[..., 3] > 127

    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    share = max(np.ptp(rows) + 1, np.ptp(columns) + 1) / 96
    assert 0.6 <= share <= 0.9
    assert not solid[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.mark.parametrize("style", ["voxel-3d", "toy-figurine", "minimal-icon"])
def test_keeps_the_colour_of_the_source(style: Style) -> None:
    rgba = after(disc(VIOLET, alpha=False), style).rgba

    seen = np.median(rgba[rgba[..., 3] > 200][:, :3], axis=0) / 255
    difference = Color("#7c3aed").delta_e(Color("srgb", seen.tolist()), method="2000")
    assert difference < 20


def test_colour_codes_of_the_prompt_win_over_the_photo() -> None:
    source = disc(VIOLET, alpha=False)

    rgba = after(source, "toy-figurine", prompt="it using colors: green (#16a34a)").rgba

    red, green, blue = np.median(rgba[rgba[..., 3] > 200][:, :3], axis=0)
    assert green > max(red, blue)


@pytest.mark.parametrize("style", STYLES)
def test_source_and_seed_make_the_picture(style: Style) -> None:
    violet, orange = disc(VIOLET, alpha=False), disc((240, 120, 20), alpha=False)

    first, again = after(violet, style).rgba, after(violet, style).rgba

    assert np.array_equal(first, again)
    assert not np.array_equal(first, after(orange, style).rgba)
    assert not np.array_equal(first, after(violet, style, seed=2).rgba)


def test_a_photo_without_a_plain_ground_is_used_whole() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (60, 80, 3), dtype=np.uint8)

    alpha = after(to_png(noise), "toy-figurine").rgba[..., 3]

    assert (alpha > 127).mean() > 0.2
