"""What a file is made of: only the pieces that decide its pixels ever reach a decoder.

Comments, maps, previews, further pictures and whatever follows the end are left out here, so no
decoder can be kept busy by them. Colour profile and orientation stay. Runs in the child only.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Literal

from madar.imaging import limits
from madar.imaging.protocol import PictureRefused

Kind = Literal["png", "jpeg", "webp"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK_OVERHEAD = 12
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"IDAT", b"IEND"})
_PNG_ANIMATION = b"acTL"

_JPEG_START = b"\xff\xd8"
# Within compressed data 0xFF is followed by zero or a restart; before a marker it may be repeated.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_JPEG_END, _JPEG_SCAN, _JPEG_EXIF, _JPEG_COMMENT = 0xD9, 0xDA, 0xE1, 0xFE
_JPEG_APPLICATIONS = range(0xE0, 0xF0)
# Markers that nothing belongs to: TEM, start and end.
_JPEG_LONELY = frozenset({0x01, 0xD8, _JPEG_END})
_JPEG_KEPT = {
    0xE0: b"JFIF\0",
    _JPEG_EXIF: b"Exif\0\0",
    0xE2: b"ICC_PROFILE\0",
    0xEE: b"Adobe",
}

_RIFF_HEADER = 8
_WEBP_HEADER = 12
_LOW_14_BITS = 0x3FFF
_WEBP_KEPT = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"})


def essential(picture: bytes) -> tuple[Kind, bytes]:
    """Look at the content only: the name and the type a client gives are not evidence.

    Raises PictureRefused for what is none of the three, cut off, or more than one picture.
    """
    if picture.startswith(_PNG_SIGNATURE):
        return "png", _png(picture)
    if picture.startswith(_JPEG_START + b"\xff"):
        return "jpeg", _jpeg(picture)
    if picture.startswith(b"RIFF") and picture[8:_WEBP_HEADER] == b"WEBP":
        return "webp", _webp(picture)
    raise PictureRefused("not_an_image", "neither PNG, JPEG nor WebP")


def check_sides(width_px: int, height_px: int, sides: limits.Sides = limits.UPLOAD_SIDES) -> None:
    told = f"{width_px} x {height_px}"
    if width_px * height_px > sides.max_pixels or max(width_px, height_px) > limits.MAX_SIDE_PX:
        raise PictureRefused("too_many_pixels", told)
    if min(width_px, height_px) < sides.min_side_px:
        raise PictureRefused("too_small", told)


def _png(picture: bytes) -> bytes:
    """Check every chunk: libvips forgives a missing end and draws an animation's first frame."""
    view, kept = memoryview(picture), bytearray(_PNG_SIGNATURE)
    at = len(_PNG_SIGNATURE)
    while at + _PNG_CHUNK_OVERHEAD <= len(picture):
        size = int.from_bytes(view[at : at + 4])
        end = at + _PNG_CHUNK_OVERHEAD + size
        kind = picture[at + 4 : at + 8]
        if end > len(picture):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise PictureRefused("not_an_image", "a damaged chunk")
        if kind == _PNG_ANIMATION:
            raise PictureRefused("animated")
        if kind in _PNG_KEPT and _is_bearable(size, is_metadata=kind == b"eXIf"):
            kept += view[at:end]
        elif kind[:1].isupper() and kind not in _PNG_KEPT:
            # A capital letter means: not to be drawn by who does not know it (PNG, 5.4).
            raise PictureRefused("not_an_image", "an unknown critical chunk")
        if kind == b"IEND":
            return bytes(kept)
        at = end
    raise PictureRefused("not_an_image", "truncated")


