"""pieces.essential: what reaches a decoder, and what never does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.imaging import limits
from madar.imaging.pieces import essential
from madar.imaging.protocol import PictureRefused
from tests.imaging.pictures import ball, chunk, hollow_png, jpeg, photo, png, webp

WHOLE = {
    "png": png(photo(40, 30)),
    "jpeg": bytes(jpeg(photo(40, 30), interlace=True)),
    "webp": bytes(webp(ball(32))),
}
HEADS = (
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"RIFF\x40\0\0\0WEBP",
    b"RIFF\x40\0\0\0WEBPVP8X",
)
BEFORE_DATA = 8 + 25
kinds = st.sampled_from(sorted(WHOLE))


def refusal(picture: bytes) -> str:
    with pytest.raises(PictureRefused) as caught:
        essential(picture)
    return caught.value.reason


@given(st.sampled_from(HEADS), st.binary(max_size=300))
def test_any_bytes_are_reduced_or_refused(head: bytes, rest: bytes) -> None:
    try:
        _, kept = essential(head + rest)
    except PictureRefused:
        return
    assert len(kept) <= len(head + rest)
    assert essential(kept)[1] == kept


@given(kinds, st.data())
def test_a_picture_that_is_cut_off_anywhere_is_refused(kind: str, data: st.DataObject) -> None:
    whole = WHOLE[kind]

    kept = data.draw(st.integers(0, len(whole) - 1))

    assert refusal(whole[:kept]) == "not_an_image"


@given(kinds, st.binary(max_size=200))
def test_what_follows_the_end_changes_nothing(kind: str, rest: bytes) -> None:
    assert essential(WHOLE[kind] + rest) == essential(WHOLE[kind])


@given(st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"teSt", b"tIME", b"pHYs"]), st.binary())
def test_what_a_png_says_beside_its_pixels_is_left_out(kind: bytes, words: bytes) -> None:
    whole = WHOLE["png"]
    told = whole[:BEFORE_DATA] + chunk(kind, words) + whole[BEFORE_DATA:]

    assert essential(told) == essential(whole)


@given(st.sampled_from([0xFE, 0xE1, 0xE2, 0xE3, 0xED, 0xEF]), st.binary(max_size=65_000))
def test_what_a_jpeg_says_beside_its_pixels_is_left_out(marker: int, words: bytes) -> None:
    segment = bytes([0xFF, marker]) + (len(words) + 2).to_bytes(2) + words
    told = WHOLE["jpeg"][:2] + segment + WHOLE["jpeg"][2:]

    assert essential(told) == essential(WHOLE["jpeg"])


@given(st.binary(max_size=100))
def test_what_a_webp_says_beside_its_pixels_is_left_out(words: bytes) -> None:
    whole = WHOLE["webp"]
    told = whole + b"XMP " + len(words).to_bytes(4, "little") + words + bytes(len(words) % 2)
    told = told[:4] + (len(told) - 8).to_bytes(4, "little") + told[8:]

    assert essential(told) == essential(whole)


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_sides_of_a_webp_are_looked_at_before_it_is_decoded(width_px: int, height_px: int) -> None:
    sides = (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    head = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + sides
    picture = b"RIFF" + len(head).to_bytes(4, "little") + head
    fits = max(width_px, height_px) <= limits.MAX_SIDE_PX
    fits = fits and width_px * height_px <= limits.MAX_PIXELS

    if fits:
        assert essential(picture) == ("webp", picture)
    else:
        assert refusal(picture) == "too_many_pixels"


@pytest.mark.parametrize("lossless", [True, False])
def test_sides_of_a_simple_webp_are_found_in_its_pixels(*, lossless: bool) -> None:
    picture = webp(np.zeros((8, 8200, 3), np.uint8), lossless=lossless, effort=0)

    assert refusal(bytes(picture)) == "too_many_pixels"


def test_scans_and_segments_are_counted() -> None:
    whole = WHOLE["jpeg"]
    scan = whole[whole.rindex(b"\xff\xda") : -2]

    assert essential(whole[:-2] + scan * 50 + whole[-2:])[0] == "jpeg"
    assert refusal(whole[:-2] + scan * 101 + whole[-2:]) == "not_an_image"
    assert refusal(b"\xff\xd8" + b"\xff\x01" * 500_000) == "not_an_image"
    assert refusal(b"\xff\xd8" + b"\xff" * limits.MAX_UPLOAD_BYTES) == "not_an_image"


def test_exif_larger_than_a_jpeg_can_hold_is_left_out() -> None:
    whole = hollow_png(8, 8, bits=8, has_colour=True)
    told = whole[:BEFORE_DATA] + chunk(b"eXIf", bytes(limits.MAX_EXIF_BYTES + 1))

    assert essential(told + whole[BEFORE_DATA:]) == essential(whole)
