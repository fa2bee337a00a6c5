"""Imaging.finalize: what is made of a result, and which results are refused."""

from typing import Any

import numpy as np
import pytest

from madar.imaging import limits
from madar.simulator.renderer import STYLES, Style, render, to_png
from tests.imaging.conftest import Guarded
from tests.imaging.pictures import (
    ball,
    hollow_png,
    image_of,
    jpeg,
    opened,
    photo,
    pixels_of,
    png,
    vips,
    webp,
)


def test_the_master_has_the_very_pixels_that_came(guarded: Guarded) -> None:
    done = guarded.finalize(png(ball()))

    assert np.array_equal(pixels_of(done.master_png), ball())
    assert (done.width_px, done.height_px) == (256, 256)


def test_the_alpha_of_the_full_webp_is_the_masters(guarded: Guarded) -> None:
    done = guarded.finalize(png(ball()))

    assert np.array_equal(pixels_of(done.full_webp)[..., 3], pixels_of(done.master_png)[..., 3])


def test_same_bytes_in_same_bytes_out(guarded: Guarded) -> None:
    assert guarded.finalize(png(ball())) == guarded.finalize(png(ball()))


def test_a_thumbnail_fits_into_400_pixels(guarded: Guarded) -> None:
    wide = np.pad(ball(600), ((0, 0), (300, 300), (0, 0)))

    thumbnail = opened(guarded.finalize(png(wide)).thumbnail_webp)

    assert (thumbnail.width, thumbnail.height) == (400, 200)
    assert thumbnail.hasalpha()


def test_a_thumbnail_is_never_enlarged(guarded: Guarded) -> None:
    thumbnail = opened(guarded.finalize(png(ball(64))).thumbnail_webp)

    assert (thumbnail.width, thumbnail.height) == (64, 64)


def test_a_webp_result_is_as_good(guarded: Guarded) -> None:
    done = guarded.finalize(webp(ball(), lossless=True, exact=True))

    assert np.array_equal(pixels_of(done.master_png), ball())


def test_sixteen_bits_become_eight(guarded: Guarded) -> None:
    deep = ball().astype(np.uint16) * 257

    master = pixels_of(guarded.finalize(png(deep)).master_png)

    assert master.dtype == np.uint8
    assert np.array_equal(master[..., 3], ball()[..., 3])


def test_a_palette_with_transparency_becomes_rgba(guarded: Guarded) -> None:
    done = guarded.finalize(png(ball(), palette=True))

    assert opened(done.master_png).bands == 4


def test_metadata_and_trailing_bytes_are_dropped(guarded: Guarded) -> None:
    image = image_of(ball()).icc_transform("p3", input_profile="srgb")
    image.set_type(vips.GValue.gstr_type, "png-comment-0-prompt", "a private wish")
    picture = image.pngsave_buffer() + b"<script>PK\x03\x04</script>"
    assert {"icc-profile-data", "png-comment-0-prompt"} <= set(opened(picture).get_fields())

    done = guarded.finalize(picture)

    for made in (done.master_png, done.full_webp, done.thumbnail_webp):
        fields = set(opened(made).get_fields())
        assert not {"exif-data", "icc-profile-data", "xmp-data", "png-comment-0-prompt"} & fields
        assert b"script" not in made


def test_measures_what_it_lets_pass(guarded: Guarded) -> None:
    measured = guarded.finalize(png(ball())).transparency

    assert measured.corner_alpha == measured.frame_share == 0
    assert measured.coverage == pytest.approx(np.pi * 0.35**2, abs=0.01)
    assert 0.03 < measured.soft_share < 0.1
    assert 0.35 < measured.opaque_share < measured.coverage


@pytest.mark.parametrize("style", STYLES)
def test_all_styles_of_the_simulator_pass(guarded: Guarded, style: Style) -> None:
    picture = render("a house", style=style, seed=7, width_px=192, height_px=192)

    assert guarded.finalize(to_png(picture.rgba)).transparency.corner_alpha == 0


def test_glass_passes(guarded: Guarded) -> None:
    done = guarded.finalize(png(ball(alpha=120)))

    assert done.transparency.opaque_share == 0
    assert done.transparency.coverage > 0.3


def test_a_subject_cut_off_by_an_edge_passes(guarded: Guarded) -> None:
    bust = np.roll(ball(), 110, axis=0)
    bust[:100] = 0

    assert guarded.finalize(png(bust)).transparency.frame_share > 0.1


@pytest.mark.parametrize("encode", [png, jpeg, webp])
def test_an_opaque_picture_is_not_transparent(guarded: Guarded, encode: Any) -> None:
    reason, detail = guarded.finalize_refusal(encode(photo()))

    assert reason == "not_transparent"
    assert detail.startswith("opaque")


def test_clear_corners_are_required(guarded: Guarded) -> None:
    stained = ball()
    stained[250:, 250:, 3] = 90

    assert guarded.finalize_refusal(png(stained))[1].startswith("corners:")


def test_nothing_is_not_a_subject(guarded: Guarded) -> None:
    reason, detail = guarded.finalize_refusal(png(ball(radius=0.03)))

    assert (reason, detail.partition(":")[0]) == ("not_transparent", "empty")


def test_an_empty_picture_is_not_a_blanked_one(guarded: Guarded) -> None:
    reason, _ = guarded.finalize_refusal(hollow_png(64, 64, bits=8, has_colour=True))

    assert reason == "not_transparent"


def test_a_rounded_card_around_the_subject_is_a_halo(guarded: Guarded) -> None:
    card = ball()
    card[..., 3] = np.maximum(card[..., 3], 60)
    for corner in (np.s_[:20, :20], np.s_[:20, -20:], np.s_[-20:, :20], np.s_[-20:, -20:]):
        card[corner] = 0

    assert guarded.finalize_refusal(png(card))[1].startswith("halo:")


def test_a_uniform_haze_is_a_halo(guarded: Guarded) -> None:
    hazy = ball()
    hazy[15:-15, 15:-15, 3] = np.maximum(hazy[15:-15, 15:-15, 3], 40)

    assert guarded.finalize_refusal(png(hazy))[1].startswith("halo:")


def test_a_wide_glow_is_no_halo(guarded: Guarded) -> None:
    glowing = ball()
    down, across = np.indices((256, 256)) / 256 - 0.5
    glow = 200 * np.clip(1.4 - 2.8 * np.hypot(across, down), 0, 1) ** 1.5
    glowing[..., 3] = np.maximum(glowing[..., 3], glow)

    assert guarded.finalize(png(glowing)).transparency.soft_share > 0.3


@pytest.mark.parametrize("alpha", [255, 128])
def test_a_blanked_picture_is_told_apart(guarded: Guarded, alpha: int) -> None:
    black = ball(alpha=alpha)
    black[..., :3] = 0

    assert guarded.finalize_refusal(png(black))[0] == "all_black"


def test_a_blanked_jpeg_is_told_apart(guarded: Guarded) -> None:
    assert guarded.finalize_refusal(jpeg(photo() * 0))[0] == "all_black"


def test_a_result_may_have_25_megabytes(guarded: Guarded) -> None:
    assert guarded.finalize_refusal(bytes(limits.MAX_RESULT_BYTES + 1))[0] == "too_large"
    assert guarded.finalize_refusal(bytes(limits.MAX_RESULT_BYTES))[0] == "not_an_image"