def _jpeg(picture: bytes) -> bytes:
    """Take the first picture of the file, up to its end; a phone may append others, or a film."""
    kept = bytearray(_JPEG_START)
    scans, has_exif = 0, False
    for number, (marker, segment) in enumerate(_jpeg_segments(picture)):
        is_exif = marker == _JPEG_EXIF
        scans += marker == _JPEG_SCAN
        if scans > limits.MAX_SCANS or number > limits.MAX_SEGMENTS:
            raise PictureRefused("not_an_image", "too many scans or segments")
        if _is_kept_of_jpeg(marker, segment) and not (is_exif and has_exif):
            kept += b"\xff" + bytes([marker]) + segment
            has_exif |= is_exif
        if marker == _JPEG_END:
            return bytes(kept)
    raise PictureRefused("not_an_image", "truncated")


def _jpeg_segments(picture: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each marker and what follows it: two bytes of length and more, or nothing."""
    at = len(_JPEG_START)
    while found := _JPEG_MARKER.search(picture, at):
        marker, at = found[1][0], found.end()
        end = at
        if marker not in _JPEG_LONELY:
            end += int.from_bytes(picture[at : at + 2])
        if marker == _JPEG_SCAN:
            # The compressed data belongs to the scan: it lasts until the next marker.
            following = _JPEG_MARKER.search(picture, end)
            end = following.start() if following else len(picture)
        yield marker, picture[at:end]
        at = end


def _is_kept_of_jpeg(marker: int, segment: bytes) -> bool:
    if marker in _JPEG_APPLICATIONS:
        name = _JPEG_KEPT.get(marker)
        return name is not None and segment[2:].startswith(name)
    return marker != _JPEG_COMMENT


def _webp(picture: bytes) -> bytes:
    declared = int.from_bytes(picture[4:8], "little") + _RIFF_HEADER
    if declared > len(picture):
        raise PictureRefused("not_an_image", "truncated")
    view, kept = memoryview(picture)[:declared], bytearray(picture[:_WEBP_HEADER])
    at, frames = _WEBP_HEADER, 0
    while at + _RIFF_HEADER <= declared:
        kind = bytes(view[at : at + 4])
        size = int.from_bytes(view[at + 4 : at + 8], "little")
        end = at + _RIFF_HEADER + size + size % 2
        if at + _RIFF_HEADER + size > declared:
            raise PictureRefused("not_an_image", "truncated")
        frames += kind == b"ANMF"
        if frames > 1:
            raise PictureRefused("animated")
        if sides := _sides_in(kind, view[at + _RIFF_HEADER : end]):
            check_sides(*sides)
        if kind in _WEBP_KEPT and _is_bearable(size, is_metadata=kind == b"EXIF"):
            kept += view[at:end]
        at = end
    kept[4:8] = (len(kept) - _RIFF_HEADER).to_bytes(4, "little")
    return bytes(kept)


def _sides_in(kind: bytes, content: memoryview) -> tuple[int, int] | None:
    """Look before the decoder does, which makes room for all pixels when it reads the header."""
    match kind:
        case b"VP8X":
            # RFC 9649, 2.7: after the flags and three reserved bytes, each less one.
            width_px = int.from_bytes(content[4:7], "little") + 1
            height_px = int.from_bytes(content[7:10], "little") + 1
        case b"VP8 ":
            # RFC 6386, 9.1: after a frame tag and a start code; the two high bits are a scale.
            width_px = int.from_bytes(content[6:8], "little") & _LOW_14_BITS
            height_px = int.from_bytes(content[8:10], "little") & _LOW_14_BITS
        case b"VP8L":
            # RFC 9649, 3.4: after a signature of one byte, each less one.
            packed = int.from_bytes(content[1:5], "little")
            width_px = (packed & _LOW_14_BITS) + 1
            height_px = (packed >> 14 & _LOW_14_BITS) + 1
        case _:
            return None
    return width_px, height_px


def _is_bearable(size: int, *, is_metadata: bool) -> bool:
    """In a JPEG no EXIF can be larger; elsewhere a larger one is there to keep us busy."""
    return not is_metadata or size <= limits.MAX_EXIF_BYTES
