"""What every picture promises: size, transparency, framing, colour, and the same bytes again."""

import hashlib
import subprocess
import sys
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from coloraide import Color

from madar.simulator.renderer import STYLES, Picture, Style, on_ground, render, to_png
from madar.simulator.renderer.subjects import SUBJECTS

Pixels = npt.NDArray[np.uint8]
SOLID: tuple[Style, ...] = ("voxel-3d", "toy-figurine", "minimal-icon")


@cache
def drawn(prompt: str, style: Style, *, seed: int = 1, side_px: int = 96) -> Picture:
    return render(prompt, style=style, seed=seed, width_px=side_px, height_px=side_px)


def digest(picture: Picture) -> str:
    return hashlib.sha256(picture.rgba.tobytes()).hexdigest()


def main_colours(rgba: Pixels) -> list[Color]:
    """Give the means of all colour cells that hold at least one in forty opaque pixels."""
    opaque = rgba[rgba[..., 3] > 200][:, :3]
    cells, members, counts = np.unique(
        opaque // 32, axis=0, return_inverse=True, return_counts=True
    )
    means = [opaque[members.ravel() == cell].mean(axis=0) for cell in range(len(cells))]
    return [
        Color("srgb", [float(part) / 255 for part in mean])
        for mean, count in zip(means, counts, strict=True)
        if count * 40 >= len(opaque)
    ]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_stands_free_and_fills_its_frame(style: Style, subject: str) -> None:
    alpha = drawn(f"a {subject}", style).rgba[..., 3]

    rows = np.flatnonzero((alpha > 127).any(axis=1))
    columns = np.flatnonzero((alpha > 127).any(axis=0))
    share = max(np.ptp(rows) + 1, np.ptp(columns) + 1) / 96
    edges = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert edges.max() == 0
    assert 0.6 <= share <= 0.9


@pytest.mark.parametrize("style", ["glass-morphism", "neon-glow"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_glass_and_neon_are_partly_transparent(style: Style, subject: str) -> None:
    alpha = drawn(f"a {subject}", style).rgba[..., 3] / 255

    partly = np.count_nonzero((alpha > 0.05) & (alpha < 0.95))
    assert partly >= 0.05 * np.count_nonzero(alpha)


@pytest.mark.parametrize("style", SOLID)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_asked_colour_is_seen(style: Style, subject: str) -> None:
    picture = drawn(f"a {subject} using colors: blue (#2f6fed)", style)

    asked = Color("#2f6fed")
    nearest = min(asked.delta_e(seen, method="2000") for seen in main_colours(picture.rgba))
    assert nearest < 20


@pytest.mark.parametrize("colour", ["#ff0000", "#34a853", "#ffc107", "#8444d6", "#222222"])
@pytest.mark.parametrize("style", SOLID)
def test_every_hue_survives_the_light(style: Style, colour: str) -> None:
    picture = drawn(f"a heart using colors: it ({colour})", style, side_px=64)

    nearest = min(Color(colour).delta_e(seen, method="2000") for seen in main_colours(picture.rgba))
    assert nearest < 20


@pytest.mark.parametrize("style", ["glass-morphism", "neon-glow"])
def test_glass_and_neon_lean_to_the_asked_colour(style: Style) -> None:
    picture = drawn("a heart using colors: red (#ff0000)", style)

    alpha = picture.rgba[..., 3:] / 255
    red, green, blue = (picture.rgba[..., :3] * alpha).mean(axis=(0, 1))
    assert red > 1.3 * max(green, blue)


@pytest.mark.parametrize("style", STYLES)
def test_the_seed_alone_makes_another_picture(style: Style) -> None:
    first, again, other = (
        render("a red rocket", style=style, seed=seed, width_px=64, height_px=64)
        for seed in (1, 1, 2)
    )

    assert digest(first) == digest(again)
    assert digest(first) != digest(other)


def test_a_fresh_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib\n"
        "from madar.simulator.renderer import STYLES, render\n"
        "for style in STYLES:\n"
        "    picture = render('قطة', style=style, seed=7, width_px=64, height_px=64)\n"
        "    print(hashlib.sha256(picture.rgba.tobytes()).hexdigest())\n"
    )

    fresh = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    here = [digest(drawn("قطة", style, seed=7, side_px=64)) for style in STYLES]
    assert fresh.stdout.split() == here


@pytest.mark.parametrize("style", STYLES)
def test_a_wide_canvas_holds_the_same_square(style: Style) -> None:
    square = drawn("a cup", style, side_px=90).rgba

    wide = render("a cup", style=style, seed=1, width_px=160, height_px=90).rgba
    tall = render("a cup", style=style, seed=1, width_px=90, height_px=120).rgba

    assert wide.shape == (90, 160, 4)
    assert np.array_equal(wide[:, 35:125], square)
    assert tall.shape == (120, 90, 4)
    assert np.array_equal(tall[15:105], square)


@pytest.mark.parametrize("style", STYLES)
def test_odd_and_large_sides_are_drawn_too(style: Style) -> None:
    picture = render("a heart", style=style, seed=1, width_px=401, height_px=403)

    assert picture.rgba.shape == (403, 401, 4)
    assert picture.rgba[..., 3].max() > 200


def test_a_plain_ground_suits_the_style() -> None:
    glass, neon = drawn("a star", "glass-morphism"), drawn("a star", "neon-glow")

    assert on_ground(glass)[0, 0].min() > 230
    assert on_ground(neon)[0, 0].max() < 30
    assert on_ground(glass, (10, 200, 30))[0, 0].tolist() == [10, 200, 30]


def test_encodes_png_with_and_without_alpha() -> None:
    picture = drawn("a star", "toy-figurine", side_px=64)

    assert to_png(picture.rgba).startswith(b"\x89PNG")
    assert to_png(on_ground(picture)).startswith(b"\x89PNG")
