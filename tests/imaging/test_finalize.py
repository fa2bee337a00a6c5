"""Imaging.finalize: what is made of a result, and which results are refused."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from madar.imaging import limits, renditions
from madar.imaging.guard import Finalized
from madar.simulator.renderer import STYLES, Style, render, to_png
from tests.imaging.conftest import Guarded
from tests.imaging.pictures import (
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


PRIVATE = b"a private wish"
ARCHIVE = b"PK\x03\x04" + PRIVATE + b"<script>PK\x05\x06</script>"


@pytest.mark.parametrize("suffix", [".png", ".webp[lossless]"])
def test_metadata_and_trailing_bytes_are_dropped(guarded: Guarded, suffix: str) -> None:
    image = image_of(ball()).icc_transform("p3", input_profile="srgb")
    artist = f"{PRIVATE.decode()} ({PRIVATE.decode()}, ASCII, {len(PRIVATE) + 1} components)"
    image.set_type(vips.GValue.gstr_type, "exif-ifd0-Artist", artist)
    image.set_type(vips.GValue.gstr_type, "png-comment-0-prompt", PRIVATE.decode())
    picture = image.write_to_buffer(suffix) + ARCHIVE
    assert {"icc-profile-data", "exif-data"} <= set(opened(picture).get_fields())
    assert picture.count(PRIVATE) >= 2

    assert_bare(guarded.finalize(picture))


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"tIME", b"prVt"])
@pytest.mark.parametrize("place", ["before the pixels", "after them"])
def test_a_chunk_beside_the_pixels_is_dropped(guarded: Guarded, kind: bytes, place: str) -> None:
    whole = png(ball())
    at = 8 + 25 if place == "before the pixels" else len(whole) - 12
    told = whole[:at] + chunk(kind, b"Comment\0\0" + PRIVATE) + whole[at:]

    done = guarded.finalize(told)

    assert_bare(done)
    assert done == guarded.finalize(whole)


@pytest.mark.parametrize("kind", [b"EXIF", b"XMP ", b"ICCP", b"prvt"])
def test_a_chunk_of_a_webp_is_dropped(guarded: Guarded, kind: bytes) -> None:
    whole = bytes(webp(ball(), lossless=True))
    told = whole + kind + struct.pack("<I", len(PRIVATE)) + PRIVATE
    told = told[:4] + struct.pack("<I", len(told) - 8) + told[8:]

    done = guarded.finalize(told)

    assert_bare(done)
    assert done == guarded.finalize(whole)


def assert_bare(done: Finalized) -> None:
    """Nothing is in the files but their pixels, and the same resolution in every master."""
    master = dict(png_chunks(done.master_png))
    assert set(master) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    assert master[b"pHYs"] == struct.pack(">IIB", 1000, 1000, 1)
    for made in (done.full_webp, done.thumbnail_webp):
        assert set(webp_chunks(made)) <= {b"VP8X", b"ALPH", b"VP8 ", b"VP8L"}
    for made in (done.master_png, done.full_webp, done.thumbnail_webp):
        assert PRIVATE not in made
        assert b"script" not in made


def png_chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    """All of them, up to the last byte of the file."""
    found: list[tuple[bytes, bytes]] = []
    at = 8
    while at < len(picture):
        (size,) = struct.unpack(">I", picture[at : at + 4])
        found.append((picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]))
        at += 12 + size
    assert (at, found[-1][0]) == (len(picture), b"IEND")
    return found


def webp_chunks(picture: bytes) -> list[bytes]:
    found: list[bytes] = []
    assert int.from_bytes(picture[4:8], "little") == len(picture) - 8
    at = 12
    while at < len(picture):
        found.append(picture[at : at + 4])
        size = int.from_bytes(picture[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    assert at == len(picture)
    return found


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


def blank(bands: int = 3, depth: type[np.unsignedinteger[Any]] = np.uint8) -> npt.NDArray[Any]:
    """Black, and as opaque as a picture can be."""
    pixels = np.zeros((256, 256, bands), depth)
    if bands in {2, 4}:
        pixels[..., -1] = np.iinfo(depth).max
    return pixels


BLANKED = {
    "png": png(blank()),
    "jpeg": jpeg(blank()),
    "webp": webp(blank()),
    "lossless webp": webp(blank(), lossless=True),
    "with alpha": png(blank(4)),
    "gray": png(blank(1)),
    "gray with alpha": png(blank(2)),
    "palette": png(blank(), palette=True),
    "one bit": hollow_png(256, 256, bits=1, has_colour=False),
    "16 bits": png(blank(depth=np.uint16)),
    "16 bits with alpha": png(blank(4, np.uint16)),
    "interlaced": png(blank(), interlace=True),
    "profile": image_of(blank()).icc_transform("p3", input_profile="srgb").pngsave_buffer(),
    "comment": png(blank())[:33] + chunk(b"tEXt", b"Comment\0not black") + png(blank())[33:],
    "archive behind": png(blank()) + b"PK\x03\x04 not black",
    "noise": png(np.random.default_rng(1).integers(0, 3, (256, 256, 3), np.uint8)),
    "noise of 16 bits": png(np.random.default_rng(1).integers(0, 600, (256, 256, 3), np.uint16)),
    "smallest": png(blank()[:32, :32]),
}


@pytest.mark.parametrize("kind", BLANKED)
def test_a_blanked_picture_is_told_apart(guarded: Guarded, kind: str) -> None:
    assert guarded.finalize_refusal(BLANKED[kind])[0] == "all_black"


@pytest.mark.parametrize("alpha", [255, 128, 1])
def test_a_blanked_picture_is_told_apart_when_cut_out(guarded: Guarded, alpha: int) -> None:
    black = ball(alpha=alpha)
    black[..., :3] = 0

    assert guarded.finalize_refusal(png(black))[0] == "all_black"


def test_a_few_pixels_do_not_light_a_blanked_picture(guarded: Guarded) -> None:
    black = blank()
    black[0, :6] = 255

    assert guarded.finalize_refusal(png(black))[0] == "all_black"


@pytest.mark.parametrize("shade", [3, 16])
def test_a_black_subject_is_not_a_blanked_picture(guarded: Guarded, shade: int) -> None:
    """A drawn black has some light in it."""
    dark = ball()
    dark[..., :3] = np.random.default_rng(1).integers(0, shade + 1, (256, 256, 3), np.uint8)

    assert guarded.finalize(png(dark)).width_px == 256


def test_a_black_subject_that_was_cut_out_of_white_is_not_blanked(guarded: Guarded) -> None:
    silhouette = ball()
    silhouette[..., :3] = np.where(silhouette[..., 3:] > 0, 0, 255)

    assert guarded.finalize(png(silhouette)).width_px == 256


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"<!doctype html><title>404</title>",
        b'{"detail": "Not Found"}',
        b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>',
        b"%PDF-1.7\n%%EOF",
        b"\0\0\0\x20ftypisom" + bytes(99),
        b"PK\x03\x04" + bytes(99),
        b"GIF89a" + bytes(99),
        animated(".gif"),
        image_of(photo()).tiffsave_buffer(),
        ARCHIVE + png(ball()),
        png(ball())[:-1],
        png(ball())[:2000],
        webp(ball())[:-9],
        b"\x89PNG\r\n\x1a\n" + bytes(99),
    ],
    ids=lambda content: f"{len(content)} bytes, {content[:12].decode('latin-1')}",
)
def test_what_is_no_whole_picture_is_refused(guarded: Guarded, content: bytes) -> None:
    assert guarded.finalize_refusal(content)[0] == "not_an_image"


@pytest.mark.parametrize("picture", [animated(".webp"), animated_png()], ids=["webp", "png"])
def test_a_film_is_refused(guarded: Guarded, picture: bytes) -> None:
    assert guarded.finalize_refusal(picture)[0] == "animated"


@pytest.mark.parametrize(("width_px", "height_px"), [(1, 1), (8, 8), (31, 32), (32, 31), (4096, 1)])
def test_a_speck_is_not_a_result(guarded: Guarded, width_px: int, height_px: int) -> None:
    picture = hollow_png(width_px, height_px, bits=8, has_colour=True)

    assert guarded.finalize_refusal(picture) == ("too_small", f"{width_px} x {height_px}")


@pytest.mark.parametrize(
    ("width_px", "height_px"), [(2049, 2048), (8192, 513), (8193, 32), (5000, 5000), (65535, 65535)]
)
def test_a_result_has_four_times_what_is_asked_for_at_most(
    guarded: Guarded, width_px: int, height_px: int
) -> None:
    picture = hollow_png(width_px, min(height_px, 64), bits=1, has_colour=False)
    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    picture = picture[:8] + chunk(b"IHDR", header) + picture[33:]

    assert guarded.finalize_refusal(picture)[0] == "too_many_pixels"


def test_the_smallest_result_is_accepted(guarded: Guarded) -> None:
    assert guarded.finalize(png(ball(32))).width_px == 32


def test_noise_of_the_largest_size_makes_files_that_can_be_stored() -> None:
    """It takes seconds, and the guard's clock is for pictures; so without one."""
    noise = np.random.default_rng(1).integers(0, 256, (2048, 2048, 4), np.uint8)
    # Clear where it has to be.
    for side in (np.s_[:41], np.s_[-41:], np.s_[:, :41], np.s_[:, -41:]):
        noise[side] = 0

    done = renditions.finalize(png(noise, compression=1))

    assert done.width_px == 2048
    assert len(done.master_png) < limits.MAX_RESULT_BYTES


def test_a_result_may_have_25_megabytes(guarded: Guarded) -> None:
    assert guarded.finalize_refusal(bytes(limits.MAX_RESULT_BYTES + 1))[0] == "too_large"
    assert guarded.finalize_refusal(bytes(limits.MAX_RESULT_BYTES))[0] == "not_an_image"
