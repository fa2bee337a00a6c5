"""Imaging.accept_upload: what is kept of a person's picture, and what is refused."""

import zlib
from typing import Any

import numpy as np
import pytest

from madar.imaging import limits
from tests.imaging.conftest import Guarded
from tests.imaging.pictures import (
    BLUE,
    RED,
    animated,
    animated_png,
    ball,
    chunk,
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

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>'
PRIVATE_FIELDS = {"exif-data", "icc-profile-data", "xmp-data", "iptc-data", "orientation"}


def from_phone(orientation: int) -> bytes:
    """A JPEG with a place, a comment and a turn, as a phone writes it."""
    image = image_of(photo()).copy()
    text = vips.GValue.gstr_type
    image.set_type(vips.GValue.gint_type, "orientation", orientation)
    image.set_type(text, "exif-ifd0-Artist", "Amal (Amal, ASCII, 5 components, 5 bytes)")
    image.set_type(text, "exif-ifd3-GPSLatitude", "24/1 42/1 0/1")
    return image.jpegsave_buffer(Q=95)


@pytest.mark.parametrize("encode", [png, jpeg, webp])
def test_three_formats_become_png(guarded: Guarded, encode: Any) -> None:
    accepted = guarded.accept_upload(encode(photo()))

    assert accepted.png.startswith(b"\x89PNG")
    assert (accepted.width_px, accepted.height_px) == (300, 200)
    difference = pixels_of(accepted.png).astype(int) - photo()
    assert np.median(np.abs(difference)) <= 3


def test_alpha_is_kept(guarded: Guarded) -> None:
    assert np.array_equal(pixels_of(guarded.accept_upload(png(ball())).png), ball())


def test_gray_becomes_colour(guarded: Guarded) -> None:
    assert opened(guarded.accept_upload(png(photo()[..., :1])).png).bands == 3


def test_orientation_is_applied_and_exif_is_dropped(guarded: Guarded) -> None:
    picture = from_phone(6)
    assert "exif-ifd3-GPSLatitude" in opened(picture).get_fields()

    accepted = guarded.accept_upload(picture)

    assert (accepted.width_px, accepted.height_px) == (200, 300)
    red_above, blue_below = pixels_of(accepted.png)[[20, 280], 100]
    assert np.allclose(red_above.astype(int), RED, atol=6)
    assert np.allclose(blue_below.astype(int), BLUE, atol=6)
    for made in (accepted.png, accepted.thumbnail_webp):
        assert not PRIVATE_FIELDS & set(opened(made).get_fields())
        assert b"Amal" not in made


def test_a_thumbnail_is_upright_too(guarded: Guarded) -> None:
    thumbnail = opened(guarded.accept_upload(from_phone(8)).thumbnail_webp)

    assert (thumbnail.width, thumbnail.height) == (200, 300)


def test_wide_gamut_is_converted(guarded: Guarded) -> None:
    shown = np.full((32, 32, 3), (200, 50, 20), np.uint8)
    picture = image_of(shown).icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=100)
    assert "icc-profile-data" in opened(picture).get_fields()

    colour = pixels_of(guarded.accept_upload(picture).png)[16, 16]

    assert np.allclose(colour.astype(int), (200, 50, 20), atol=4)


def test_print_colours_are_converted(guarded: Guarded) -> None:
    picture = image_of(photo()).icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=95)

    assert opened(guarded.accept_upload(picture).png).bands == 3


def test_a_profile_that_cannot_be_read_is_ignored(guarded: Guarded) -> None:
    image = image_of(photo()).copy()
    image.set_type(vips.GValue.blob_type, "icc-profile-data", b"no profile" * 20)

    accepted = guarded.accept_upload(image.jpegsave_buffer(Q=95))

    assert np.allclose(pixels_of(accepted.png)[100, 20].astype(int), RED, atol=4)


@pytest.mark.parametrize("encode", [png, jpeg, webp])
def test_what_follows_the_picture_is_dropped(guarded: Guarded, encode: Any) -> None:
    polyglot = encode(photo()) + b"PK\x03\x04<?php echo 1; ?>"

    accepted = guarded.accept_upload(polyglot)

    assert b"php" not in accepted.png + accepted.thumbnail_webp


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"RIFF\x00\x00\x00\x00WEBP",
        SVG,
        b"<?xml version='1.0'?>" + SVG,
        b"<html>no picture</html>",
        b"%PDF-1.7",
        image_of(photo()).gifsave_buffer(),
        image_of(photo()).tiffsave_buffer(),
        image_of(photo()).heifsave_buffer(compression="av1", effort=0),
        animated(".gif"),
    ],
    ids=[
        "empty",
        "png signature",
        "jpeg signature",
        "webp signature",
        "svg",
        "svg in xml",
        "html",
        "pdf",
        "gif",
        "tiff",
        "avif",
        "animated gif",
    ],
)
def test_only_still_png_jpeg_and_webp_are_images(guarded: Guarded, picture: bytes) -> None:
    assert guarded.upload_refusal(picture) == "not_an_image"


@pytest.mark.parametrize("picture", [animated(".webp"), animated_png()], ids=["webp", "png"])
def test_more_than_one_frame_is_refused(guarded: Guarded, picture: bytes) -> None:
    assert guarded.upload_refusal(picture) == "animated"


def test_of_a_jpeg_with_several_pictures_the_first_is_kept(guarded: Guarded) -> None:
    accepted = guarded.accept_upload(jpeg(photo(60, 40)) + jpeg(photo(80, 80)))

    assert (accepted.width_px, accepted.height_px) == (60, 40)


def test_what_is_packed_beside_the_pixels_is_never_unpacked(guarded: Guarded) -> None:
    squeeze = zlib.compressobj(9)
    packed = b"".join(squeeze.compress(bytes(2**20)) for _ in range(45)) + squeeze.flush()
    still = png(photo())
    bombs = b"".join(chunk(b"zTXt", b"x%d\0\0" % number + packed) for number in range(60))

    accepted = guarded.accept_upload(still[:33] + bombs + still[33:])

    assert accepted == guarded.accept_upload(still)


def test_the_largest_webp_with_alpha_fits_into_the_memory_there_is(guarded: Guarded) -> None:
    pixels = np.zeros((5000, 5000, 4), np.uint8)
    pixels[..., 3] = np.random.default_rng(1).integers(0, 2, (5000, 1), np.uint8) * 255

    assert guarded.accept_upload(webp(pixels, Q=5, effort=0)).width_px == 5000


def test_the_resolution_of_the_camera_is_dropped(guarded: Guarded) -> None:
    image = image_of(photo()).copy(xres=11.811, yres=11.811)

    assert guarded.accept_upload(image.pngsave_buffer()) == guarded.accept_upload(png(photo()))


@pytest.mark.parametrize("encode", [png, jpeg, webp])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_picture_is_refused(guarded: Guarded, encode: Any, kept: float) -> None:
    noisy = np.random.default_rng(7).integers(0, 255, (200, 300, 3), np.uint8)
    picture = encode(noisy)

    assert guarded.upload_refusal(picture[: int(len(picture) * kept)]) == "not_an_image"


def test_a_progressive_jpeg_cut_after_a_scan_is_refused(guarded: Guarded) -> None:
    picture = jpeg(photo(), interlace=True)

    assert guarded.upload_refusal(picture[: picture.rindex(b"\xff\xda")]) == "not_an_image"


def test_a_png_without_its_last_bytes_is_refused(guarded: Guarded) -> None:
    assert guarded.upload_refusal(png(photo())[:-12]) == "not_an_image"


def test_a_png_with_one_flipped_bit_is_refused(guarded: Guarded) -> None:
    picture = bytearray(png(photo()))
    picture[len(picture) // 2] ^= 1

    assert guarded.upload_refusal(bytes(picture)) == "not_an_image"


def test_a_bomb_is_refused_by_its_header(guarded: Guarded) -> None:
    bomb = hollow_png(20_000, 20_000, bits=1, has_colour=False)

    assert guarded.upload_refusal(bomb) == "too_many_pixels"


@pytest.mark.parametrize(("width_px", "height_px"), [(8193, 8), (8, 8193), (5001, 5000)])
def test_sides_and_pixels_are_limited(guarded: Guarded, width_px: int, height_px: int) -> None:
    picture = hollow_png(width_px, height_px, bits=1, has_colour=False)

    assert guarded.upload_refusal(picture) == "too_many_pixels"


def test_the_longest_side_is_accepted(guarded: Guarded) -> None:
    accepted = guarded.accept_upload(hollow_png(8192, 16, bits=8, has_colour=True))

    assert accepted.width_px == 8192


def test_a_single_pixel_is_a_picture(guarded: Guarded) -> None:
    accepted = guarded.accept_upload(png(photo()[:1, :1]))

    assert opened(accepted.thumbnail_webp).width == 1


def test_an_upload_may_have_10_mebibytes(guarded: Guarded) -> None:
    assert guarded.upload_refusal(bytes(limits.MAX_UPLOAD_BYTES + 1)) == "too_large"
    assert guarded.upload_refusal(bytes(limits.MAX_UPLOAD_BYTES)) == "not_an_image"
